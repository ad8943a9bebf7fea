"""Digest authentication: challenges, credentials, and the hash between them (RFC 7616, RFC 8760, RFC 3261 section 22).

Rules of this file:
- No randomness and no memory: cnonce, nonce and nc are arguments; who may be answered at all is the caller's rule
  (only a peer and realm we hold credentials for: a digest handed to a stranger is a leak).
- Algorithms are rows of a table, strongest first; a challenge of an unknown scheme, algorithm or qop is passed over.
- In credentials algorithm, qop and nc stand without quotes, everything else in quotes (RFC 7616 section 3.4).
- Responses are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

import attrs

from callactors.errors import MalformedMessage
from callactors.sip.headers import Headers, split_commas
from callactors.sip.scan import MAX_PARAMETERS, WHITE, end_of_quoted, is_token, malformed, quote, unquote
from callactors.sip.uri import SipUri, Uri, parse_uri

ALGORITHMS = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}  # RFC 8760, strongest first
OFFERED = ("SHA-256", "MD5")  # what a server lists, each in a header of its own
PREFERRED = ("SHA-256", "SHA-512-256", "MD5")  # the order it lists them in: what most clients know first

_HEX = re.compile(r"[0-9A-Fa-f]+")


@attrs.frozen
class Challenge:
    """A WWW-Authenticate or Proxy-Authenticate value. No `qop` is the way of RFC 2069."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ("auth",)
    opaque: str | None = None
    stale: bool = False

    @classmethod
    def parse(cls, text: str) -> Challenge:
        """Raises MalformedMessage for another scheme, or without realm or nonce."""
        values = _digest_values(text)
        qop = tuple(part.lower() for part in split_commas(values.get("qop", "")) if part)
        return cls(
            _needed(values, "realm"),
            _needed(values, "nonce"),
            values.get("algorithm", "MD5"),
            qop,
            values.get("opaque"),
            values.get("stale", "").lower() == "true",
        )

    def __str__(self) -> str:
        parts = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}", f"algorithm={self.algorithm}"]
        if self.qop:
            parts.append(f"qop={quote(','.join(self.qop))}")
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        return "Digest " + ", ".join(parts)

    @property
    def usable(self) -> bool:
        """Whether we know its algorithm and a qop of it."""
        return self.algorithm.upper() in ALGORITHMS and (not self.qop or "auth" in self.qop)


@attrs.frozen
class Credentials:
    """An Authorization or Proxy-Authorization value. `nc` counts uses of the nonce; 0 and "" mean without qop."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    cnonce: str = ""
    nc: int = 0
    qop: str = ""
    opaque: str | None = None

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Raises MalformedMessage for another scheme, or when a part of the hash is missing."""
        values = _digest_values(text)
        count = values.get("nc", "0")
        if len(count) > 8 or _HEX.fullmatch(count) is None:
            raise malformed("not a nonce count", count)
        return cls(
            _needed(values, "username"),
            _needed(values, "realm"),
            _needed(values, "nonce"),
            _needed(values, "uri"),
            _needed(values, "response").lower(),
            values.get("algorithm", "MD5"),
            values.get("cnonce", ""),
            int(count, 16),
            values.get("qop", "").lower(),
            values.get("opaque"),
        )

    def __str__(self) -> str:
        quoted = {"username": self.user, "realm": self.realm, "nonce": self.nonce, "uri": self.uri}
        parts = [f"{name}={quote(value)}" for name, value in quoted.items()]
        parts += [f'response="{self.response}"', f"algorithm={self.algorithm}"]
        if self.qop:
            parts += [f"cnonce={quote(self.cnonce)}", f"qop={self.qop}", f"nc={self.nc:08x}"]
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        return "Digest " + ", ".join(parts)


def challenges(headers: Headers, name: str) -> tuple[Challenge, ...]:
    """Every challenge of `WWW-Authenticate` or `Proxy-Authenticate` we could answer, in their order."""
    found: list[Challenge] = []
    for value in headers.all(name):
        if is_digest(value):
            challenge = Challenge.parse(value)
            if challenge.usable:
                found.append(challenge)
    return tuple(found)


