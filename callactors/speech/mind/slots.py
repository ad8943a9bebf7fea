"""Slots: one parameter of a tool's JSON schema, what kind of thing it is, and how to read it from an utterance.

The kind comes from type, format and enum; for plain strings from name and description (a phone, a name, free text).
Values are JSON values throughout: a date is `2026-12-03`, a time `15:30`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Literal

import attrs

from callactors.speech.mind import intents
from callactors.speech.mind.choices import find_choice
from callactors.speech.mind.dates import find_date
from callactors.speech.mind.names import find_name
from callactors.speech.mind.phones import WHOLE, find_phone
from callactors.speech.mind.times import find_time, part_of_day
from callactors.speech.mind.words import Found, cardinal, tokens

Kind = Literal["date", "time", "datetime", "phone", "name", "choice", "integer", "number", "boolean", "text"]
ORDER: tuple[Kind, ...] = (
    "phone",
    "date",
    "datetime",
    "time",
    "choice",
    "integer",
    "number",
    "boolean",
    "name",
    "text",
)
FORMATS: Mapping[str, Kind] = {"date": "date", "time": "time", "date-time": "datetime"}
TYPES: Mapping[str, Kind] = {"integer": "integer", "number": "number", "boolean": "boolean"}
PERSONAL: frozenset[Kind] = frozenset(("name", "phone"))  # about the caller: kept when a job is done
GONE = "|"  # stands where a found value was, so that no other slot reads it again
CORRECTION = re.compile(
    r"\b(?:no,|no wait|wait,|actually|i mean|sorry,|make that|make it|or rather|rather)", re.IGNORECASE
)


@attrs.frozen
class Slot:
    """One parameter."""

    name: str
    kind: Kind
    description: str
    required: bool
    choices: tuple[str, ...] = ()

    def takes(self, value: Any) -> bool:
        """Whether a value read for a slot of this name elsewhere fits here."""
        return value in self.choices if self.kind == "choice" else True


def slots_of(parameters: Mapping[str, Any]) -> tuple[Slot, ...]:
    """The slots of a tool's `parameters`; a schema we cannot read has none."""
    properties = parameters.get("properties")
    required = parameters.get("required") or ()
    if not isinstance(properties, Mapping):
        return ()
    return tuple(_slot(name, schema, name in required) for name, schema in properties.items())


def _slot(name: str, schema: Mapping[str, Any], required: bool) -> Slot:
    described = str(schema.get("description") or name.replace("_", " "))
    choices = tuple(str(value) for value in schema.get("enum") or ())
    return Slot(name, _kind(name, schema, described, choices), described, required, choices)


def _kind(name: str, schema: Mapping[str, Any], described: str, choices: tuple[str, ...]) -> Kind:
    if choices:
        return "choice"
    plain = TYPES.get(str(schema.get("type"))) or FORMATS.get(str(schema.get("format")))
    if plain:
        return plain
    if re.search(r"phone|telephone|mobile", f"{name} {described}", re.IGNORECASE):
        return "phone"
    if (
        name == "name"
        or name.endswith("_name")
        or re.match(r"(?:the |your |their )?(?:full )?name\b", described.lower())
    ):
        return "name"
    return "text"


@attrs.frozen
class Reading:
    """What an utterance gave: values by slot name, and the beginnings of values still being said."""

    values: dict[str, Any]
    pieces: dict[str, Any]


def read(
    slots: Sequence[Slot], text: str, now: datetime, *, expected: str | None = None, pieces: Mapping[str, Any] = {}
) -> Reading:
    """Everything in `text` that fills one of `slots`. What comes after `no,` or `actually` overrides what came before.

    `expected` is the slot just asked for; `pieces` what earlier utterances began (half a phone number).
    """
    values: dict[str, Any] = {}
    begun: dict[str, Any] = {}
    for segment in _segments(text):
        reader = _Reader(segment, now, expected, {**pieces, **begun})
        ordered = sorted(slots, key=lambda slot: (slot.name != expected, ORDER.index(slot.kind)))
        for slot in ordered:
            reader.fill(slot)
        values |= reader.values
        begun |= reader.pieces
    return Reading(values, {name: piece for name, piece in begun.items() if name not in values})


