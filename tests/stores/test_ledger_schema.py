"""Migrations: forward, whole or not at all, and never on a file from the future."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from callactors.errors import LedgerBroken
from callactors.stores.ledger import Ledger, open_ledger
from callactors.stores.ledger_reader import open_reader
from callactors.stores.ledger_rows import CallOpened
from callactors.stores.ledger_schema import MIGRATIONS, VERSION, migrate, schema_version

NEXT = {**MIGRATIONS, VERSION: "ALTER TABLE calls ADD COLUMN mood TEXT; CREATE TABLE moods (name TEXT)"}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    yield connection
    connection.close()


def test_an_empty_file_becomes_the_present_version_once(db: sqlite3.Connection) -> None:
    assert (schema_version(db), migrate(db), schema_version(db), migrate(db)) == (0, 0, VERSION, VERSION)


def test_an_older_ledger_is_upgraded_with_its_rows(db: sqlite3.Connection) -> None:
    migrate(db)
    db.execute("INSERT INTO calls (id, node, boot, lease_until, direction, started) VALUES ('c', 'a', 'b', 0, 'in', 5)")
    assert migrate(db, migrations=NEXT) == VERSION
    assert schema_version(db) == VERSION + 1
    assert db.execute("SELECT id, started, mood FROM calls").fetchall() == [("c", 5, None)]


def test_a_migration_that_fails_leaves_the_version_before_it(db: sqlite3.Connection) -> None:
    migrate(db)
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, migrations=NEXT | {VERSION: "CREATE TABLE moods (name TEXT); ALTER TABLE nowhere ADD COLUMN x"})
    assert schema_version(db) == VERSION
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'moods'").fetchone()


async def test_a_ledger_from_a_newer_callactors_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.durable(CallOpened(call="c1", direction="inbound", started=1))
    db = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    db.execute("UPDATE meta SET schema_version = 99")
    db.close()
    with pytest.raises(LedgerBroken, match="schema version 99, this callactors knows 1; start the newer"):
        await Ledger(tmp_path / "ledger.db", "a1").open()
    with pytest.raises(LedgerBroken, match="schema version 99"), open_reader(tmp_path / "ledger.db"):
        pass
