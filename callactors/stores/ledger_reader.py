"""Reading the ledger while somebody else writes it: a read-only connection, which under WAL blocks nobody.

- Facts come out as JSON-ready dicts: times are RFC 3339 with milliseconds (UTC), JSON columns are decoded.
- Blocking: for commands, or through net/offload.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import msgspec

from callactors.errors import LedgerBroken, Theirs
from callactors.stores import ledger_schema
from callactors.stores.recording_facts import recording_facts

Facts = dict[str, Any]

_CALLS = """SELECT id AS call, direction, scenario, caller, called, trunk, started, answered, ended, cause, ended_by,
  outcome, (SELECT sip_code FROM attempts WHERE call = id AND sip_code IS NOT NULL
    ORDER BY answered IS NULL, n DESC LIMIT 1) AS sip_code,
  usd, node FROM calls"""
_PARTS = {
    "attempts": "SELECT * FROM attempts WHERE call = ? ORDER BY n",
    "turns": "SELECT * FROM turns WHERE call = ? ORDER BY n",
    "tools": "SELECT * FROM tool_runs WHERE call = ? ORDER BY rowid",
    "transfers": "SELECT * FROM transfers WHERE call = ? ORDER BY n",
    "quality": "SELECT * FROM quality WHERE call = ? ORDER BY leg, direction",
    "events": "SELECT * FROM events WHERE call = ? ORDER BY seq",
}
_TIMES = ("started", "answered", "ended", "rang", "at")
_JSON = ("stages", "arguments", "body", "route_set")


class NoSuchCall(Theirs):
    """No call, or several, begin with the id that was asked for."""


def rfc3339(ms: int | None) -> str | None:
    """UTC epoch milliseconds as `2026-01-02T03:04:05.678Z`; a time no calendar has as its number."""
    if ms is None:
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(ms)


@attrs.frozen
class LedgerReader:
    """The ledger of one data folder. `open_reader` makes one."""

    folder: Path
    _db: sqlite3.Connection

    def calls(self, last: int | None = None) -> Iterator[Facts]:
        """Every call, oldest first; `last` only so many of the newest. `duration` is seconds from answer to end."""
        newest = f"{_CALLS} ORDER BY id DESC LIMIT ?"
        for row in self._db.execute(f"SELECT * FROM ({newest}) ORDER BY call", (-1 if last is None else last,)):
            yield _call(row)

    def call(self, prefix: str) -> Facts:
        """Everything about the one call whose id begins so, read at one moment. Raises NoSuchCall."""
        self._db.execute("BEGIN")
        try:
            call = self._resolve(prefix)
            facts = _call(self._db.execute(f"{_CALLS} WHERE id = ?", (call,)).fetchone())
            for name, query in _PARTS.items():
                facts[name] = [_part(row) for row in self._db.execute(query, (call,))]
        finally:
            self._db.execute("ROLLBACK")
        tape = recording_facts(facts["events"])
        return facts | {"recording": (tape or {}).get("path") or self._usual(facts["call"]), "tape": tape}

    def _resolve(self, prefix: str) -> str:
        query = "SELECT id FROM calls WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 3"
        wanted = prefix.strip().lower()
        found = [str(row[0]) for row in self._db.execute(query, (len(wanted), wanted))] if wanted else []
        if len(found) == 1 or wanted in found:
            return wanted if wanted in found else found[0]
        if found:
            raise NoSuchCall(f"more than one call begins with {prefix[:80]!r}: {', '.join(found)}; give more of the id")
        raise NoSuchCall(
            f"no call begins with {prefix[:80]!r}; `calls list --data {self.folder}` shows those there are"
        )

    def _usual(self, call: str) -> str | None:
        """Where it is put, if it is there: no event says so."""
        usual = self.folder / "recordings" / f"{call}.wav"
        return str(usual) if usual.exists() else None


@contextmanager
def open_reader(path: Path) -> Iterator[LedgerReader]:
    """Read `path`. Raises LedgerBroken with a remedy when it is absent, broken, or not of our schema version."""
    if not path.is_file():
        raise LedgerBroken(f"there is no ledger at {path}; run callactors first, or give its folder with --data DIR")
    db: sqlite3.Connection | None = None
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
        db.row_factory = sqlite3.Row
        _check(db, path)
        yield LedgerReader(path.parent, db)
    except sqlite3.Error as error:
        raise LedgerBroken(f"{path} cannot be read: {error}; is it a ledger, and may you read its folder?") from error
    finally:
        if db is not None:
            db.close()


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = ledger_schema.schema_version(db)
    ledger_schema.check_version(found, str(path))
    if found < ledger_schema.VERSION:
        raise LedgerBroken(f"{path} has schema version {found}; start callactors once to bring it up to date")


def _call(row: sqlite3.Row) -> Facts:
    facts = dict(row)
    answered, ended = facts["answered"], facts["ended"]
    facts["duration"] = round((ended - answered) / 1000, 3) if answered is not None and ended is not None else None
    return _readable(facts)


def _part(row: sqlite3.Row) -> Facts:
    facts = _readable(dict(row))
    del facts["call"]
    return facts


def _readable(facts: Facts) -> Facts:
    for name in _TIMES:
        if name in facts:
            facts[name] = rfc3339(facts[name])
    for name in _JSON:
        if facts.get(name) is not None:
            facts[name] = _decoded(facts[name])
    return facts


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text  # a model's arguments may be no JSON at all: the record keeps what came
