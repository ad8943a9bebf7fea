"""Engines for the stores: one that writes, one that reads, over any SQLAlchemy URL.

- SQLite: WAL, synchronous=FULL (a booking that was spoken must survive a power cut), 5 s busy timeout, foreign keys on.
- A writing transaction begins with BEGIN IMMEDIATE: read-then-write under the default BEGIN fails at once when another
  writer is there. One connection writes; further writers wait for it.
- Blocking: called through net/offload by tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import make_url

WAIT = 10.0  # s for the writing connection


@attrs.frozen
class Engines:
    """`writer.begin()` to change something, `reader.connect()` to look. `close()` when done; both are thread-safe."""

    writer: Engine
    reader: Engine

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()

    @property
    def sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"


def open_engines(url: str, tables: MetaData) -> Engines:
    """Both engines, with `tables` created where absent. Raises SQLAlchemyError, OSError, ValueError."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ValueError("stores.url must name a file: a database in memory is another one for each connection")
        file = Path(str(parsed.database))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # customers' names and numbers
    # ours: SQLite may only be shared by threads that take turns, and the pool makes them
    options: dict[str, Any] = {"check_same_thread": False} if parsed.get_backend_name() == "sqlite" else {}
    writer = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=WAIT, connect_args=options)
    reader = create_engine(url, pool_size=4, max_overflow=8, pool_timeout=WAIT, connect_args=options)
    if writer.dialect.name == "sqlite":
        _prepare(writer, "BEGIN IMMEDIATE")
        _prepare(reader, "BEGIN")
    with writer.begin() as connection:
        tables.create_all(connection)
    return Engines(writer, reader)


def _prepare(engine: Engine, begin: str) -> None:
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
