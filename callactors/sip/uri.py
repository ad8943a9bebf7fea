"""URIs of SIP messages: sip and sips (RFC 3261 section 19.1), tel (RFC 3966), and everything else kept opaque.

Rules of this file:
- The user part stays escaped as it came; `user_decoded` undoes one level of escaping, once.
- `parse_uri(str(uri)) == uri`. A URI is visible ASCII and at most MAX_URI characters.
- An unknown scheme is not an error here: what to do with it (416) is the endpoint's matter.
"""

from __future__ import annotations

import re
import urllib.parse

import attrs

from callactors.sip.address import bracketed
from callactors.sip.scan import (
    MAX_PARAMETERS,
    Parameters,
    find_parameter,
    host_port,
    malformed,
    once_each,
    parameter_text,
)

MAX_URI = 2_048
MUST_AGREE = frozenset({"user", "ttl", "method", "maddr", "transport"})  # RFC 3261 section 19.1.4

_VISIBLE = re.compile(r"[!-~]+")
_FORBIDDEN = re.compile(r'[<>"\\^{}|]')
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
_TEL = re.compile(r"\+?[0-9A-Fa-f*#\-.()]+")
_SEPARATORS = str.maketrans("", "", "-.()")
_USER_SAFE = "-_.!~*'()&=+$,;?/"


@attrs.frozen
class SipUri:
    """`sip:user:password@host:port;parameters?headers`. `host` carries no brackets; `scheme` is lower case."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None = None
    parameters: Parameters = ()
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        secret = "" if self.password is None else f":{self.password}"
        user = "" if self.user is None else f"{self.user}{secret}@"
        port = "" if self.port is None else f":{self.port}"
        headers = "&".join(f"{name}={value}" for name, value in self.headers)
        return (
            f"{self.scheme}:{user}{bracketed(self.host)}{port}{parameter_text(self.parameters)}"
            f"{'?' if headers else ''}{headers}"
        )

    @property
    def user_decoded(self) -> str:
        """The user part with escapes undone once; "" when there is none."""
        return decode(self.user or "")

    def parameter(self, name: str) -> str | None:
        """A URI parameter: its value, "" for a flag, None when absent."""
        return find_parameter(self.parameters, name)

    def header(self, name: str) -> str | None:
        """A URI header (`?Replaces=...`), with escapes undone once."""
        wanted = name.lower()
        return next((decode(value) for known, value in self.headers if known.lower() == wanted), None)

    def matches(self, other: Uri) -> bool:
        """RFC 3261 section 19.1.4. An absent port is not port 5060."""
        return (
            isinstance(other, SipUri)
            and self.scheme == other.scheme
            and (self.user is None) == (other.user is None)
            and self.user_decoded == other.user_decoded
            and decode(self.password or "") == decode(other.password or "")
            and (self.host.lower(), self.port) == (other.host.lower(), other.port)
            and _agree(_folded(self.parameters), _folded(other.parameters))
            and _folded(self.headers) == _folded(other.headers)
        )


@attrs.frozen
class TelUri:
    """`tel:number;parameters`. `number` keeps its visual separators; `digits` has none."""

    number: str
    parameters: Parameters = ()

    def __str__(self) -> str:
        return f"tel:{self.number}{parameter_text(self.parameters)}"

    @property
    def digits(self) -> str:
        """The number without visual separators, `+` kept."""
        return self.number.translate(_SEPARATORS)

    @property
    def user_decoded(self) -> str:
        """What a number table is asked with: `digits`."""
        return self.digits

    def parameter(self, name: str) -> str | None:
        """A parameter: its value, "" for a flag, None when absent."""
        return find_parameter(self.parameters, name)

    def matches(self, other: Uri) -> bool:
        """RFC 3966 section 5: visual separators and case do not count."""
        return (
            isinstance(other, TelUri)
            and self.digits.lower() == other.digits.lower()
            and _folded(self.parameters) == _folded(other.parameters)
        )


@attrs.frozen
class OpaqueUri:
    """A URI of any other scheme, e.g. `urn:service:sos`. `scheme` is lower case."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"

    @property
    def user_decoded(self) -> str:
        """Nobody: an opaque URI has no user part."""
        return ""

    def parameter(self, name: str) -> str | None:
        """Always None: what is opaque has no parameters we know of."""
        return None

    def matches(self, other: Uri) -> bool:
        """The same text."""
        return self == other


