"""Arguments as a model wrote them, checked against the tool's schema before anything runs.

- Every problem is told at once, in words a model can mend its next request from.
- Bounded: 64 KiB of JSON, 4,000 characters a string. Nothing is guessed, coerced or dropped in silence,
  but for `null` where a parameter is optional, which means absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

import msgspec

from callactors.errors import BadArguments
from callactors.tools.tool import Tool

MOST_JSON = 64 * 1024  # bytes
MOST_TEXT = 4000  # characters of one string

FORMATS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "date": (date.fromisoformat, "a date; write it YYYY-MM-DD"),
    "time": (time.fromisoformat, "a time of day; write it HH:MM, 24 hours"),
    "date-time": (datetime.fromisoformat, "a date and time; write it YYYY-MM-DDTHH:MM"),
}


class _Wrong(Exception):
    """One argument's problem, on its way to being listed with the others."""


def validate(tool: Tool, raw_json: str | bytes | msgspec.Raw) -> dict[str, Any]:
    """The arguments as Python values, ready for `tool.run(**values)`. Raises BadArguments, one line a problem."""
    given = _object(tool, bytes(raw_json) if not isinstance(raw_json, str) else raw_json.encode())
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    problems = [
        f"{name}: no such argument; {tool.name} takes {', '.join(properties) or 'none'}"
        for name in list(given)[:5]
        if name not in properties
    ]
    values: dict[str, Any] = {}
    for name, schema in properties.items():
        try:
            if given.get(name) is not None:
                values[name] = _value(schema, given[name], tool.makers.get(name))
            elif name in tool.parameters.get("required", ()):
                raise _Wrong(f"missing; it is {schema.get('description') or 'required'}")
        except _Wrong as wrong:
            problems.append(f"{name}: {wrong}")
    if problems:
        raise BadArguments(f"{tool.name}: " + "\n".join(problems))
    return values


def _object(tool: Tool, raw: bytes) -> dict[str, Any]:
    if len(raw) > MOST_JSON:
        raise BadArguments(f"{tool.name}: arguments of {len(raw)} bytes; at most {MOST_JSON}")
    try:
        given = msgspec.json.decode(raw or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArguments(f"{tool.name}: arguments are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadArguments(f"{tool.name}: arguments must be a JSON object, not {_kind(given)}")
    return given


def _value(schema: Mapping[str, Any], given: Any, maker: Callable[[Any], Any] | None) -> Any:
    kind = schema.get("type")
    if kind == "string":
        value = _text(schema, given)
    elif kind == "integer":
        value = _integer(given)
    elif kind == "number":
        value = _number(given)
    elif kind == "boolean":
        value = _of_type(given, bool, "true or false")
    else:
        value = given
    return maker(value) if maker else value


def _text(schema: Mapping[str, Any], given: Any) -> Any:
    text = _of_type(given, str, "a string")
    if len(text) > MOST_TEXT:
        raise _Wrong(f"{len(text)} characters; at most {MOST_TEXT}")
    if "\0" in text:
        raise _Wrong("holds a NUL character")
    choices = schema.get("enum")
    if choices is not None and text not in choices:
        raise _Wrong(f"{text[:80]!r} is not one of {', '.join(map(repr, choices))}")
    if schema.get("format") not in FORMATS:
        return text
    read, wanted = FORMATS[schema["format"]]
    try:
        return read(text)
    except ValueError:
        raise _Wrong(f"{text[:80]!r} is not {wanted}") from None


def _integer(given: Any) -> int:
    if isinstance(given, float) and given.is_integer():
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise _Wrong(f"must be a whole number, not {_kind(given)}")
    return given


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _Wrong(f"must be a number, not {_kind(given)}")
    try:
        return float(given)
    except OverflowError:
        raise _Wrong("is too large") from None


def _of_type(given: Any, kind: type, wanted: str) -> Any:
    if not isinstance(given, kind):
        raise _Wrong(f"must be {wanted}, not {_kind(given)}")
    return given


def _kind(given: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(given), "null")
