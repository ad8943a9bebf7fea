"""The calendar: services, resources (stylists, chairs), opening hours, and bookings that never overlap.

- No double booking by construction: a booking owns one `occupancy` row for each quarter of an hour it touches, and
  (house, resource, slot) is unique. Two writers of one slot: the second gets SlotTaken with what is free nearby.
- Times are the house's local wall clock, naive: an aware datetime loses its zone, not its hands.
- `house` keeps several businesses apart in one database. Blocking and thread-safe: tools call it through offload.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import attrs
from sqlalchemy import Connection, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from callactors.errors import ToolFailed
from callactors.stores import calendar_tables as t
from callactors.stores.calendar_tables import SLOT, Hours, clock, minutes, slot_number
from callactors.stores.people import name_key, phone_key, tidy
from callactors.stores.sql import Engines, open_engines

PARTS = {"any": (0, 1440), "morning": (0, 720), "afternoon": (720, 1020), "evening": (1020, 1440)}  # minutes of the day
LAST_YEAR = 9000  # later than that, days cannot be counted on from
LONGEST_SERVICE = 12 * 60  # minutes
SEARCH_DAYS = 14  # how far alternatives are looked for


@attrs.frozen
class Slot:
    """A time at which a resource is free for a service."""

    start: datetime
    resource: str


@attrs.frozen
class Booking:
    """An appointment; `minutes` is how long the service takes."""

    id: int
    service: str
    resource: str
    name: str
    phone: str
    start: datetime
    minutes: int
    cancelled: bool = False

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)


class CannotBook(ToolFailed):
    """That time cannot be had; `alternatives` are the nearest that can. The text is fit to be spoken."""

    def __init__(self, problem: str, alternatives: Sequence[Slot] = ()) -> None:
        self.alternatives = tuple(alternatives)
        free = ", ".join(f"{slot.start:%A %d %B at %H:%M} with {slot.resource}" for slot in self.alternatives)
        super().__init__(f"{problem} The nearest free times are: {free}." if free else problem)


class SlotTaken(CannotBook):
    """Somebody has that time."""


class NotOpen(CannotBook):
    """Outside the opening hours, or already past."""


class UnknownService(ToolFailed):
    """No such service or person; the text names those there are."""


class NoSuchBooking(ToolFailed):
    """Nothing, or more than one thing, matches."""


class Calendar:
    """`Calendar("sqlite:///data/stores.db")`; `configure` once per house, then book."""

    def __init__(self, url: str, house: str = "main") -> None:
        self._engines: Engines = open_engines(url, t.TABLES)
        self._house = house

    def close(self) -> None:
        self._engines.close()

    # -- what the house offers -----------------------------------------------------------------------------------

    def configure(self, services: Mapping[str, int], resources: Sequence[str], hours: Mapping[str, str]) -> None:
        """Set what is offered: minutes by service, who works, and hours such as {"mon-fri": "09:00-18:00"}.

        Replaces an earlier configuration and keeps every booking. Raises ValueError.
        """
        offered = {tidy(name): _length(name, length) for name, length in services.items()}
        week = t.week(hours)
        with self._engines.writer.begin() as db:
            for table in (t.services, t.resources, t.hours):
                db.execute(delete(table).where(table.c.house == self._house))
            self._insert(
                db, t.services, [{"name": n, "minutes": m, "n": i} for i, (n, m) in enumerate(offered.items())]
            )
            self._insert(db, t.resources, [{"name": tidy(name), "n": i} for i, name in enumerate(resources)])
            self._insert(db, t.hours, [{"weekday": d, "opens": h.opens, "closes": h.closes} for d, h in week.items()])

    def _insert(self, db: Connection, table: Table, rows: list[dict[str, object]]) -> None:
        if rows:
            db.execute(insert(table), [{"house": self._house, **row} for row in rows])

    def services(self) -> dict[str, int]:
        """Minutes by service, in the configured order."""
        query = select(t.services.c.name, t.services.c.minutes).where(t.services.c.house == self._house)
        with self._engines.reader.connect() as db:
            return {name: length for name, length in db.execute(query.order_by(t.services.c.n))}

    def resources(self) -> list[str]:
        """Who can be booked, in the configured order."""
        with self._engines.reader.connect() as db:
            return self._resources(db)

    def hours(self) -> dict[int, Hours]:
        """Opening hours by weekday, Monday 0; a day that is absent is closed."""
        with self._engines.reader.connect() as db:
            return self._hours(db)

    # -- looking -------------------------------------------------------------------------------------------------

    def free(
        self, day: date, service: str, part: str = "any", *, resource: str | None = None, after: datetime | None = None
    ) -> list[Slot]:
        """Every start that day at which the service fits, one resource each; `part` is a key of PARTS.

        `after` (usually now) leaves out what is past. Raises UnknownService.
        """
        with self._engines.reader.connect() as db:
            _, length = self._service(db, service)
            people = self._people(db, resource)
            return self._free(db, _date(day), length, part, people, _naive(after))

    def bookings(self, day: date | None = None, *, cancelled: bool = False, limit: int = 1000) -> list[Booking]:
        """Appointments by time, of one day or all."""
        query = select(t.bookings).where(t.bookings.c.house == self._house)
        if not cancelled:
            query = query.where(t.bookings.c.cancelled == 0)
        if day is not None:
            query = query.where(t.bookings.c.start.startswith(_date(day).isoformat()))
        with self._engines.reader.connect() as db:
            return [_booking(row) for row in db.execute(query.order_by(t.bookings.c.start).limit(limit))]

    def find(
        self, name: str | None = None, phone: str | None = None, *, after: datetime | None = None
    ) -> list[Booking]:
        """A person's appointments by number, by name, or by both when both are given; earliest first."""
        with self._engines.reader.connect() as db:
            return self._find(db, name, phone, _naive(after))

    # -- changing ------------------------------------------------------------------------------------------------

    def book(
        self,
        service: str,
        start: datetime,
        name: str,
        phone: str = "",
        resource: str | None = None,
        *,
        after: datetime | None = None,
    ) -> Booking:
        """Book it, with `resource` or whoever is free. Raises SlotTaken, NotOpen, UnknownService; durable on return."""
        begin = _naive(start)
        assert begin is not None
        for _ in range(3):  # PostgreSQL may let two writers pass the look; the unique rows let one of them write
            try:
                with self._engines.writer.begin() as db:
                    return self._book(db, service, begin, (tidy(name), tidy(phone, 40)), resource, _naive(after))
            except IntegrityError:
                continue
        raise SlotTaken("That time has just been taken.")

    def cancel(
        self,
        booking: int | None = None,
        *,
        name: str | None = None,
        phone: str | None = None,
        start: datetime | None = None,
    ) -> Booking:
        """Cancel by number, or the one appointment of a person (at `start`, if given). Raises NoSuchBooking."""
        with self._engines.writer.begin() as db:
            chosen = self._chosen(db, booking, name, phone, _naive(start))
            db.execute(update(t.bookings).where(t.bookings.c.id == chosen.id).values(cancelled=1))
            db.execute(delete(t.occupancy).where(t.occupancy.c.booking == chosen.id))
            return attrs.evolve(chosen, cancelled=True)

    # -- inside one transaction ----------------------------------------------------------------------------------

    def _book(
        self,
        db: Connection,
        service: str,
        start: datetime,
        person: tuple[str, str],
        resource: str | None,
        after: datetime | None,
    ) -> Booking:
        offered, length = self._service(db, service)
        people = self._people(db, resource)
        if not self._open(db, start, length) or (after is not None and start < after):
            problem = f"We are not open at {start:%H:%M on %A %d %B} for {offered}."
            raise NotOpen(problem, self._nearest(db, start, length, people, after))
        taken = self._taken(db, start.date(), start.date() + timedelta(days=1))
        free = [who for who in people if not taken & _occupied(who, start, length)]
        if not free:
            who = f"{resource} is" if resource else "Everybody is"
            problem = f"{who} taken at {start:%H:%M on %A %d %B}."
            raise SlotTaken(problem, self._nearest(db, start, length, people, after))
        return self._write(db, offered, length, start, person, free[0])

    def _write(
        self, db: Connection, service: str, length: int, start: datetime, person: tuple[str, str], resource: str
    ) -> Booking:
        name, phone = person
        facts = {"service": service, "resource": resource, "name": name, "phone": phone, "minutes": length}
        keys = {"name_key": name_key(name), "phone_key": phone_key(phone), "created": round(time.time() * 1000)}
        row = {"house": self._house, "start": start.isoformat(), "cancelled": 0, **facts, **keys}
        number = int(db.execute(insert(t.bookings).values(row).returning(t.bookings.c.id)).scalar_one())
        slots = [{"resource": who, "slot": slot, "booking": number} for who, slot in _occupied(resource, start, length)]
        self._insert(db, t.occupancy, [dict(slot) for slot in slots])
        return Booking(number, service, resource, name, phone, start, length)

    def _service(self, db: Connection, service: str) -> tuple[str, int]:
        query = select(t.services.c.name, t.services.c.minutes).where(t.services.c.house == self._house)
        offered = {name: length for name, length in db.execute(query.order_by(t.services.c.n))}
        for name, length in offered.items():
            if name_key(name) == name_key(service):
                return name, length
        raise UnknownService(f"There is no {tidy(service, 60)!r} here; there is {', '.join(offered) or 'nothing yet'}.")

    def _resources(self, db: Connection) -> list[str]:
        query = select(t.resources.c.name).where(t.resources.c.house == self._house).order_by(t.resources.c.n)
        return [str(name) for (name,) in db.execute(query)]

    def _people(self, db: Connection, resource: str | None) -> list[str]:
        people = self._resources(db)
        if resource is None or not name_key(resource):
            return people
        found = [name for name in people if name_key(name) == name_key(resource)]
        if not found:
            raise UnknownService(
                f"There is no {tidy(resource, 60)!r} here; there is {', '.join(people) or 'nobody yet'}."
            )
        return found

    def _hours(self, db: Connection) -> dict[int, Hours]:
        query = select(t.hours.c.weekday, t.hours.c.opens, t.hours.c.closes).where(t.hours.c.house == self._house)
        return {weekday: Hours(opens, closes) for weekday, opens, closes in db.execute(query)}

    def _open(self, db: Connection, start: datetime, length: int) -> bool:
        hours = self._hours(db).get(start.weekday()) if start.year <= LAST_YEAR else None
        begin = minutes(start.time())
        return hours is not None and hours.opens <= begin and begin + length <= hours.closes

    def _taken(self, db: Connection, first: date, until: date) -> set[tuple[str, int]]:
        """What is occupied on the days from `first` up to, not including, `until`."""
        low, high = (slot_number(datetime.combine(day, datetime.min.time())) for day in (first, until))
        where = (t.occupancy.c.house == self._house, t.occupancy.c.slot >= low, t.occupancy.c.slot < high)
        return {
            (who, slot) for who, slot in db.execute(select(t.occupancy.c.resource, t.occupancy.c.slot).where(*where))
        }

    def _free(
        self, db: Connection, day: date, length: int, part: str, people: Sequence[str], after: datetime | None
    ) -> list[Slot]:
        hours = self._hours(db).get(day.weekday())
        if hours is None or day.year > LAST_YEAR:
            return []
        low, high = PARTS.get(part, PARTS["any"])
        taken = self._taken(db, day, day + timedelta(days=1))
        found = []
        for begin in range(-(-hours.opens // SLOT) * SLOT, hours.closes - length + 1, SLOT):
            start = datetime.combine(day, clock(begin))
            who = next((one for one in people if not taken & _occupied(one, start, length)), None)
            if who is not None and low <= begin < high and (after is None or start >= after):
                found.append(Slot(start, who))
        return found

    def _nearest(
        self,
        db: Connection,
        start: datetime,
        length: int,
        people: Sequence[str],
        after: datetime | None,
        count: int = 3,
    ) -> list[Slot]:
        """The free starts nearest to `start`: that day's first, then the days that follow."""
        for ahead in range(SEARCH_DAYS if start.year <= LAST_YEAR else 0):
            free = self._free(db, start.date() + timedelta(days=ahead), length, "any", people, after)
            if free:
                nearest = sorted(free, key=lambda slot: abs(slot.start - start))[:count]
                return sorted(nearest, key=lambda slot: slot.start)
        return []

    def _find(self, db: Connection, name: str | None, phone: str | None, after: datetime | None) -> list[Booking]:
        wanted, number = name_key(name), phone_key(phone)
        if not wanted and number is None:
            return []
        query = select(t.bookings).where(t.bookings.c.house == self._house, t.bookings.c.cancelled == 0)
        if wanted:
            query = query.where(t.bookings.c.name_key == wanted)
        if number is not None:
            query = query.where(t.bookings.c.phone_key == number)
        if after is not None:
            query = query.where(t.bookings.c.start >= after.isoformat())
        return [_booking(row) for row in db.execute(query.order_by(t.bookings.c.start).limit(100))]

    def _chosen(
        self, db: Connection, number: int | None, name: str | None, phone: str | None, start: datetime | None
    ) -> Booking:
        if number is not None:
            where = (t.bookings.c.id == number, t.bookings.c.house == self._house, t.bookings.c.cancelled == 0)
            found = [_booking(row) for row in db.execute(select(t.bookings).where(*where))]
        else:
            found = [one for one in self._find(db, name, phone, None) if start is None or one.start == start]
        if not found:
            raise NoSuchBooking("There is no such appointment.")
        if len(found) > 1:
            times = ", ".join(f"{one.service} on {one.start:%A %d %B at %H:%M}" for one in found[:5])
            raise NoSuchBooking(f"There is more than one appointment: {times}. Which one is meant?")
        return found[0]


def _occupied(resource: str, start: datetime, length: int) -> set[tuple[str, int]]:
    """The (resource, slot) pairs touched by `length` minutes from `start`."""
    return {
        (resource, slot)
        for slot in range(slot_number(start), slot_number(start + timedelta(minutes=length, microseconds=-1)) + 1)
    }


def _booking(row: t.AnyRow) -> Booking:
    start = datetime.fromisoformat(row.start)
    return Booking(
        row.id, row.service, row.resource, row.name, row.phone, start, row.minutes, cancelled=bool(row.cancelled)
    )


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None, second=0, microsecond=0)


def _date(day: date) -> date:
    return day.date() if isinstance(day, datetime) else day


def _length(name: str, length: int) -> int:
    if not 0 < length <= LONGEST_SERVICE:
        raise ValueError(f"{name} takes {length} minutes; a service takes 1 to {LONGEST_SERVICE}")
    return length