Uri = SipUri | TelUri | OpaqueUri


def parse_uri(text: str) -> Uri:
    """A URI without angle brackets or spaces. Raises MalformedMessage (414 when it is too long)."""
    if len(text) > MAX_URI:
        raise malformed("a URI is too long", text, 414)
    scheme, colon, rest = text.partition(":")
    if not colon or _SCHEME.fullmatch(scheme) is None or _VISIBLE.fullmatch(rest) is None or _FORBIDDEN.search(rest):
        raise malformed("not a URI", text)
    scheme = scheme.lower()
    if scheme in ("sip", "sips"):
        return _sip_uri(scheme, rest)
    return _tel_uri(rest) if scheme == "tel" else OpaqueUri(scheme, rest)


def decode(text: str) -> str:
    """Percent escapes undone, once. Bytes that are not UTF-8 survive as surrogates."""
    return urllib.parse.unquote(text, errors="surrogateescape") if "%" in text else text


def escape_user(text: str) -> str:
    """Any text as the user part of a SIP URI (RFC 3261 section 25.1 `user`)."""
    return urllib.parse.quote(text, safe=_USER_SAFE, errors="surrogateescape")


def escape_header(text: str) -> str:
    """Any text as the value of a URI header, e.g. of `?Replaces=`."""
    return urllib.parse.quote(text, safe="-_.!~*'()[]/:+$", errors="surrogateescape")


def _sip_uri(scheme: str, rest: str) -> SipUri:
    if _BAD_ESCAPE.search(rest):
        raise malformed("a % without two hex digits", rest)
    userinfo, at, place = rest.partition("@")
    user, colon, password = userinfo.partition(":") if at else ("", "", "")
    if at and not user:
        raise malformed("an empty user", rest)
    place, _, headers = (place if at else rest).partition("?")
    place, semicolon, parameters = place.partition(";")
    host, port = host_port(place)
    return SipUri(
        scheme,
        user if at else None,
        password if colon else None,
        host,
        port,
        _uri_parameters(parameters) if semicolon else (),
        _uri_headers(headers) if headers else (),
    )


def _tel_uri(rest: str) -> TelUri:
    number, semicolon, parameters = rest.partition(";")
    if _TEL.fullmatch(number) is None or not any(character in "0123456789*#" for character in number):
        raise malformed("not a telephone number", rest)
    return TelUri(number, _uri_parameters(parameters) if semicolon else ())


def _uri_parameters(text: str) -> Parameters:
    parts = text.split(";")
    if len(parts) > MAX_PARAMETERS:
        raise malformed("too many parameters", text)
    found: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not name or "@" in part or "," in part:
            raise malformed("not a URI parameter", part)
        found.append((name, value if equals else None))
    return once_each(tuple(found), text)


def _uri_headers(text: str) -> tuple[tuple[str, str], ...]:
    parts = text.split("&")
    if len(parts) > MAX_PARAMETERS:
        raise malformed("too many URI headers", text)
    found: list[tuple[str, str]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise malformed("not a URI header", part)
        found.append((name, value))
    return tuple(found)


def _folded(pairs: Parameters) -> dict[str, str]:
    return {decode(name).lower(): decode(value or "").lower() for name, value in pairs}


def _agree(ours: dict[str, str], theirs: dict[str, str]) -> bool:
    shared = ours.keys() & theirs.keys()
    lonely = ours.keys() ^ theirs.keys()
    return not lonely & MUST_AGREE and all(ours[name] == theirs[name] for name in shared)
