"""Whom we may call, when, and as whom: the rules of calls we place. Row 1: facts in, a refusal or None out.

- Denied by default: a number is called only under a prefix of `permit`, and never an emergency number.
- Hours are the callee's own. A number of several time zones (a mobile) must be inside them in every one.
- A number on the do-not-call list is never called, whoever agreed to what; with a consent list, only who is on it.
- Lists are CSV or plain lines: the first column is the number, whatever else stands behind it; `#` and a head are fine.
"""

from __future__ import annotations

import csv
import datetime
import re
import zoneinfo

import attrs
import msgspec
import phonenumbers
from phonenumbers import timezone

from callactors.routing.cause import Cause
from callactors.routing.e164 import normalise
from callactors.routing.emergency import emergency_number
from callactors.routing.hours import read_zone
from callactors.routing.route import permitted

_WINDOW = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A call somebody wants placed: `number` as written, the scenario that speaks, and what they insist on.

    `caller` is the number to show; None is the first the trunk may show. `trunk` forces one trunk. `reference` is
    whatever whoever asked calls it; it goes into the record.
    """

    number: str
    scenario: str
    trunk: str | None = None
    caller: str | None = None
    language: str | None = None
    reference: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why a call is not placed: one cause a rule, and the sentence for whoever asked."""

    cause: Cause
    why: str


@attrs.frozen
class Window:
    """From `opens` to `closes`, minutes of the day; over midnight when it closes before it opens."""

    opens: int
    closes: int

    def holds(self, minute: int) -> bool:
        """Whether this minute of the day lies inside."""
        if self.opens <= self.closes:
            return self.opens <= minute < self.closes
        return minute >= self.opens or minute < self.closes

    def __str__(self) -> str:
        return f"{self.opens // 60:02}:{self.opens % 60:02}-{self.closes // 60:02}:{self.closes % 60:02}"


@attrs.frozen
class Rules:
    """What calls we place must keep to. `consent` None: nobody is asked. `emergency`: a site's own strings."""

    permit: tuple[str, ...] = ()
    hours: Window | None = None
    consent: frozenset[str] | None = None
    do_not_call: frozenset[str] = frozenset()
    emergency: tuple[str, ...] = ()
    country: str | None = None

    def refuse(self, number: str, now: datetime.datetime) -> Refusal | None:
        """Why `number` (E.164) may not be called at `now` (with its zone); None when it may."""
        return (
            self._not_permitted(number)
            or self._on_a_list(number)
            or (self._out_of_hours(number, now) if self.hours is not None else None)
        )

    def number(self, written: str) -> str | Refusal:
        """The number to dial, as E.164; numbers for help are for people to call."""
        if emergency_number(written, self.country, self.emergency) is not None:
            return Refusal(Cause.NOT_PERMITTED, f"{written} is an emergency number: no agent ever calls it")
        number = normalise(written, self.country)
        if number is None:
            remedy = "a plus, the country and the number are meant, as +13125550142"
            return Refusal(Cause.NOT_PERMITTED, f"{written!r} is not a number that can be called; {remedy}")
        return number

    def _not_permitted(self, number: str) -> Refusal | None:
        if permitted(number, self.permit):
            return None
        allowed = ", ".join(self.permit) or "nothing"
        return Refusal(Cause.NOT_PERMITTED, f"{number} is not under `permit` ({allowed}); add its prefix there")

    def _on_a_list(self, number: str) -> Refusal | None:
        if number in self.do_not_call:
            return Refusal(Cause.DO_NOT_CALL, f"{number} is on the do-not-call list")
        if self.consent is not None and number not in self.consent:
            return Refusal(Cause.NO_CONSENT, f"{number} is not on the list of those who agreed to be called")
        return None

    def _out_of_hours(self, number: str, now: datetime.datetime) -> Refusal | None:
        assert self.hours is not None
        zones = zones_of(number)
        if not zones:
            return Refusal(Cause.OUT_OF_HOURS, f"nobody knows what time it is at {number}, and outbound.hours is set")
        for zone in zones:
            there = now.astimezone(zone)
            if not self.hours.holds(there.hour * 60 + there.minute):
                why = f"it is {there:%H:%M} in {zone.key}; calls are placed {self.hours} there"
                return Refusal(Cause.OUT_OF_HOURS, f"{number} may not be called now: {why}")
        return None


def wrong_caller(caller: str | None, allowed: tuple[str, ...], trunk: str) -> Refusal | None:
    """A caller id that is not this trunk's to show; `trunk` "" for whichever takes the call."""
    if caller is None or caller in allowed:
        return None
    shown, whose = ", ".join(allowed) or "none", f"trunk {trunk}" if trunk else "any trunk"
    said = caller if caller.isprintable() else repr(caller)
    return Refusal(Cause.CALLER_ID, f"{said} is not a caller id of {whose} ({shown})")


def read_window(text: str) -> Window:
    """`08:00-21:00`. Raises ValueError."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no time of day: as 08:00-21:00")
    from_h, from_m, to_h, to_m = (int(part) for part in match.groups())
    opens, closes = from_h * 60 + from_m, to_h * 60 + to_m
    if max(opens, closes) > 24 * 60 or opens == closes:
        raise ValueError(f"{text[:40]!r} is no span of a day: as 08:00-21:00")
    return Window(opens, closes)


def zones_of(number: str) -> tuple[zoneinfo.ZoneInfo, ...]:
    """The time zones an E.164 number may be in; empty where nobody knows."""
    try:
        names = timezone.time_zones_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for name in names if (zone := _zone(name)) is not None)


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    """None for a name that this machine's time zones have not (phonenumbers' `Etc/Unknown`)."""
    try:
        return read_zone(name)
    except ValueError:
        return None


def numbers_of(text: str, country: str | None = None) -> frozenset[str]:
    """The numbers of a list: E.164, or as `country` dials them.

    Raises ValueError naming the first line (from 1) that holds no number: a list that is half understood protects
    nobody.
    """
    found: set[str] = set()
    for line, row in enumerate(csv.reader(text.splitlines()), 1):
        cell = row[0].strip() if row else ""
        if not cell or cell.startswith("#") or (line == 1 and not any(letter.isdigit() for letter in cell)):
            continue
        number = normalise(cell, country)
        if number is None:
            raise ValueError(f"line {line}: {cell[:40]!r} is no number; as +13125550142")
        found.add(number)
    return frozenset(found)
