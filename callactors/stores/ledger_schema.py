"""The ledger's tables and their migrations, forward only.

- `MIGRATIONS[n]` leads from version n to n + 1; what is written here once is never edited, only added to.
- All times are UTC epoch milliseconds. JSON is text. A `calls` row without `ended` is an open call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

from callactors.errors import LedgerBroken

_VERSION_1 = """
CREATE TABLE calls (
  id TEXT PRIMARY KEY, node TEXT NOT NULL, boot TEXT NOT NULL, lease_until INTEGER NOT NULL, direction TEXT NOT NULL,
  scenario TEXT, caller TEXT, called TEXT, trunk TEXT, started INTEGER NOT NULL, answered INTEGER, ended INTEGER,
  cause TEXT, ended_by TEXT, outcome TEXT NOT NULL DEFAULT 'none', usd REAL
) WITHOUT ROWID;
CREATE INDEX calls_open ON calls(node, boot) WHERE ended IS NULL;
CREATE TABLE attempts (
  call TEXT NOT NULL, n INTEGER NOT NULL, leg INTEGER NOT NULL, trunk TEXT, target TEXT,
  sip_call_id TEXT, local_tag TEXT, remote_tag TEXT, cseq INTEGER, local_uri TEXT, remote_uri TEXT,
  local_address TEXT, remote_address TEXT, route_set TEXT, remote_target TEXT,
  rang INTEGER, answered INTEGER, ended INTEGER, sip_code INTEGER, q850 INTEGER, reason TEXT,
  PRIMARY KEY (call, n)
) WITHOUT ROWID;
CREATE TABLE turns (
  call TEXT NOT NULL, n INTEGER NOT NULL, heard TEXT NOT NULL, said TEXT NOT NULL, cut_ms INTEGER, stages TEXT,
  PRIMARY KEY (call, n)
) WITHOUT ROWID;
CREATE TABLE tool_runs (
  call TEXT NOT NULL, session INTEGER NOT NULL, tool_request_id TEXT NOT NULL, tool TEXT NOT NULL,
  arguments TEXT NOT NULL, arguments_hash TEXT NOT NULL, state TEXT NOT NULL, output TEXT,
  UNIQUE (call, session, tool_request_id)
);
CREATE INDEX tool_runs_replayed ON tool_runs(call, tool, arguments_hash);
CREATE TABLE transfers (
  call TEXT NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, at INTEGER NOT NULL,
  outcome TEXT, sip_code INTEGER, PRIMARY KEY (call, n)
) WITHOUT ROWID;
CREATE TABLE quality (
  call TEXT NOT NULL, leg INTEGER NOT NULL, direction TEXT NOT NULL, packets INTEGER NOT NULL, lost INTEGER NOT NULL,
  late INTEGER NOT NULL, jitter_ms REAL NOT NULL, mos REAL, PRIMARY KEY (call, leg, direction)
) WITHOUT ROWID;
CREATE TABLE events (
  call TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT,
  PRIMARY KEY (call, seq)
) WITHOUT ROWID;
"""

MIGRATIONS: Mapping[int, str] = MappingProxyType({0: _VERSION_1})
VERSION = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """0 for an empty file."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return 0
    row = connection.execute("SELECT schema_version FROM meta").fetchone()
    return int(row[0]) if row else 0


def check_version(found: int, where: str, known: int = VERSION) -> None:
    """Raises LedgerBroken for a ledger that a newer callactors has written."""
    if found > known:
        raise LedgerBroken(
            f"{where} has schema version {found}, this callactors knows {known}; "
            "start the newer callactors that wrote it, or use another --data DIR"
        )


def migrate(
    connection: sqlite3.Connection, where: str = "the ledger", migrations: Mapping[int, str] = MIGRATIONS
) -> int:
    """Bring the file up to date, one transaction a version; returns the version it had. Needs isolation_level=None."""
    found = schema_version(connection)
    check_version(found, where, len(migrations))
    for version in range(found, len(migrations)):
        _step(connection, version, migrations[version])
    return found


def _step(connection: sqlite3.Connection, version: int, script: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in script.split(";"):
            connection.execute(statement)
        connection.execute("CREATE TABLE IF NOT EXISTS meta (schema_version INTEGER NOT NULL)")
        connection.execute("DELETE FROM meta")
        connection.execute("INSERT INTO meta VALUES (?)", (version + 1,))
        connection.execute("COMMIT")
    except BaseException:  # whatever it was, the half-made version must not stay
        connection.execute("ROLLBACK")
        raise
