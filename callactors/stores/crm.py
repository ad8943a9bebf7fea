"""The customer file: one record a person, known by their number, or by name when there is no number.

Blocking and thread-safe: tools call it through offload. Notes are kept newest last, bounded.
"""

from __future__ import annotations

import time

import attrs
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from callactors.stores.calendar_tables import AnyRow
from callactors.stores.people import name_key, phone_key, tidy
from callactors.stores.sql import Engines, open_engines

NOTES = 4000  # characters of notes a record keeps
_TABLES = MetaData()
_people = Table(
    "people",
    _TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(200), nullable=False),
    Column("name_key", String(200), nullable=False, index=True),
    Column("phone", String(40), nullable=False),
    Column("phone_key", String(10), unique=True),  # NULL for people without a number, who may be many
    Column("note", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)


@attrs.frozen
class Record:
    """What is known of a person. Times are UTC epoch milliseconds; `new` says this `remember` made the record."""

    id: int
    name: str
    phone: str
    note: str
    created: int
    updated: int
    new: bool = False


class Crm:
    """`Crm("sqlite:///data/stores.db")`."""

    def __init__(self, url: str) -> None:
        self._engines: Engines = open_engines(url, _TABLES)

    def close(self) -> None:
        self._engines.close()

    def remember(self, name: str, phone: str = "", note: str = "") -> Record:
        """Make this person's record, or add to it. Durable on return. Raises ValueError without name and number."""
        if not name_key(name) and phone_key(phone) is None:
            raise ValueError("a record needs a name or a phone number")
        for _ in range(3):  # PostgreSQL: two callers with one number at once; the second finds the first's record
            try:
                with self._engines.writer.begin() as db:
                    return self._remember(db, tidy(name), tidy(phone, 40), tidy(note, 1000))
            except IntegrityError:
                continue
        raise ValueError("the record is being changed by too many at once")

    def find(self, name: str | None = None, phone: str | None = None) -> Record | None:
        """The record of this number; without one, the latest of this name."""
        with self._engines.reader.connect() as db:
            row = _match(db, name_key(name), phone_key(phone))
        return None if row is None else _record(row)

    def records(self, limit: int = 1000) -> list[Record]:
        """The latest records, newest change first."""
        query = select(_people).order_by(_people.c.updated.desc(), _people.c.id.desc()).limit(limit)
        with self._engines.reader.connect() as db:
            return [_record(row) for row in db.execute(query)]

    def _remember(self, db: Connection, name: str, phone: str, note: str) -> Record:
        now = round(time.time() * 1000)
        row = _match(db, name_key(name), phone_key(phone))
        if row is None:
            facts = {"name": name, "phone": phone, "note": note, "created": now, "updated": now}
            keys = {"name_key": name_key(name), "phone_key": phone_key(phone)}
            number = db.execute(insert(_people).values(**facts, **keys).returning(_people.c.id)).scalar_one()
            return Record(number, name, phone, note, now, now, new=True)
        known = _record(row)
        notes = "\n".join(part for part in (known.note, note) if part) if note not in known.note else known.note
        changed = attrs.evolve(
            known, name=name or known.name, phone=phone or known.phone, note=notes[-NOTES:], updated=now
        )
        facts = {"name": changed.name, "phone": changed.phone, "note": changed.note, "updated": now}
        keys = {"name_key": name_key(changed.name), "phone_key": phone_key(changed.phone)}
        db.execute(update(_people).where(_people.c.id == known.id).values(**facts, **keys))
        return changed


def _match(db: Connection, name: str, phone: str | None) -> AnyRow | None:
    """By number; else by name, though never somebody of that name with another number."""
    latest = select(_people).order_by(_people.c.updated.desc(), _people.c.id.desc()).limit(1)
    if phone is not None:
        row = db.execute(latest.where(_people.c.phone_key == phone)).first()
        if row is not None or not name:
            return row
        return db.execute(latest.where(_people.c.name_key == name, _people.c.phone_key.is_(None))).first()
    return db.execute(latest.where(_people.c.name_key == name)).first() if name else None


def _record(row: AnyRow) -> Record:
    return Record(row.id, row.name, row.phone, row.note, row.created, row.updated)
