"""Header fields, and the typed values most of a dialog is made of (RFC 3261 sections 7.3 and 20). Rules of this file:

- `Headers` is frozen; names are in canonical long form, values are text as it came, unfolded and stripped.
- Typed values are frozen, and `parse(str(value)) == value`.
- Text that does not parse raises MalformedMessage(400) from the function that read it.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from callactors.sip.address import bracketed
from callactors.sip.scan import (
    WHITE,
    Parameters,
    end_of_bracket,
    end_of_quoted,
    find_parameter,
    host_port,
    is_token,
    malformed,
    number,
    parameter_text,
    parameters,
    quote,
    split,
    unquote,
    with_parameter,
)
from callactors.sip.uri import Uri, parse_uri

MAX_ELEMENTS = 70  # hops, contacts or routes of one message; Max-Forwards starts at 70 too
MAX_CSEQ = 2**31 - 1  # RFC 3261 section 8.1.1.5
COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
_ODD = ("Call-ID", "CSeq", "WWW-Authenticate", "RAck", "RSeq", "MIME-Version", "Min-SE", "SIP-ETag", "SIP-If-Match")
_USUAL = (
    "Accept Allow Authorization Authentication-Info Content-Disposition Date Expires Max-Forwards Min-Expires "
    "P-Asserted-Identity Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require Reason Record-Route Replaces "
    "Require Retry-After Route Server Subscription-State Timestamp Unsupported User-Agent Warning Diversion Refer-Sub"
)
_LONG = (*_ODD, *COMPACT.values(), *_USUAL.split())
KNOWN = {name.lower(): name for name in _LONG} | {name: name for name in _LONG} | COMPACT


def canonical(name: str) -> str:
    """`v` -> `Via`, `CALL-ID` -> `Call-ID`, `x-note` -> `X-Note`."""
    return KNOWN.get(name) or KNOWN.get(name.lower()) or "-".join(part.capitalize() for part in name.split("-"))


def _canonical_items(items: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((canonical(name), value) for name, value in items)


@attrs.frozen
class Headers:
    """An ordered list of header fields. Asking and adding take any spelling of a name."""

    items: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_canonical_items)

    def get(self, name: str) -> str | None:
        """The first value, or None."""
        wanted = canonical(name)
        return next((value for known, value in self.items if known == wanted), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value, in order; a comma list in one field counts once here (see `split_commas`)."""
        wanted = canonical(name)
        return tuple(value for known, value in self.items if known == wanted)

    def with_(self, name: str, *values: str) -> Headers:
        """These values instead of what was there, at the place of the first, else last."""
        wanted = canonical(name)
        at = next((index for index, (known, _) in enumerate(self.items) if known == wanted), len(self.items))
        kept = [item for item in self.items[at:] if item[0] != wanted]
        return Headers((*self.items[:at], *((wanted, value) for value in values), *kept))

    def adding(self, name: str, value: str) -> Headers:
        """One more field, last."""
        return Headers((*self.items, (name, value)))

    def without(self, name: str) -> Headers:
        """None of this name."""
        wanted = canonical(name)
        return Headers(tuple(item for item in self.items if item[0] != wanted))


@attrs.frozen
class Via:
    """One hop (RFC 3261 section 20.42). `transport` is upper case, `host` without brackets."""

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = ()

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {bracketed(self.host)}{port}{parameter_text(self.parameters)}"

    @property
    def branch(self) -> str | None:
        """The transaction's name; None when absent or empty."""
        return find_parameter(self.parameters, "branch") or None

    @property
    def wants_rport(self) -> bool:
        """Whether `;rport` is there, filled in or not (RFC 3581)."""
        return find_parameter(self.parameters, "rport") is not None

    @property
    def rport(self) -> int | None:
        """The filled-in rport; None when absent, empty or no port."""
        text = find_parameter(self.parameters, "rport") or ""
        return int(text) if len(text) <= 5 and text.isascii() and text.isdigit() and int(text) <= 65_535 else None

    @property
    def received(self) -> str | None:
        """The source address a server wrote in, without brackets."""
        text = find_parameter(self.parameters, "received")
        return text.strip("[]") if text else None

    def with_parameter(self, name: str, value: str | None) -> Via:
        """This Via with one parameter set."""
        return attrs.evolve(self, parameters=with_parameter(self.parameters, name, value))


