"""A whole SIP message: bytes in, a frozen Request or Response out, and back (RFC 3261 section 7). Rules of this file:

- `parse` raises MalformedMessage and nothing else; its cost is bounded by the limits below.
- What decides a transaction is checked here (Via, From, To, CSeq, Call-ID, Contact, routes); absence is not an error.
- Lines end in CRLF. Bare LF is taken only when the whole head has no CR at all: no mixture, so no smuggling.
- Content-Length is framing: `parse` consumes it, `to_bytes` computes it; neither side's `headers` has it.
- Over UDP bytes behind Content-Length are dropped, and a body shorter than it is malformed (RFC 3261 section 18.3).
- `to_bytes` refuses CR, LF and NUL in every text that came from anywhere: UnsafeText.
"""

from __future__ import annotations

import attrs

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip.headers import KNOWN, Headers, canonical, cseq, name_addr, name_addrs, via, vias
from callactors.sip.scan import WHITE, has_bare_nul, is_token, malformed, number
from callactors.sip.uri import OpaqueUri, Uri, parse_uri

MAX_MESSAGE = 65_535  # bytes, a UDP datagram
MAX_HEAD = 16_384  # bytes up to the empty line
MAX_LINES = 256  # of the head, folded ones included
MAX_HEADERS = 128
MAX_SEMICOLONS = 1_024  # of the head: what parameters may cost in all
MAX_LINE = 8_192  # characters of one header, unfolded
MAX_BODY = 49_152  # bytes

VERSION = "SIP/2.0"
SINGLE = frozenset({"From", "To", "Call-ID", "CSeq", "Max-Forwards"})
ECHOED = ("Via", "From", "To", "Call-ID", "CSeq")  # what a response copies (RFC 3261 section 8.2.6.2)


@attrs.frozen
class Request:
    """`METHOD uri SIP/2.0`, headers, body."""

    method: str
    uri: Uri
    headers: Headers
    body: bytes = b""


@attrs.frozen
class Response:
    """`SIP/2.0 status reason`, headers, body."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""


Message = Request | Response


def parse(data: bytes, *, stream: bool = False) -> Message:
    """One datagram, or one message framed on a stream, where Content-Length is mandatory (section 18.3).

    Raises MalformedMessage; its `status` is what a server answers (400, 414, 505, 513).
    """
    head, rest = _divide(data)
    lines = _unfold(head)
    items = [_field(line) for line in lines[1:]]
    lengths = [value for name, value in items if name == "Content-Length"]
    if stream and not lengths:
        raise MalformedMessage("no Content-Length on a stream")
    body = _body(rest, lengths)
    headers = Headers(tuple(item for item in items if item[0] != "Content-Length"))
    message = _start(lines[0], headers, body)
    _check(message)
    return message


def to_bytes(message: Message) -> bytes:
    """The message as a datagram. Raises UnsafeText rather than let a text end its line."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} {VERSION}"
        if start.count(" ") != 2 or not is_token(message.method):
            raise UnsafeText(f"not a start line: {start[:60]!r}")
    else:
        start = f"{VERSION} {message.status} {message.reason}"
    lines = [start]
    for name, value in message.headers.items:
        if not is_token(name):
            raise UnsafeText(f"not a header name: {name[:60]!r}")
        if name != "Content-Length":
            lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    head = "\r\n".join(lines)
    if head.count("\r") != len(lines) + 1 or head.count("\n") != len(lines) + 1 or any(map(has_bare_nul, lines)):
        raise UnsafeText(f"a line end or NUL in a header of {start[:60]!r}")
    return _encoded(head) + message.body


def salvage(data: bytes) -> Request | None:
    """What is left of a request that does not parse: enough to answer it once, statelessly, or None for silence.

    Every Via parses (if need be only the topmost is left, without parameters); the other echoed headers are raw text,
    safe to send back. The method is sure to be a token. An ACK is never answered, so it gives None, as do bytes that
    are no SIP request at all.
    """
    try:
        head, _ = _divide(data[:MAX_MESSAGE], strict=False)
        lines = _unfold(head, strict=False)
        method, rest = lines[0].split(" ", 1)
        if method == "ACK" or not is_token(method) or not rest.rpartition(" ")[2].upper().startswith("SIP/"):
            return None
        echoed = [item for line in lines[1:] if (item := _readable(line)) is not None]
        hops = _hops([value for name, value in echoed if name == "Via"])
    except (MalformedMessage, ValueError):
        return None
    once = {name: value for name, value in reversed(echoed) if name != "Via"}
    return Request(method, _uri_or_nothing(rest), Headers((*hops, *reversed(once.items()))))


def _divide(data: bytes, strict: bool = True) -> tuple[bytes, bytes]:
    """The head without its empty line, and what follows. Leading CRLFs are keep-alives (section 7.5)."""
    data = data.lstrip(b"\r\n")
    if strict and len(data) > MAX_MESSAGE:
        raise MalformedMessage("a message over the limit", 513)
    ends, feeds = data.find(b"\r\n\r\n"), data.find(b"\n\n")
    if feeds >= 0 and (ends < 0 or feeds < ends) and b"\r" not in data[:feeds]:
        ends, skip, head = feeds, 2, data[:feeds].replace(b"\n", b"\r\n")
    else:
        skip, head = 4, data[:ends] if ends >= 0 else b""
    if ends < 0:
        raise MalformedMessage("no empty line ends the headers")
    if strict and ends > MAX_HEAD:
        raise MalformedMessage("headers over the limit", 513)
    if not head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r"):
        raise MalformedMessage("a bare CR or LF in the headers")
    return head, data[ends + skip :]


