"""Days as people say them: tomorrow, next Tuesday, the 5th, December 3rd, in two weeks, 12/3.

A day without a year or month is the next one to come. `next Tuesday` is the Tuesday of the next week (Monday first),
so on a Sunday it is two days away, and on a Monday eight: the read-back says the date, and the caller may mend it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from callactors.speech.mind.words import Found, cardinal, listed, misheard, ordinal

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = listed("january february march april may june july august september october november december")
SHORT = {name[:3]: name for name in MONTHS} | {"sept": "september"}
A_DAY = timedelta(days=1)


def find_date(words: Sequence[str], today: date, expected: bool = False) -> Found[date] | None:
    """The first day named. `expected`: a day was asked for, so a bare `fifth` is one."""
    for at in range(len(words)):
        found = (
            _relative(words, at, today)
            or _in_a_while(words, at, today)
            or _weekday(words, at, today)
            or _month_day(words, at, today)
            or _numeric(words, at, today)
            or _day_of_month(words, at, today, expected)
        )
        if found:
            return found
    return None


def _relative(words: Sequence[str], at: int, today: date) -> Found[date] | None:
    word = misheard(words[at], ("tomorrow",)) or words[at]
    if list(words[at : at + 3]) == ["day", "after", "tomorrow"]:
        return Found(today + 2 * A_DAY, at, at + 3)
    if word == "tomorrow" or list(words[at : at + 2]) == ["to", "morrow"]:
        return Found(today + A_DAY, at, at + (1 if word == "tomorrow" else 2))
    return Found(today, at, at + 1) if word in ("today", "tonight") else None


def _in_a_while(words: Sequence[str], at: int, today: date) -> Found[date] | None:
    """`in three days`, `in a week`, `a week from Tuesday`."""
    if words[at] == "in":
        at_count = at + 1
        one = at_count < len(words) and words[at_count] in ("a", "one")
        count = Found(1, at_count, at_count + 1) if one else cardinal(words, at_count)
        unit = words[count.end] if count and count.end < len(words) else ""
        if count and unit.rstrip("s") in ("day", "week"):
            return Found(today + count.value * (7 if unit.startswith("w") else 1) * A_DAY, at, count.end + 1)
    if list(words[at : at + 3]) == ["a", "week", "from"]:
        base = find_date(words[at + 3 : at + 5], today)
        if base:
            return Found(base.value + 7 * A_DAY, at, at + 3 + base.end)
    return None


def _weekday(words: Sequence[str], at: int, today: date) -> Found[date] | None:
    name = misheard(words[at].removesuffix("'s"), WEEKDAYS) or misheard(words[at].removesuffix("s"), WEEKDAYS)
    if name is None:
        return None
    ahead = (WEEKDAYS.index(name) - today.weekday()) % 7 or 7
    day = today + ahead * A_DAY
    if at and words[at - 1] == "next" and ahead <= 6 - today.weekday():
        day += 7 * A_DAY  # still this week: "next" means the one after
    dated = _month_day(words, at + 1, today) if at + 1 < len(words) else None
    return Found(dated.value, at, dated.end) if dated else Found(day, at, at + 1)


def _month_day(words: Sequence[str], at: int, today: date) -> Found[date] | None:
    """`December 3rd`, `December the third`, `3rd of December`, with a year by need."""
    month = _month(words, at)
    if month:
        after = at + 1 + (at + 1 < len(words) and words[at + 1] == "the")
        number = ordinal(words, after) or cardinal(words, after)
        return _dated(words, at, number.end, today, month, number.value) if number else None
    number = ordinal(words, at) or cardinal(words, at)
    if number is None:
        return None
    after = number.end + (number.end < len(words) and words[number.end] == "of")
    month = _month(words, after)
    return _dated(words, at, after + 1, today, month, number.value) if month else None


def _month(words: Sequence[str], at: int) -> int:
    if at >= len(words):
        return 0
    name = SHORT.get(words[at]) or misheard(words[at], MONTHS)
    return MONTHS.index(name) + 1 if name else 0


def _dated(words: Sequence[str], start: int, end: int, today: date, month: int, day: int) -> Found[date] | None:
    if end < len(words) and re.fullmatch(r"20\d\d", words[end]):
        exact = _real(int(words[end]), month, day)
        return Found(exact, start, end + 1) if exact else None
    this = _real(today.year, month, day)
    coming = this if this and this >= today else _real(today.year + 1, month, day)
    return Found(coming, start, end) if coming else None


def _numeric(words: Sequence[str], at: int, today: date) -> Found[date] | None:
    """`12/3`, `12/3/2026`: month first, as tiny.en's country writes it."""
    parts = words[at].split("/")
    if len(parts) not in (2, 3) or not all(part.isdigit() and len(part) <= 4 for part in parts):
        return None
    month, day = int(parts[0]), int(parts[1])
    if len(parts) == 2:
        return _dated(words[: at + 1], at, at + 1, today, month, day)
    year = int(parts[2])
    exact = _real(year + 2000 if year < 100 else year, month, day)
    return Found(exact, at, at + 1) if exact else None


def _day_of_month(words: Sequence[str], at: int, today: date, expected: bool) -> Found[date] | None:
    number = ordinal(words, at)
    if number is None or not 1 <= number.value <= 31 or (at and _month(words, at - 1)):
        return None
    announced = (at > 0 and words[at - 1] == "the") or words[at][:1].isdigit()
    one_of = number.end < len(words) and words[number.end] in ("one", "time", "of")
    if one_of or not (announced or expected):
        return None
    start = at - 1 if at and words[at - 1] == "the" else at
    year, month = today.year, today.month
    for _ in range(3):  # February may lack the day; two months on, one that has it came by
        day = _real(year, month, number.value)
        if day and day >= today:
            return Found(day, start, number.end)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return None


def _real(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
