"""Engines: durable settings, and writers that wait for each other instead of failing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, select, update

from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.stores.knowledge import Knowledge
from callactors.stores.protocols import CalendarStore, CrmStore, KnowledgeStore
from callactors.stores.sql import open_engines

TABLES = MetaData()
COUNTS = Table("counts", TABLES, Column("id", Integer, primary_key=True), Column("n", Integer))


def test_sqlite_is_wal_and_full_and_checks_foreign_keys(tmp_path: Path) -> None:
    engines = open_engines(f"sqlite:///{tmp_path}/a/b.db", TABLES)
    with engines.writer.connect() as db:
        settings = [
            db.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert settings == ["wal", 2, 1]
    engines.close()


def test_read_then_write_from_many_threads_loses_nothing(tmp_path: Path) -> None:
    both = [open_engines(f"sqlite:///{tmp_path}/c.db", TABLES) for _ in range(2)]
    with both[0].writer.begin() as db:
        db.execute(COUNTS.insert().values(id=1, n=0))

    def count(writer: int) -> None:
        for _ in range(10):
            with both[writer % 2].writer.begin() as db:
                n = db.execute(select(COUNTS.c.n)).scalar_one()
                db.execute(update(COUNTS).values(n=n + 1))

    threads = [threading.Thread(target=count, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with both[0].reader.connect() as db:
        assert db.execute(select(COUNTS.c.n)).scalar_one() == 60
    for engines in both:
        engines.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ValueError, match="must name a file"):
        open_engines(url, TABLES)


def test_our_stores_are_what_tools_may_ask(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stores.db"
    calendar: CalendarStore = Calendar(url)
    crm: CrmStore = Crm(url)
    knowledge: KnowledgeStore = Knowledge(url)
    assert (calendar.bookings(), crm.records(), knowledge.search("anything")) == ([], [], [])
