"""A session description as a value: bytes in, a frozen Description out, and back (RFC 8866). Rules of this file:

- `parse` raises MalformedDescription and nothing else; size, lines and streams are limited, cost is linear.
- Lines end in CRLF or LF (section 5 asks parsers for both). Types we have no use for (i u e p b r z k) are read over.
- An address in c= is numeric IPv4 or IPv6: nothing here ever leads to a DNS look-up.
- What a number in a= or m= means is offer.py's matter; here it is text.
"""

from __future__ import annotations

import ipaddress
import itertools
import re

import attrs

from callactors.errors import MalformedDescription, UnsafeText

MAX_SIZE = 32_768  # bytes
MAX_LINES = 512
MAX_LINE = 2_048  # characters
MAX_MEDIA = 16
MAX_FORMATS = 64  # of one m= line

Attributes = tuple[tuple[str, str | None], ...]

_LINE = re.compile(r"([a-z])=(.*)", re.DOTALL)
_DIGITS = re.compile(r"[0-9]{1,20}")


@attrs.frozen
class Origin:
    """o=: who made this description. `version` grows by one with each change (RFC 3264 section 8)."""

    session_id: int
    version: int
    host: str
    username: str = "-"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} IN {address_type(self.host)} {self.host}"


def _without_keys(attributes: Attributes) -> str:
    return repr(tuple((name, "..." if name == "crypto" else value) for name, value in attributes))


@attrs.frozen
class Media:
    """One m= block. `port` 0 is a refused stream; `host` is its own c=, None when the session's counts."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str | None = None
    attributes: Attributes = attrs.field(default=(), repr=_without_keys)

    def attribute(self, name: str) -> str | None:
        """The first a= of this name: its value, "" for a flag, None when absent."""
        return find_attribute(self.attributes, name)


@attrs.frozen
class Description:
    """A whole session description. `host` is the session's c=."""

    origin: Origin
    media: tuple[Media, ...] = ()
    host: str | None = None
    attributes: Attributes = attrs.field(default=(), repr=_without_keys)
    name: str = "-"
    time: str = "0 0"

    def __bytes__(self) -> bytes:
        return to_bytes(self)

    def attribute(self, name: str) -> str | None:
        """The first session level a= of this name: its value, "" for a flag, None when absent."""
        return find_attribute(self.attributes, name)


def find_attribute(attributes: Attributes, name: str) -> str | None:
    """The first value of `name`, "" for a flag, None when absent."""
    return next((value or "" for known, value in attributes if known == name), None)


def address_type(host: str) -> str:
    """`IP6` for an IPv6 address, `IP4` for everything else."""
    return "IP6" if ":" in host else "IP4"


def parse(data: bytes) -> Description:
    """A body of type application/sdp. Raises MalformedDescription."""
    lines = _lines(data)
    if len(lines) < 2 or lines[0] != ("v", "0") or lines[1][0] != "o":
        raise MalformedDescription("does not begin with v=0 and o=")
    origin = _origin(lines[1][1])
    starts = [index for index, (kind, _) in enumerate(lines) if kind == "m"]
    if len(starts) > MAX_MEDIA:
        raise MalformedDescription(f"{len(starts)} streams, {MAX_MEDIA} are the limit")
    session = lines[2 : starts[0]] if starts else lines[2:]
    blocks = [lines[start:end] for start, end in itertools.pairwise([*starts, len(lines)])]
    return Description(
        origin,
        tuple(_media(block) for block in blocks),
        _host(session),
        _attributes(session),
        _first(session, "s") or "-",
        _first(session, "t") or "0 0",
    )


def to_bytes(description: Description) -> bytes:
    """The description as a body. Raises UnsafeText when a text would end its line."""
    lines = ["v=0", f"o={description.origin}", f"s={description.name}"]
    if description.host is not None:
        lines.append(_connection(description.host))
    lines += [f"t={description.time}", *_attribute_lines(description.attributes)]
    for media in description.media:
        lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
        if media.host is not None:
            lines.append(_connection(media.host))
        lines += _attribute_lines(media.attributes)
    for line in lines:
        if "\r" in line or "\n" in line or "\0" in line:
            raise UnsafeText(f"a line end or NUL in {line[:60]!r}")
    try:
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as problem:
        raise UnsafeText("a lone surrogate in a description") from problem


def decimal(text: str, limit: int, what: str) -> int:
    """ASCII digits, at most `limit`."""
    if _DIGITS.fullmatch(text) is None or int(text) > limit:
        raise MalformedDescription(f"{what}: {text[:60]!r}")
    return int(text)


def numeric_host(text: str) -> str:
    """`IN IP4 192.0.2.1` (or with /ttl) -> the address. Names are refused."""
    parts = text.split(" ")
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise MalformedDescription(f"not a connection: {text[:60]!r}")
    address = parts[2].partition("/")[0]
    try:
        family = ipaddress.IPv4Address if parts[1] == "IP4" else ipaddress.IPv6Address
        if len(address) > 45 or "%" in address:
            raise ValueError("a zone, or no address at all")
        return str(family(address))
    except ValueError as problem:
        raise MalformedDescription(f"not a numeric address: {address[:60]!r}") from problem


def _lines(data: bytes) -> list[tuple[str, str]]:
    if len(data) > MAX_SIZE:
        raise MalformedDescription(f"{len(data)} bytes, {MAX_SIZE} are the limit")
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if "\r" in text or "\0" in text:
        raise MalformedDescription("a bare CR or a NUL")
    raw = text.rstrip("\n").split("\n", MAX_LINES)
    if len(raw) > MAX_LINES:
        raise MalformedDescription(f"over {MAX_LINES} lines")
    return [_line(line) for line in raw]


def _line(line: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line) if len(line) <= MAX_LINE else None
    if found is None:
        raise MalformedDescription(f"not a line: {line[:60]!r}")
    return found[1], found[2].strip(" ")


def _origin(text: str) -> Origin:
    parts = [part for part in text.split(" ") if part]
    if len(parts) != 6:
        raise MalformedDescription(f"not an origin: {text[:60]!r}")
    username, session_id, version, _, _, host = parts
    return Origin(
        decimal(session_id, 2**64 - 1, "not a session id"),
        decimal(version, 2**64 - 1, "not a session version"),
        host,
        username,
    )


def _media(block: list[tuple[str, str]]) -> Media:
    parts = [part for part in block[0][1].split(" ") if part]
    if not 4 <= len(parts) <= 3 + MAX_FORMATS:
        raise MalformedDescription(f"not a stream: {block[0][1][:60]!r}")
    kind, port, protocol, *formats = parts
    number = decimal(port.partition("/")[0], 65_535, "not a port")
    return Media(kind, number, protocol, tuple(formats), _host(block), _attributes(block))


def _first(block: list[tuple[str, str]], kind: str) -> str | None:
    return next((text for known, text in block if known == kind), None)


def _host(block: list[tuple[str, str]]) -> str | None:
    text = _first(block, "c")
    return None if text is None else numeric_host(text)


def _attributes(block: list[tuple[str, str]]) -> Attributes:
    found: list[tuple[str, str | None]] = []
    for kind, text in block:
        if kind == "a":
            name, colon, value = text.partition(":")
            found.append((name, value if colon else None))
    return tuple(found)


def _connection(host: str) -> str:
    return f"c=IN {address_type(host)} {host}"


def _attribute_lines(attributes: Attributes) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]