def _unfold(head: bytes, strict: bool = True) -> list[str]:
    """Lines with their continuations joined by one space (section 7.3.1), the start line first."""
    raw = head.decode("utf-8", "surrogateescape").split("\r\n", MAX_LINES)
    if strict and len(raw) > MAX_LINES:
        raise MalformedMessage("too many header lines")
    lines: list[str] = []
    for line in raw[:MAX_LINES]:
        if line[:1] in (" ", "\t") and len(lines) > 1:
            lines[-1] = f"{lines[-1].rstrip(WHITE)} {line.strip(WHITE)}"
        else:
            lines.append(line)
    if strict and len(lines) > MAX_HEADERS + 1:
        raise MalformedMessage("too many headers")
    if strict and head.count(b";") > MAX_SEMICOLONS:
        raise MalformedMessage("too many parameters in all")
    return lines


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(WHITE)
    if not colon or (name not in KNOWN and not is_token(name)):
        raise malformed("not a header", line)
    if len(line) > MAX_LINE or ("\0" in value and has_bare_nul(value)):
        raise malformed("a header too long or with a NUL", line)
    return canonical(name), value.strip(WHITE)


def _body(rest: bytes, lengths: list[str]) -> bytes:
    if len(set(lengths)) > 1:
        raise MalformedMessage("Content-Length given twice")
    length = number(lengths[0], 2**31, "not a Content-Length") if lengths else len(rest)
    if length > MAX_BODY:
        raise MalformedMessage("a body over the limit", 513)
    if length > len(rest):
        raise MalformedMessage("the body is shorter than Content-Length")
    return rest[:length]


def _start(line: str, headers: Headers, body: bytes) -> Message:
    if line[:4].upper() == "SIP/":
        version, _, rest = line.partition(" ")
        status, _, reason = rest.partition(" ")
        _check_version(version, line)
        code = number(status, 699, "not a status code")
        if code < 100 or len(status) != 3 or "\0" in reason:
            raise malformed("not a status line", line)
        return Response(code, reason, headers, body)
    parts = line.split(" ")
    _check_version(parts[-1], line)
    if len(parts) != 3 or not is_token(parts[0]):
        raise malformed("not a request line", line)
    return Request(parts[0], parse_uri(parts[1]), headers, body)


def _check_version(version: str, line: str) -> None:
    name, _, release = version.upper().partition("/")
    if name != "SIP" or not release:
        raise malformed("not SIP", line)
    if release != "2.0":
        raise malformed("not SIP/2.0", line, 505)


def _check(message: Message) -> None:
    """Everything a transaction or dialog rests on parses, where it is present."""
    headers = message.headers
    seen: set[str] = set()
    for name, value in headers.items:
        if name in SINGLE:
            if name in seen:
                raise malformed(f"{name} given twice", value)
            seen.add(name)
            _check_single(name, value)
    vias(headers)
    for name in ("Contact", "Route", "Record-Route"):
        name_addrs(headers, name)
    if isinstance(message, Request) and "CSeq" in seen and cseq(headers).method != message.method:
        raise malformed("CSeq names another method", headers.get("CSeq") or "")
    if isinstance(message, Response) and "CSeq" in seen:
        cseq(headers)


def _check_single(name: str, value: str) -> None:
    if name in ("From", "To"):
        name_addr(value)
    elif name == "Call-ID" and (not value or any(character in " \t\0" for character in value)):
        raise malformed("not a Call-ID", value)
    elif name == "Max-Forwards":
        number(value, 255, "not a Max-Forwards")


def _readable(line: str) -> tuple[str, str] | None:
    """An echoed header of a broken request, if it can be sent back as it is."""
    try:
        name, value = _field(line)
    except MalformedMessage:
        return None
    return (name, value) if name in ECHOED else None


def _hops(values: list[str]) -> tuple[tuple[str, str], ...]:
    """The Vias if all parse, else the topmost, else its host alone. Raises MalformedMessage when there is none."""
    if not values:
        raise MalformedMessage("no Via")
    if _parse_all(values):
        return tuple(("Via", value) for value in values)
    place = values[0].partition(",")[0]
    top = place if _parse_all([place]) else place.partition(";")[0]
    return (("Via", str(via(top))),)


def _parse_all(values: list[str]) -> bool:
    if sum(value.count(";") for value in values) > MAX_SEMICOLONS:
        return False
    try:
        return bool(vias(Headers(tuple(("Via", value) for value in values))))
    except MalformedMessage:
        return False


def _uri_or_nothing(rest: str) -> Uri:
    try:
        return parse_uri(rest.rpartition(" ")[0])
    except MalformedMessage:
        return OpaqueUri("invalid", "request-uri")


def _encoded(head: str) -> bytes:
    try:
        return head.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as problem:
        raise UnsafeText("a lone surrogate in a header") from problem
