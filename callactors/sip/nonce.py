"""Nonces of ours: time, randomness and an HMAC over both and whom they are for (RFC 7616 section 5.4).

- Whoever only asks costs no memory: a nonce proves itself. Only one that was used well is remembered, with its count.
- A count must grow; a nonce older than LIFETIME, or as old as the oldest we had to forget, is stale.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from random import Random

LIFETIME = 60.0  # seconds
MAX_USED = 10_000


class Nonces:
    """Makes them, knows its own again, and never takes one count twice."""

    def __init__(self, key: bytes, random: Random, *, lifetime: float = LIFETIME, size: int = MAX_USED) -> None:
        self._key, self._random, self._lifetime, self._size = key, random, lifetime, size
        self._used: OrderedDict[str, tuple[float, int]] = OrderedDict()  # nonce: when made, highest count
        self._forgotten = float("-inf")  # no nonce made until then is taken any more

    def make(self, audience: str, now: float) -> str:
        """A nonce nobody has seen, for `audience` (a trunk's name or a host)."""
        body = f"{round(now * 1000):x}.{self._random.getrandbits(64):016x}"
        return f"{body}.{self._mac(body, audience)}"

    def fresh(self, nonce: str, audience: str, now: float) -> bool:
        """Whether we made it, for this audience, lately enough."""
        body, _, mac = nonce.rpartition(".")
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(body, audience).encode()):
            return False
        made = _made(body)
        return self._forgotten < made and now - self._lifetime <= made

    def use(self, nonce: str, count: int, now: float) -> bool:
        """Take one use of a fresh nonce; False when this count, or a higher one, was taken already."""
        self._forget(now)
        made, last = self._used.get(nonce, (_made(nonce.rpartition(".")[0]), 0))
        if count <= last:
            return False
        self._used[nonce] = made, count
        if len(self._used) > self._size:
            self._forgotten = max(self._forgotten, self._used.popitem(last=False)[1][0])
        return True

    def _forget(self, now: float) -> None:
        while self._used and next(iter(self._used.values()))[0] < now - self._lifetime:
            self._used.popitem(last=False)

    def _mac(self, body: str, audience: str) -> str:
        text = f"{body}|{audience}".encode("utf-8", "replace")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:32]


def _made(body: str) -> float:
    return int(body.partition(".")[0], 16) / 1000
