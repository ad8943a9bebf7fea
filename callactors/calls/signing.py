"""Signs the calls we place (RFC 8224, 8588): a Way of a trunk with `identity.sign` gets Date and Identity.

Only numbers of the trunk's `caller_ids` are signed for: what we may not show, we do not vouch for either.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from uuid import UUID

import attrs
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from callactors.config import Config
from callactors.config.trunk_schema import Identity
from callactors.errors import Unusable
from callactors.routing.way import Wanted, Way
from callactors.sip.identity import Attest, date_header, number_of, sign


@attrs.frozen
class Pen:
    """What one trunk's calls are signed with."""

    key: ec.EllipticCurvePrivateKey
    x5u: str
    attest: Attest
    origid: str
    may: frozenset[str]  # canonical numbers


@attrs.frozen
class Signing:
    """`dress` of the dialer. `wall()` is seconds since 1970."""

    pens: dict[str, Pen]
    wall: Callable[[], float]

    @classmethod
    def load(cls, config: Config, random: Random, wall: Callable[[], float]) -> Signing:
        """Reads key files. Raises Unusable."""
        pens: dict[str, Pen] = {}
        for name, trunk in config.trunks.items():
            settings = trunk.identity
            if settings is not None and settings.sign is not None:
                origid = str(UUID(int=random.getrandbits(128), version=4))
                may = frozenset(number.lstrip("+") for number in trunk.caller_ids)
                pens[name] = Pen(_key(name, settings), settings.certificate_url or "", settings.sign, origid, may)
        return cls(pens, wall)

    def dress(self, wanted: Wanted, way: Way) -> Way:
        """The same Way, signed where its trunk signs and both ends are numbers."""
        pen = self.pens.get(way.trunk)
        orig, dest = number_of(way.caller.uri), number_of(way.uri)
        if pen is None or orig not in pen.may or not dest:
            return way
        now = self.wall()
        token = sign(
            pen.key, x5u=pen.x5u, attest=pen.attest, orig=orig, dest=dest, iat=int(now), origid=pen.origid
        )  # fmt: skip
        headers = (*way.headers, ("Date", date_header(now)), ("Identity", token))
        return msgspec.structs.replace(way, headers=headers)


def _key(trunk: str, settings: Identity) -> ec.EllipticCurvePrivateKey:
    path = settings.key or ""
    try:
        key = load_pem_private_key(Path(path).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Unusable(f"trunks.{trunk}.identity.key: {path} cannot be used: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unusable(f"trunks.{trunk}.identity.key: {path} is not a P-256 key; ES256 needs one")
    return key