def _segments(text: str) -> list[str]:
    parts = [part for part in CORRECTION.split(text) if tokens(part)]
    return parts or [text]


class _Reader:
    """Reads one stretch of speech; each found value takes its words away from the next slot."""

    def __init__(self, text: str, now: datetime, expected: str | None, pieces: Mapping[str, Any]) -> None:
        self.text, self.now, self.expected, self.begun = text, now, expected, pieces
        self.words = tokens(text)
        self.values: dict[str, Any] = {}
        self.pieces: dict[str, Any] = {}

    def fill(self, slot: Slot) -> None:
        asked = slot.name == self.expected
        value = getattr(self, f"_read_{slot.kind}")(slot, asked)
        if value is not None:
            self.values[slot.name] = value

    def _take(self, found: Found[Any] | None) -> Any:
        if found is None:
            return None
        self.words[found.start : found.end] = [GONE] * (found.end - found.start)
        return found.value

    def _read_phone(self, slot: Slot, asked: bool) -> str | None:
        found = find_phone(self.words, least=2 if asked else WHOLE)
        if found is None:
            return None
        said = self._take(found)
        whole = said if len(said.lstrip("+")) >= WHOLE else str(self.begun.get(slot.name, "")) + said
        if len(whole.lstrip("+")) >= WHOLE:
            return str(whole)
        self.pieces[slot.name] = whole
        return None

    def _read_date(self, slot: Slot, asked: bool) -> str | None:
        day: date | None = self._take(find_date(self.words, self.now.date(), asked))
        return day.isoformat() if day else None

    def _read_time(self, slot: Slot, asked: bool) -> str | None:
        moment: time | None = self._take(find_time(self.words, asked))
        return moment.strftime("%H:%M") if moment else None

    def _read_datetime(self, slot: Slot, asked: bool) -> str | None:
        """A day and a time, perhaps from two utterances."""
        begun: Mapping[str, str] = self.begun.get(slot.name, {})
        day = self._read_date(slot, asked) or begun.get("day")
        moment = self._read_time(slot, asked) or begun.get("time")
        if day and moment:
            return f"{day}T{moment}"
        if day or moment:
            self.pieces[slot.name] = {"day": day, "time": moment}
        return None

    def _read_choice(self, slot: Slot, asked: bool) -> str | None:
        return _as_text(self._take(find_choice(self.words, slot.choices))) or _any_of(slot, self.words, asked)

    def _read_integer(self, slot: Slot, asked: bool) -> int | None:
        numbers = (cardinal(self.words, at) for at in range(len(self.words)))
        found = next((number for number in numbers if number), None)
        near_its_name = slot.name.rstrip("s") in " ".join(self.words)
        return self._take(found) if asked or near_its_name else None

    def _read_number(self, slot: Slot, asked: bool) -> float | None:
        written = re.search(r"\d+\.\d+", self.text) if asked else None
        return float(written[0]) if written else self._read_integer(slot, asked)

    def _read_boolean(self, slot: Slot, asked: bool) -> bool | None:
        if not asked:
            return None
        return True if intents.is_yes(self.text) else False if intents.is_no(self.text) else None

    def _read_name(self, slot: Slot, asked: bool) -> str | None:
        return find_name(self.text, asked and not self.values)

    def _read_text(self, slot: Slot, asked: bool) -> str | None:
        return self.text.strip() if asked and self.words else None


def _any_of(slot: Slot, words: Sequence[str], asked: bool) -> str | None:
    """`any` and its like, where the choices have such a one; morning or evening by their half of the day."""
    careless = {"any", "anytime", "whenever", "either", "anything", "whatever"} & set(words)
    if careless and "any" in slot.choices and (asked or "anytime" in careless):
        return "any"
    half = part_of_day(words) if asked else None
    return {"am": "morning", "pm": "afternoon"}.get(half or "") if "morning" in slot.choices else None


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
