"""The Reason header (RFC 3326): why a call was ended, as a Q.850 value and a text."""

from __future__ import annotations

from callactors.errors import MalformedMessage
from callactors.sip.headers import Headers, split_commas
from callactors.sip.scan import WHITE, find_parameter, parameters, quote


def reason_headers(q850: int | None, text: str | None) -> list[tuple[str, str]]:
    """Our Reason, or none. Control characters in `text` become spaces: a hang-up never fails over its explanation."""
    if q850 is None:
        return []
    plain = "".join(character if character.isprintable() else " " for character in text or "")[:200]
    return [("Reason", f"Q.850;cause={q850}" + (f";text={quote(plain)}" if plain else ""))]


def read_reason(headers: Headers) -> tuple[int | None, str | None]:
    """The Q.850 value and text of theirs, or another protocol's text with None. What is malformed is absent."""
    try:
        return _read(headers)
    except MalformedMessage:
        return None, None


def _read(headers: Headers) -> tuple[int | None, str | None]:
    found: tuple[int | None, str | None] = (None, None)
    for part in (part for value in headers.all("Reason") for part in split_commas(value)):
        protocol, semicolon, rest = part.partition(";")
        given = parameters(semicolon + rest)
        text = find_parameter(given, "text") or None
        if protocol.strip(WHITE).upper() == "Q.850":
            return _cause(find_parameter(given, "cause")), text
        found = (None, text)
    return found


def _cause(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 3 and text.isascii() and text.isdigit() and int(text) <= 127 else None
