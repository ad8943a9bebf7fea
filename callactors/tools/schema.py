"""A function's signature and docstring, turned into a JSON schema (the subset Realtime models take).

- Types: str, int, float, bool, date, time, datetime, Literal, Enum, and Optional of these. Anything else is a TypeError
  when tools.py is loaded, not when a caller waits.
- Docstring: what stands before `Args:` is the tool's description; `Args:` lines (Google style) describe parameters.
- A parameter with a default, or Optional, is not required.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Literal, Union

import attrs

from callactors.tools.desk import Desk

Maker = Callable[[Any], Any]

PLAIN: Mapping[type, Mapping[str, str]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    datetime: {"type": "string", "format": "date-time"},
}
ARGUMENT_LINE = re.compile(r"^(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Examples?|Note|Notes):\s*$")


@attrs.frozen
class Described:
    """What a function says of itself."""

    name: str
    description: str
    parameters: dict[str, Any]
    wants_desk: bool
    makers: dict[str, Maker]


def describe_function(function: Callable[..., Any]) -> Described:
    """Read a tool function. Raises TypeError naming function and parameter when something cannot be a schema."""
    hints = typing.get_type_hints(function, localns={"Desk": Desk})
    description, arguments = read_docstring(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    makers: dict[str, Maker] = {}
    wants_desk = False
    for position, parameter in enumerate(inspect.signature(function).parameters.values()):
        hint = hints.get(parameter.name)
        if position == 0 and hint is Desk:
            wants_desk = True
            continue
        kind, optional = _without_none(hint)
        properties[parameter.name] = _property(function.__name__, parameter, kind, arguments.get(parameter.name, ""))
        if isinstance(kind, type) and issubclass(kind, Enum):
            makers[parameter.name] = kind
        if parameter.default is inspect.Parameter.empty and not optional:
            required.append(parameter.name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Described(function.__name__, description, schema, wants_desk, makers)


def _property(owner: str, parameter: inspect.Parameter, kind: Any, described: str) -> dict[str, Any]:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise TypeError(f"{owner}: *{parameter.name} cannot be a schema; name every parameter")
    shape = _shape(kind)
    if shape is None:
        raise TypeError(
            f"{owner}: {parameter.name}: {kind!r} is not a type a caller can say; use str, int, float, bool, date, "
            "time, datetime, Literal, an Enum, or one of these or None"
        )
    return {**shape, "description": described} if described else shape


def _shape(kind: Any) -> dict[str, Any] | None:
    if typing.get_origin(kind) is Literal:
        values = list(typing.get_args(kind))
        return {"type": "string", "enum": values} if all(isinstance(v, str) for v in values) else None
    if isinstance(kind, type) and issubclass(kind, Enum):
        values = [member.value for member in kind]
        return {"type": "string", "enum": values} if all(isinstance(v, str) for v in values) else None
    return dict(PLAIN[kind]) if isinstance(kind, type) and kind in PLAIN else None


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`X | None` -> (X, True); a union of more than one real type stays as it is, and is refused later."""
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    real = [part for part in typing.get_args(hint) if part is not type(None)]
    return (real[0], True) if len(real) == 1 else (hint, False)


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """A Google-style docstring -> (description, parameter -> description). Continuation lines are joined."""
    description: list[str] = []
    arguments: dict[str, str] = {}
    section, current = "", ""
    for line in text.splitlines():
        stripped = line.strip()
        heading = SECTION.match(stripped)
        if heading:
            section, current = heading[1], ""
        elif not section:
            description.append(stripped)
        elif section in ("Args", "Arguments") and stripped:
            found = ARGUMENT_LINE.match(stripped)
            if found and not _continues(line, text):
                current = found[1]
                arguments[current] = found[2]
            elif current:
                arguments[current] = f"{arguments[current]} {stripped}"
    return " ".join(" ".join(description).split()), arguments


def _continues(line: str, text: str) -> bool:
    """Whether a line is indented deeper than the first parameter's line, so that its colon is only prose."""
    body = re.split(r"^\s*(?:Args|Arguments):\s*$", text, maxsplit=1, flags=re.MULTILINE)[-1]
    first = next((row for row in body.splitlines() if row.strip()), line)
    return _indent(line) > _indent(first)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