def strongest(found: Iterable[Challenge]) -> Challenge | None:
    """The one to answer: our order of strength decides, not theirs. None when there is none."""
    order = list(ALGORITHMS)
    return min(found, key=lambda challenge: order.index(challenge.algorithm.upper()), default=None)


def answer(challenge: Challenge, method: str, uri: Uri | str, user: str, password: str, *, cnonce: str, nc: int) -> str:
    """The Authorization value for a usable challenge. `uri` is the Request-URI; `nc` starts at 1 for each nonce.

    Raises MalformedMessage when the challenge is not usable, UnsafeText when a text would end its line.
    """
    if not challenge.usable:
        raise malformed("a challenge we cannot answer", challenge.algorithm)
    unsigned = Credentials(
        user,
        challenge.realm,
        challenge.nonce,
        str(uri),
        "",
        challenge.algorithm,
        cnonce if challenge.qop else "",
        nc if challenge.qop else 0,
        "auth" if challenge.qop else "",
        challenge.opaque,
    )
    return str(attrs.evolve(unsigned, response=_response(unsigned, method, password)))


def verify(credentials: Credentials, *, method: str, uri: Uri | str, password: str, realm: str, nonce: str) -> bool:
    """Whether these credentials were made for this request, realm and nonce by someone who has the password.

    That `nonce` is fresh and `credentials.nc` higher than the last is for the caller to know.
    """
    known = credentials.algorithm.upper() in ALGORITHMS and credentials.qop in ("", "auth")
    if not known or (credentials.realm, credentials.nonce) != (realm, nonce) or not _same(credentials.uri, uri):
        return False
    expected = _response(credentials, method, password)
    return hmac.compare_digest(expected.encode(), credentials.response.encode("utf-8", "surrogateescape"))


def is_digest(text: str) -> bool:
    """Whether the scheme of a challenge or of credentials is Digest; others are as if they were not there."""
    return text.lstrip(WHITE)[:7].lower() in ("digest ", "digest\t")


def _response(credentials: Credentials, method: str, password: str) -> str:
    """RFC 7616 section 3.4.1."""
    algorithm = credentials.algorithm
    secret = _hash(algorithm, f"{credentials.user}:{credentials.realm}:{password}")
    request = _hash(algorithm, f"{method}:{credentials.uri}")
    middle = f"{credentials.nc:08x}:{credentials.cnonce}:{credentials.qop}:" if credentials.qop else ""
    return _hash(algorithm, f"{secret}:{credentials.nonce}:{middle}{request}")


def _hash(algorithm: str, text: str) -> str:
    name = ALGORITHMS[algorithm.upper()]
    return hashlib.new(name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _same(theirs: str, ours: Uri | str) -> bool:
    """Whether a digest was made over our Request-URI, or over it without its user, as SIPp and some phones do."""
    if theirs == str(ours):
        return True
    try:
        known, said = parse_uri(ours) if isinstance(ours, str) else ours, parse_uri(theirs)
    except MalformedMessage:
        return False
    place = attrs.evolve(known, user=None, password=None) if isinstance(known, SipUri) else known
    return said.matches(known) or said.matches(place)


def _digest_values(text: str) -> dict[str, str]:
    """`Digest name=value, name="value"` without quotes, names in lower case. A name given twice is malformed."""
    if not is_digest(text):
        raise malformed("not Digest", text)
    parts = split_commas(text.lstrip(WHITE)[7:])
    if len(parts) > MAX_PARAMETERS:
        raise malformed("too many parameters", text)
    values: dict[str, str] = {}
    for part in filter(None, parts):
        name, equals, value = part.partition("=")
        name, value = name.rstrip(WHITE).lower(), value.lstrip(WHITE)
        if not equals or not is_token(name) or name in values:
            raise malformed("not a digest parameter", part)
        if value[:1] == '"' and end_of_quoted(value, 0) != len(value):
            raise malformed("not a digest parameter", part)
        values[name] = unquote(value)
    return values


def _needed(values: dict[str, str], name: str) -> str:
    if name not in values:
        raise malformed(f"no {name}", ", ".join(values))
    return values[name]