@attrs.frozen
class NameAddr:
    """`"display" <uri>;parameters`: From, To, Contact, Route, Refer-To. `display` is its meaning, "" for none."""

    display: str
    uri: Uri
    parameters: Parameters = ()

    def __str__(self) -> str:
        """Raises UnsafeText for CR, LF or NUL in the display name."""
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{parameter_text(self.parameters)}"

    @property
    def tag(self) -> str | None:
        """The dialog tag; None when absent or empty."""
        return find_parameter(self.parameters, "tag") or None

    def parameter(self, name: str) -> str | None:
        """A header parameter (not a URI parameter): its value, "" for a flag, None when absent."""
        return find_parameter(self.parameters, name)

    def with_tag(self, tag: str) -> NameAddr:
        """The same party with this tag."""
        return attrs.evolve(self, parameters=with_parameter(self.parameters, "tag", tag))


@attrs.frozen
class CSeq:
    """`number METHOD` (RFC 3261 section 20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def split_commas(text: str) -> tuple[str, ...]:
    """The elements of a comma list, stripped; commas in quotes and angle brackets do not count. Empty parts stay."""
    return tuple(split(text, ","))


def tokens(headers: Headers, name: str) -> tuple[str, ...]:
    """The elements of a list of tokens (Supported, Require, Allow), empty ones dropped."""
    return tuple(part for value in headers.all(name) for part in split_commas(value) if part)


def via(text: str) -> Via:
    """One element of a Via header. Its version is not looked at: the start line decides which SIP this is."""
    place, semicolon, rest = text.partition(";")
    protocol, version, transport_and_host = _three(place)
    transport, _, sent_by = transport_and_host.lstrip(WHITE).replace("\t", " ").partition(" ")
    if protocol.upper() != "SIP" or not is_token(version) or not is_token(transport):
        raise malformed("not a Via", text)
    host, port = host_port(sent_by.strip(WHITE))
    return Via(transport.upper(), host, port, parameters(semicolon + rest))


def _three(place: str) -> tuple[str, str, str]:
    protocol, _, rest = place.partition("/")
    version, _, rest = rest.partition("/")
    return protocol.strip(WHITE), version.strip(WHITE), rest


def vias(headers: Headers) -> tuple[Via, ...]:
    """Every hop, topmost first."""
    return tuple(via(part) for part in _elements(headers.all("Via")))


def _elements(values: tuple[str, ...]) -> list[str]:
    parts = [part for value in values for part in split_commas(value)]
    if len(parts) > MAX_ELEMENTS:
        raise malformed("too many elements", parts[0])
    return parts


def name_addr(text: str) -> NameAddr:
    """One address, with or without angle brackets. Without them everything after `;` is the header's (section 20)."""
    text = text.strip(WHITE)
    if text[:1] == '"':
        end = end_of_quoted(text, 0)
        display, rest = unquote(text[:end]), text[end:].lstrip(WHITE)
        if rest[:1] != "<":
            raise malformed("no <URI> after a display name", text)
    else:
        opening = text.find("<")
        if opening < 0:
            uri, semicolon, rest = text.partition(";")
            return NameAddr("", parse_uri(uri.rstrip(WHITE)), parameters(semicolon + rest))
        display, rest = _plain_display(text[:opening].rstrip(WHITE)), text[opening:]
    closing = end_of_bracket(rest, 0)
    return NameAddr(display, parse_uri(rest[1:closing].strip(WHITE)), parameters(rest[closing + 1 :].lstrip(WHITE)))


def _plain_display(text: str) -> str:
    """An unquoted display name: tokens by the grammar, but umlauts and brackets do occur; delimiters do not."""
    if any(character in '",;<>\0' for character in text):
        raise malformed("a display name that needs quotes", text)
    return text


def name_addrs(headers: Headers, name: str) -> tuple[NameAddr, ...]:
    """Every address of a header that is a comma list (Contact, Route, Record-Route). `Contact: *` has none."""
    values = headers.all(name)
    if values == ("*",):
        return ()
    return tuple(name_addr(part) for part in _elements(values))


def cseq(headers: Headers) -> CSeq:
    """The CSeq. Raises MalformedMessage when it is absent, over 2**31-1 or no number and token."""
    text = headers.get("CSeq") or ""
    parts = text.replace("\t", " ").split(" ")
    digits, *middle, method = parts if len(parts) > 1 else (text, "")
    if any(middle) or not is_token(method):
        raise malformed("not a CSeq", text)
    return CSeq(number(digits, MAX_CSEQ, "not a CSeq number"), method)
