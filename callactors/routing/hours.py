"""Opening hours: what `when` of a number means. Weekdays and times of one zone, without the days that are closed.

- `mon-fri 09:00-17:00`, `sat 10:00-14:00`, `fri 22:00-02:00` (over midnight, counted to friday), `sun` (all day).
- The minute of the end is not open any more; 24:00 is the end of the day. Summer time is the zone's.
- `now` is an argument, in any zone.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping

import attrs

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = "always"
_MINUTES = 24 * 60
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?(?: +([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2}))?")


@attrs.frozen
class Span:
    """Some days of the week, from a minute of the day to another; an end before its beginning lies in the next day."""

    days: frozenset[int]
    first: int
    last: int

    def holds(self, day: int, minute: int) -> bool:
        """Whether this minute (0 to 2879, those above 1439 being the next day's) is in a span that begins on `day`."""
        end = self.last if self.last > self.first else self.last + _MINUTES
        return day in self.days and self.first <= minute < end


@attrs.frozen
class Schedule:
    """One entry of `hours`. Make one by `Schedule.of`, which raises ValueError for what cannot be read."""

    zone: zoneinfo.ZoneInfo
    spans: tuple[Span, ...]
    closed: frozenset[dt.date] = frozenset()

    @classmethod
    def of(cls, zone: str, spans: Iterable[str], closed: Iterable[str] = ()) -> Schedule:
        return cls(read_zone(zone), tuple(map(read_span, spans)), frozenset(map(read_day, closed)))

    def is_open(self, now: dt.datetime) -> bool:
        """`now` knows its zone."""
        here = now.astimezone(self.zone)
        minute, today, yesterday = here.hour * 60 + here.minute, here.date(), here.date() - dt.timedelta(days=1)
        began_today = any(span.holds(today.weekday(), minute) for span in self.spans)
        began_before = any(span.holds(yesterday.weekday(), minute + _MINUTES) for span in self.spans)
        return (began_today and today not in self.closed) or (began_before and yesterday not in self.closed)


def at(now: dt.datetime, schedules: Mapping[str, Schedule]) -> Callable[[str], bool]:
    """What answers whether a `when` holds now: `always`, a name, or `not ` and a name. An unknown name never does."""

    def holds(when: str) -> bool:
        name = when.removeprefix("not ").strip()
        if when == ALWAYS or name not in schedules:
            return when == ALWAYS
        return schedules[name].is_open(now) is not when.startswith("not ")

    return holds


def read_span(text: str) -> Span:
    """`mon-fri 09:00-17:00`. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None or match[1] not in DAYS or (match[2] or "mon") not in DAYS:
        raise ValueError("days and times are meant, as mon-fri 09:00-17:00")
    first = DAYS.index(match[1])
    many = (DAYS.index(match[2] or match[1]) - first) % 7 + 1
    days = frozenset((first + step) % 7 for step in range(many))
    begin, end = _minute(match[3] or "00", match[4] or "00"), _minute(match[5] or "24", match[6] or "00")
    if begin in (end, _MINUTES):
        raise ValueError("it would never be open; from 00:00-24:00 is all day")
    return Span(days, begin, end)


def read_day(text: str) -> dt.date:
    """`2026-12-25`. Raises ValueError."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("a date is meant, as 2026-12-25") from None


def read_zone(name: str) -> zoneinfo.ZoneInfo:
    """An IANA name. Raises ValueError."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("an IANA time zone is meant, as America/Chicago") from None


def _minute(hour: str, minute: str) -> int:
    found = int(hour) * 60 + int(minute)
    if found > _MINUTES or int(minute) > 59:
        raise ValueError("a time is meant, from 00:00 to 24:00")
    return found
