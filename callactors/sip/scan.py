"""The tokenizer under every SIP value (RFC 3261 section 25.1). Rules of this file:

- Every loop moves forward: cost is linear in the text, and no pattern has a quantifier inside another.
- Bad text raises MalformedMessage with a short excerpt, never anything else.
- SIP white space is space and tab. Python's idea of white space, digits and line ends is never used.
"""

from __future__ import annotations

import ipaddress
import re

from callactors.errors import MalformedMessage, UnsafeText

MAX_PARAMETERS = 64  # of one URI or one header value
MAX_STOPS = 1_024  # separators, quotes and brackets of one header value
MAX_NULS = 16  # escaped ones, of one header value
WHITE = " \t"

Parameters = tuple[tuple[str, str | None], ...]

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_PLAIN_VALUE = re.compile(r"[^\s\x00-\x20\x7f\";,<>]*")
_HOST_NAME = re.compile(r"[A-Za-z0-9\-._]+")
_DIGITS = re.compile(r"[0-9]+")
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_STOPS = {",": re.compile('[,"<]'), ";": re.compile('[;"<]')}


def malformed(what: str, text: str, status: int = 400) -> MalformedMessage:
    """The one error of the parsers, with an excerpt short enough for a log line."""
    return MalformedMessage(f"{what}: {text[:60]!r}", status)


def is_token(text: str) -> bool:
    """RFC 3261 `token`: a method, a header name, a parameter name."""
    return _TOKEN.fullmatch(text) is not None


def number(text: str, limit: int, what: str) -> int:
    """ASCII digits only (`+5`, `1_000` and `-1` are not numbers here), at most `limit`."""
    if len(text) > 20 or _DIGITS.fullmatch(text) is None or int(text) > limit:
        raise malformed(what, text)
    return int(text)


def end_of_quoted(text: str, start: int) -> int:
    """The index just after the quoted string that opens at `start`."""
    at, quote = start + 1, text.find('"', start + 1)
    while quote >= 0:
        pair = text.find("\\", at, quote)
        if pair < 0:
            return quote + 1
        at = pair + 2
        if at > quote:
            quote = text.find('"', at)
    raise malformed("a quoted string never ends", text)


def unquote(text: str) -> str:
    """The meaning of a quoted string, or `text` itself. An escaped NUL becomes U+FFFD: it never travels further."""
    if len(text) < 2 or text[0] != '"':
        return text
    return _PAIR.sub(r"\1", text[1:-1]).replace("\0", "\N{REPLACEMENT CHARACTER}")


def quote(text: str) -> str:
    """`text` as a quoted string. Raises UnsafeText for CR, LF and NUL."""
    if "\r" in text or "\n" in text or "\0" in text:
        raise UnsafeText(f"a line end or NUL in {text[:60]!r}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def has_bare_nul(text: str) -> bool:
    """Whether NUL stands anywhere but escaped inside a quoted string, the one place the grammar allows it."""
    if "\0" not in text:
        return False
    if text.count("\0") > MAX_NULS:
        return True
    at, opening = 0, text.find('"')
    while opening >= 0 and "\0" not in text[at:opening]:
        try:
            at = end_of_quoted(text, opening)
        except MalformedMessage:
            return True
        if "\0" in _PAIR.sub("", text[opening:at]):
            return True
        opening = text.find('"', at)
    return "\0" in text[at:] if opening < 0 else True


def split(text: str, separator: str) -> list[str]:
    """Parts between `separator`s ("," or ";") that stand outside quotes and angle brackets, stripped."""
    special = text.count('"') + text.count("<")
    if special + text.count(separator) > MAX_STOPS:
        raise malformed("too many parts", text)
    if not special:
        return [part.strip(WHITE) for part in text.split(separator)]
    parts: list[str] = []
    stops, start, at = _STOPS[separator], 0, 0
    while (stop := stops.search(text, at)) is not None:
        at = stop.start()
        if text[at] == separator:
            parts.append(text[start:at].strip(WHITE))
            start = at = at + 1
        elif text[at] == '"':
            at = end_of_quoted(text, at)
        else:
            at = end_of_bracket(text, at) + 1
    parts.append(text[start:].strip(WHITE))
    return parts


def end_of_bracket(text: str, start: int) -> int:
    """The index of the `>` that closes the `<` at `start`."""
    end = text.find(">", start)
    if end < 0:
        raise malformed("no > after <", text)
    return end


def parameters(text: str) -> Parameters:
    """`;name;name=value;name="quoted"` of a header value. Values keep their quotes, names their case."""
    if not text:
        return ()
    head, *parts = split(text, ";")
    if head or len(parts) > MAX_PARAMETERS:
        raise malformed("not parameters" if head else "too many parameters", text)
    return once_each(tuple(_parameter(part) for part in parts), text)


def _parameter(part: str) -> tuple[str, str | None]:
    name, equals, value = part.partition("=")
    name, value = name.rstrip(WHITE), value.lstrip(WHITE)
    whole = end_of_quoted(value, 0) == len(value) if value[:1] == '"' else _PLAIN_VALUE.fullmatch(value) is not None
    if not is_token(name) or not whole:
        raise malformed("not a parameter", part)
    return name, value if equals else None


def once_each(found: Parameters, text: str) -> Parameters:
    """`found`, unless a name comes twice with different values: nobody knows which one counts."""
    seen: dict[str, str | None] = {}
    for name, value in found:
        if seen.setdefault(name.lower(), value) != value:
            raise malformed("a parameter given twice", text)
    return found


def find_parameter(found: Parameters, name: str) -> str | None:
    """The value without quotes, "" for a flag, None when absent. Names are compared without case."""
    wanted = name.lower()
    for known, value in found:
        if known.lower() == wanted:
            return unquote(value or "")
    return None


def with_parameter(found: Parameters, name: str, value: str | None) -> Parameters:
    """`found` with `name` set: in place where it stood, else last."""
    wanted = name.lower()
    if any(known.lower() == wanted for known, _ in found):
        return tuple((known, value if known.lower() == wanted else old) for known, old in found)
    return (*found, (name, value))


def parameter_text(found: Parameters) -> str:
    """The way back: `;name=value;flag`."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in found)


def host_port(text: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[v6]:port` (white space around the colon is legal in Via). The host has no brackets."""
    if text[:1] == "[":
        host, closing, rest = text[1:].partition("]")
        if not closing or not is_ipv6(host):
            raise malformed("not an IPv6 address", text)
    else:
        colon = text.find(":")
        host, rest = (text, "") if colon < 0 else (text[:colon].rstrip(WHITE), text[colon:])
        if _HOST_NAME.fullmatch(host) is None:
            raise malformed("not a host", text)
    rest = rest.lstrip(WHITE)
    if not rest:
        return host, None
    if rest[0] != ":":
        raise malformed("not a port", text)
    return host, number(rest[1:].lstrip(WHITE), 65_535, "not a port")


def is_ipv6(text: str) -> bool:
    """Whether `text` is an IPv6 address without zone."""
    try:
        return len(text) <= 45 and "%" not in text and ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False
