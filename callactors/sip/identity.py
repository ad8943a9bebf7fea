"""STIR/SHAKEN, sans-IO: the PASSporT of a call and the Identity header it travels in (RFC 8224, 8225, 8588).

- ES256 and `ppt` shaken only; `alg` is never taken from the token's word alone: none, HS256 and the rest are refused.
- JSON is canonical: sorted keys, no spaces (RFC 8225 section 9). A telephone number is digits only, no plus.
- The signature of a foreign token is checked over its bytes as received; the compact form (no claims) is refused.
- Time is the wall clock, seconds since 1970, as an argument; fetching certificates is not here.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from callactors.errors import BadIdentity, MalformedMessage
from callactors.sip.scan import split
from callactors.sip.uri import SipUri, TelUri, Uri

T = TypeVar("T")
Attest = Literal["A", "B", "C"]
FRESH = 60  # seconds an `iat` or a Date may be off (RFC 8224 section 6.2.2)
MAX_IDENTITY = 4_096  # characters
_HALF = 32  # bytes of r and of s
_BASE64 = re.compile(r"[A-Za-z0-9_-]+")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The JOSE header (RFC 8225 section 4)."""

    alg: str
    x5u: str
    ppt: str | None = None
    typ: str = "passport"
    crit: tuple[str, ...] = ()  # what must be understood beyond ppt (RFC 7515 section 4.1.11)


class One(msgspec.Struct, frozen=True):
    """`orig`: one number."""

    tn: str | None = None
    uri: str | None = None


class Many(msgspec.Struct, frozen=True):
    """`dest`: who is called."""

    tn: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The SHAKEN claims (RFC 8588). `iat` is seconds since 1970."""

    iat: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]  # one too large for a float is no time
    orig: One
    dest: Many
    attest: str | None = None
    origid: str | None = None


class Passport(msgspec.Struct, frozen=True):
    """An Identity header as read; nothing in it is proven yet. `signed` is what the signature is over."""

    header: Header
    claims: Claims
    signed: bytes
    signature: bytes
    info: str


class Verified(msgspec.Struct, frozen=True):
    """Who signed what: for the record."""

    attest: str
    origid: str
    orig: str


def sign(
    key: ec.EllipticCurvePrivateKey, *, x5u: str, attest: Attest, orig: str, dest: str, iat: int, origid: str
) -> str:
    """The Identity header's value. `orig` and `dest` are numbers in any spelling, `origid` a UUID."""
    header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": x5u}
    claims = {
        "attest": attest,
        "dest": {"tn": [canonical_number(dest)]},
        "iat": iat,
        "orig": {"tn": canonical_number(orig)},
        "origid": origid,
    }
    signed = f"{_pack(header)}.{_pack(claims)}"
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    signature = _encode(r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big"))
    return f"{signed}.{signature};info=<{x5u}>;alg=ES256;ppt=shaken"


def date_header(wall: float) -> str:
    """The Date that goes with an Identity (RFC 3261 section 20.17)."""
    return format_datetime(datetime.fromtimestamp(int(wall), UTC), usegmt=True)


def read(text: str) -> Passport:
    """An Identity header's value. Raises BadIdentity: 437 for another algorithm or extension, 438 when broken."""
    token, semicolon, rest = text.strip().partition(";")
    if len(text) > MAX_IDENTITY:
        raise BadIdentity(438, "too long")
    parts = token.strip().split(".")
    if len(parts) != 3 or not all(parts):
        raise BadIdentity(438, "not a full PASSporT")  # the compact form has no header and no claims
    info = _info(semicolon + rest)
    header, claims = _unpack(parts[0], Header), _unpack(parts[1], Claims)
    if header.alg != "ES256" or header.ppt != "shaken" or header.typ != "passport":
        raise BadIdentity(437, f"alg {header.alg[:20]!r}, ppt {str(header.ppt)[:20]!r}")
    if set(header.crit) - {"ppt"}:
        raise BadIdentity(437, f"crit {', '.join(header.crit)[:40]!r}")
    if header.x5u != info:
        raise BadIdentity(436, "info and x5u differ")
    return Passport(header, claims, f"{parts[0]}.{parts[1]}".encode(), _decode(parts[2]), info)


def verify(
    passport: Passport, key: ec.EllipticCurvePublicKey, *, orig: str, dest: str, date: str | None, wall: float
) -> Verified:
    """Whether `key` signed this call, from and to these numbers, just now. Raises BadIdentity: 403 stale, 438 forged.

    `date` is the request's Date header, if it has one: then it must agree with `iat`.
    """
    claims = passport.claims
    check_freshness(claims.iat, date, wall)
    _check_signature(passport, key)
    if claims.orig.tn is None or claims.orig.tn != canonical_number(orig):
        raise BadIdentity(438, "orig is another number")
    if canonical_number(dest) not in claims.dest.tn:
        raise BadIdentity(438, "dest is another number")
    if claims.attest not in ("A", "B", "C") or not claims.origid:
        raise BadIdentity(438, "no attest or origid")
    return Verified(claims.attest, claims.origid[:64], claims.orig.tn)


def check_freshness(iat: int, date: str | None, wall: float) -> None:
    """Raises BadIdentity(403) for a token, or a Date beside it, that is not of now."""
    if abs(wall - iat) > FRESH:
        raise BadIdentity(403, "stale: iat is not of now")
    if date is not None:
        stamp = _date(date)
        if stamp is None or abs(stamp - iat) > FRESH:
            raise BadIdentity(403, "stale: Date and iat disagree")


def canonical_number(number: str) -> str:
    """RFC 8224 section 8.3: digits, `#` and `*` alone."""
    return "".join(c for c in number if c in "0123456789*#")


def number_of(uri: Uri) -> str:
    """The number a From, P-Asserted-Identity or To names, canonical; "" when it names none."""
    if isinstance(uri, SipUri):
        user = uri.user_decoded.partition(";")[0]
        return canonical_number(user) if re.fullmatch(r"\+?[0-9*#().\- ]+", user) else ""
    return canonical_number(uri.number) if isinstance(uri, TelUri) else ""


def _check_signature(passport: Passport, key: ec.EllipticCurvePublicKey) -> None:
    if len(passport.signature) != 2 * _HALF or not isinstance(key.curve, ec.SECP256R1):
        raise BadIdentity(437 if len(passport.signature) == 2 * _HALF else 438, "not an ES256 signature")
    r, s = (int.from_bytes(passport.signature[at : at + _HALF], "big") for at in (0, _HALF))
    try:
        key.verify(utils.encode_dss_signature(r, s), passport.signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise BadIdentity(438, "the signature is not of this key") from None


def _info(text: str) -> str:
    """The certificate's address among the parameters; it stands in angle brackets (RFC 8224 section 4)."""
    try:
        parts = [part.partition("=") for part in split(text, ";") if part]
    except MalformedMessage:
        raise BadIdentity(436, "unreadable parameters") from None
    found = {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}
    info = found.get("info", "")
    if not (info.startswith("<") and info.endswith(">")):
        raise BadIdentity(436, "no info")
    if found.get("alg", "ES256") != "ES256" or found.get("ppt", "shaken") != "shaken":
        raise BadIdentity(437, "alg is not ES256, or ppt not shaken")
    return info[1:-1]


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _pack(value: object) -> str:
    return _encode(msgspec.json.encode(value, order="sorted"))


def _unpack(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(_decode(text), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadIdentity(438, f"unreadable {kind.__name__.lower()}") from None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    if _BASE64.fullmatch(text) is None:
        raise BadIdentity(438, "not base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise BadIdentity(438, "not base64url") from None
