"""DNS for SIP: drives sip/locate."""

from __future__ import annotations

from random import Random

from callactors.sip.address import Hop
from callactors.sip.locate import locate
from callactors.sip.uri import SipUri


class Resolver:
    """Finds who serves a URI. Safe to share by every call of the process."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def hops(self, uri: SipUri) -> list[Hop]:
        """RFC 3263's order; empty when nobody can be found. Never raises for what DNS says or does not say."""
        search = locate(uri, self._random)
        try:
            next(search)
        except StopIteration as found:
            hops: list[Hop] = found.value
            return hops
        return []
