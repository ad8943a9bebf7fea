"""Values as a voice says them, for tools that tell a caller something, and for the mind that reads back.

Times are the house's wall clock. Nothing here depends on the locale.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time


def day_aloud(day: date, today: date) -> str:
    """`tomorrow, Monday the 23rd` when near, else `Thursday, December 3rd`."""
    near = {0: "today", 1: "tomorrow"}.get((day - today).days)
    if near:
        return f"{near}, {day:%A} the {ordinal_aloud(day.day)}"
    return f"{day:%A}, {day:%B} {ordinal_aloud(day.day)}"


def time_aloud(moment: time) -> str:
    """`3 PM`, `3:30 PM`, `noon`."""
    if moment.minute == 0 and moment.hour in (0, 12):
        return "noon" if moment.hour else "midnight"
    minutes = f":{moment.minute:02}" if moment.minute else ""
    return f"{moment.hour % 12 or 12}{minutes} {'AM' if moment.hour < 12 else 'PM'}"


def phone_aloud(number: str) -> str:
    """Digit by digit, a breath after each group: `5 5 5, 0 1 4 2`."""
    plus, digits = ("plus ", number[1:]) if number.startswith("+") else ("", number)
    head, last = digits[:-4], digits[-4:]
    groups = [last]
    while head:
        groups.insert(0, head[-3:])
        head = head[:-3]
    return plus + ", ".join(" ".join(group) for group in groups)


def ordinal_aloud(number: int) -> str:
    """`1st`, `2nd`, `23rd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def either(words: Iterable[str]) -> str:
    """`a, b or c`."""
    listed = list(words)
    return ", ".join(listed[:-1]) + f" or {listed[-1]}" if len(listed) > 1 else "".join(listed)
