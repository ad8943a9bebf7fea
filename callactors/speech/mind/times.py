"""Times of day as people say and transcribers write them: 3 pm, 3:30, 3 30, 330, half past three, noon, at four.

An hour without morning or afternoon is taken within plausible opening hours: 8 to 12 as said, 1 to 7 after noon.
A bare number is a time only when a time was asked for, or after `at` and its like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time

from callactors.speech.mind.words import ORDINALS, UNITS, Found, cardinal

BEFORE = frozenset(("at", "around", "about", "by", "until", "till"))
POINTING = frozenset(("the", "that", "this", "which", "last", "other", "another", "earlier", "later"))
PARTS = {"morning": "am", "afternoon": "pm", "evening": "pm", "tonight": "pm", "night": "pm"}
OPENS = 8  # the earliest bare hour taken as before noon
SPOKEN_ZERO = frozenset(("oh", "o", "zero"))


def find_time(words: Sequence[str], expected: bool = False) -> Found[time] | None:
    """The first time of day. `expected`: a time was asked for, so a bare `three` is one."""
    for at in range(len(words)):
        found = _named(words, at) or _past_or_to(words, at) or _clock(words, at, expected)
        if found:
            start = at - 1 if at and words[at - 1] in BEFORE else at
            return Found(found.value, start, found.end)
    return None


def part_of_day(words: Sequence[str]) -> str | None:
    """`am` or `pm` when the words say morning, afternoon or evening."""
    return next((PARTS[word] for word in words if word in PARTS), None)


def _named(words: Sequence[str], at: int) -> Found[time] | None:
    if words[at] in ("noon", "midday"):
        return Found(time(12), at, at + 1)
    return Found(time(0), at, at + 1) if words[at] == "midnight" else None


def _past_or_to(words: Sequence[str], at: int) -> Found[time] | None:
    """`half past three`, `a quarter to four`, `ten past two`."""
    counts = {"half": 30, "quarter": 15}
    minutes = Found(counts[words[at]], at, at + 1) if words[at] in counts else cardinal(words, at)
    if minutes is None or minutes.end + 1 >= len(words) or minutes.value > 59:
        return None
    way = words[minutes.end]
    hour = cardinal(words, minutes.end + 1)
    if way not in ("past", "after", "to", "till") or hour is None or not 1 <= hour.value <= 12:
        return None
    if way in ("past", "after"):
        return _resolved(words, at, hour.end, hour.value, minutes.value)
    before = hour.value - 1 or 12
    return _resolved(words, at, hour.end, before, 60 - minutes.value) if minutes.value else None


def _clock(words: Sequence[str], at: int, expected: bool) -> Found[time] | None:
    written = re.fullmatch(r"(\d{1,2}):(\d\d)", words[at])
    if written:
        return _resolved(words, at, at + 1, int(written[1]), int(written[2]))
    announced = expected or (at > 0 and words[at - 1] in BEFORE)
    run = re.fullmatch(r"(\d{1,2})(\d\d)", words[at])
    if run and (announced or _marked(words, at + 1)):
        return _resolved(words, at, at + 1, int(run[1]), int(run[2]))
    hour = cardinal(words, at)
    if hour is None or hour.value > 23 or _pointing(words, at):
        return None
    minutes = _minutes(words, hour.end)
    if minutes and (announced or _marked(words, minutes.end)):
        return _resolved(words, at, minutes.end, hour.value, minutes.value)
    if _marked(words, hour.end) or announced:
        return _resolved(words, at, hour.end, hour.value, 0)
    return None


def _pointing(words: Sequence[str], at: int) -> bool:
    """`the second one`, `that one`: not a time."""
    return words[at] == "one" and at > 0 and (words[at - 1] in ORDINALS or words[at - 1] in POINTING)


def _minutes(words: Sequence[str], at: int) -> Found[int] | None:
    """What follows an hour: `30`, `thirty`, `forty five`, `oh five`."""
    if at < len(words) and words[at] in SPOKEN_ZERO:
        unit = UNITS.get(words[at + 1]) if at + 1 < len(words) else None
        return Found(unit, at, at + 2) if unit is not None and unit < 10 else None
    found = cardinal(words, at)
    if found is None or not 10 <= found.value <= 59:
        return None
    return found


def _marked(words: Sequence[str], at: int) -> bool:
    """Whether what stands at `at` says that a time came before it."""
    return at < len(words) and (words[at] in ("am", "pm", "oclock") or list(words[at : at + 2]) == ["in", "the"])


def _resolved(words: Sequence[str], start: int, end: int, hour: int, minute: int) -> Found[time] | None:
    if hour > 23 or minute > 59:
        return None
    while end < len(words) and words[end] in ("oclock", "sharp"):
        end += 1
    half = ""
    if end < len(words) and words[end] in ("am", "pm"):
        half, end = words[end], end + 1
    elif list(words[end : end + 2]) == ["in", "the"] and end + 2 < len(words) and words[end + 2] in PARTS:
        half, end = PARTS[words[end + 2]], end + 3
    return Found(time(_hour(hour, half or part_of_day(words) or ""), minute), start, end)


def _hour(hour: int, half: str) -> int:
    if hour > 12 or hour == 0:
        return hour
    if half == "pm":
        return hour % 12 + 12
    if half == "am":
        return hour % 12
    return hour + 12 if hour < OPENS else hour
