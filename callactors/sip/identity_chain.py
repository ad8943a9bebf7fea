"""From a STIR certificate to an anchor we trust, and for which numbers it may sign (RFC 8226, RFC 5280 section 6).

- An anchor is trusted because its operator's file has it, and for nothing but being there: it must be valid too.
- What is not understood and critical is refused; only P-256 signs calls (RFC 8224 section 4).
- Time is the wall clock, an argument. Revocation lists are not fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from callactors.errors import BadIdentity
from callactors.sip import tn_auth_list

MAX_CHAIN = 6  # certificates, leaf and anchor included
_KNOWN = {
    x509.OID_BASIC_CONSTRAINTS,
    x509.OID_KEY_USAGE,
    x509.OID_EXTENDED_KEY_USAGE,
    x509.OID_SUBJECT_ALTERNATIVE_NAME,
    x509.OID_CERTIFICATE_POLICIES,
    x509.ObjectIdentifier(tn_auth_list.OID),
}

Kind = TypeVar("Kind", bound=x509.ExtensionType)
Certificates = Sequence[x509.Certificate]


def read_pem(data: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM text, the signer's first. Raises BadIdentity(437)."""
    try:
        found = x509.load_pem_x509_certificates(data)
    except ValueError:
        raise BadIdentity(437, "unreadable certificate") from None
    if len(found) > MAX_CHAIN:
        raise BadIdentity(437, "too many certificates")
    return tuple(found)


def signing_key(chain: Certificates, anchors: Certificates, number: str, wall: float) -> ec.EllipticCurvePublicKey:
    """The key of `chain[0]`, when it leads to an anchor and may sign for `number`. Raises BadIdentity(437)."""
    leaf, now = chain[0], datetime.fromtimestamp(wall, UTC)
    _follow(leaf, chain[1:], anchors, now)
    try:
        key = leaf.public_key()
        usage = _extension(leaf, x509.KeyUsage)
    except (ValueError, UnsupportedAlgorithm):
        raise BadIdentity(437, "unreadable certificate") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadIdentity(437, "not a P-256 key")
    if usage is not None and not usage.digital_signature:
        raise BadIdentity(437, "a certificate that may not sign")
    if not _tn_auth_list(leaf).covers(number):
        raise BadIdentity(437, "a certificate for other numbers")
    return key


def _follow(leaf: x509.Certificate, between: Certificates, anchors: Certificates, now: datetime) -> None:
    """Walk from issuer to issuer until an anchor; each step shortens the list, so it ends."""
    current, left = leaf, list(between)
    for depth in range(MAX_CHAIN):
        _check_alone(current, now)
        if current in anchors:
            return
        issuer = next((one for one in [*anchors, *left] if _issued(current, one, depth)), None)
        if issuer is None:
            break
        left = [one for one in left if one != issuer]
        current = issuer
    raise BadIdentity(437, "no way to a certificate we trust")


def _issued(child: x509.Certificate, issuer: x509.Certificate, depth: int) -> bool:
    """Whether `issuer`, a CA that may have `depth` CAs below it, signed `child`."""
    try:
        constraints, usage = _extension(issuer, x509.BasicConstraints), _extension(issuer, x509.KeyUsage)
        if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
            return False
        if constraints.path_length is not None and constraints.path_length < depth:
            return False
        child.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.DuplicateExtension):
        return False
    return True


def _check_alone(one: x509.Certificate, now: datetime) -> None:
    if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
        raise BadIdentity(437, "a certificate that is not valid today")
    try:
        strange = [extension for extension in one.extensions if extension.critical and extension.oid not in _KNOWN]
    except (ValueError, x509.DuplicateExtension):
        raise BadIdentity(437, "unreadable certificate") from None
    if strange:
        raise BadIdentity(437, "a critical extension we do not know")


def _tn_auth_list(leaf: x509.Certificate) -> tn_auth_list.TnAuthList:
    for extension in leaf.extensions:
        if extension.oid.dotted_string == tn_auth_list.OID and isinstance(extension.value, x509.UnrecognizedExtension):
            return tn_auth_list.read(extension.value.value)
    raise BadIdentity(437, "no TNAuthList")


def _extension(
    one: x509.Certificate, kind: type[x509.extensions.ExtensionTypeVar]
) -> x509.extensions.ExtensionTypeVar | None:
    try:
        return one.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
