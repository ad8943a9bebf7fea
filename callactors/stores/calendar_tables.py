"""The calendar's tables and its arithmetic of days, minutes and quarter-hour slots. Portable SQL only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

import attrs
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Row, String, Table, UniqueConstraint

SLOT = 15  # minutes
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TABLES = MetaData()
AnyRow = Row[Any]  # SQLAlchemy types a row by its query; ours are all SELECT of a whole table

services = Table(
    "services",
    TABLES,
    Column("house", String(80), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("minutes", Integer, nullable=False),
    Column("n", Integer, nullable=False),
)
resources = Table(
    "resources",
    TABLES,
    Column("house", String(80), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("n", Integer, nullable=False),
)
hours = Table(
    "opening_hours",
    TABLES,
    Column("house", String(80), primary_key=True),
    Column("weekday", Integer, primary_key=True),
    Column("opens", Integer, nullable=False),
    Column("closes", Integer, nullable=False),
)
bookings = Table(
    "bookings",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("house", String(80), nullable=False),
    Column("service", String(200), nullable=False),
    Column("resource", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("name_key", String(200), nullable=False),
    Column("phone", String(40), nullable=False),
    Column("phone_key", String(10)),
    Column("start", String(32), nullable=False),  # local ISO 8601: sorts as it reads
    Column("minutes", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),  # UTC epoch ms
    Index("bookings_by_start", "house", "start"),
    Index("bookings_by_phone", "house", "phone_key"),
    Index("bookings_by_name", "house", "name_key"),
    sqlite_autoincrement=True,  # a cancelled booking's number is never given out again
)
occupancy = Table(
    "occupancy",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("house", String(80), nullable=False),
    Column("resource", String(200), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("booking", Integer, nullable=False, index=True),
    UniqueConstraint("house", "resource", "slot"),
)


@attrs.frozen
class Hours:
    """Minutes of the day."""

    opens: int
    closes: int


def minutes(at: time) -> int:
    """Minutes since midnight."""
    return at.hour * 60 + at.minute


def clock(minute: int) -> time:
    """The time of day, up to 23:59."""
    return time(minute // 60, minute % 60)


def slot_number(at: datetime) -> int:
    """Quarters of an hour since the calendar's first midnight; fits 32 bits for every date there is."""
    return at.toordinal() * (1440 // SLOT) + minutes(at.time()) // SLOT


def week(text: Mapping[str, str]) -> dict[int, Hours]:
    """{"mon-fri": "09:00-18:00", "sat": "closed"} by weekday, Monday 0. Raises ValueError naming what is wrong."""
    found: dict[int, Hours] = {}
    for days, span in text.items():
        if span.strip().lower() == "closed":
            continue
        found |= dict.fromkeys(_days(days), _span(span))
    return found


def _days(text: str) -> range:
    first, _, last = text.strip().lower().partition("-")
    try:
        low = DAYS.index(first.strip()[:3])
        return range(low, (DAYS.index(last.strip()[:3]) if last else low) + 1)
    except ValueError:
        raise ValueError(f"{text!r} is not a weekday or a span of them; write mon, or mon-fri") from None


def _span(text: str) -> Hours:
    opens, _, closes = text.partition("-")
    try:
        span = Hours(minutes(time.fromisoformat(opens.strip())), minutes(time.fromisoformat(closes.strip())))
    except ValueError:
        raise ValueError(f"{text!r} is not a span of hours; write 09:00-18:00") from None
    if span.opens >= span.closes:
        raise ValueError(f"{text!r} closes before it opens")
    return span
