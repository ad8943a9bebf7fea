"""How much a trunk takes: channels in both directions, and calls a second, by a token bucket. `now` is an argument.

How many channels are in use is asked of whoever knows (the SIP endpoint): nothing here can leak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import inf

import attrs


@attrs.frozen
class Cap:
    """One trunk's limits; None is none."""

    channels: int | None = None
    cps: float | None = None


@attrs.define
class _Bucket:
    """Tokens come back at `rate` a second, up to one second's worth, and at least to one."""

    rate: float
    tokens: float
    at: float

    def fill(self, now: float) -> None:
        self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.at) * self.rate)
        self.at = now


class Limits:
    """Every trunk's limits, for calls we get and calls we place. `used(trunk)` is how many calls go on there."""

    def __init__(self, caps: Mapping[str, Cap], used: Callable[[str], int]) -> None:
        self._caps, self._used = caps, used
        self._buckets: dict[str, _Bucket] = {}
        self._coming: Counter[str] = Counter()  # let in, and not yet among the used

    def wait(self, trunk: str, now: float, *, counted: int = 0) -> float:
        """Seconds until a call may begin there: 0 at once, inf when no channel is free.

        `counted` is 1 for a call that `used` counts already: an INVITE we have got.
        """
        cap = self._caps.get(trunk, Cap())
        if cap.channels is not None and self._used(trunk) - counted + self._coming[trunk] >= cap.channels:
            return inf
        if cap.cps is None:
            return 0.0
        bucket = self._bucket(trunk, cap.cps, now)
        return 0.0 if bucket.tokens >= 1 else (1 - bucket.tokens) / cap.cps if cap.cps else inf

    def take(self, trunk: str, now: float, *, counted: int = 0) -> bool:
        """Let a call begin, if it may. One we place is `begun` as soon as its INVITE has left, or will not leave."""
        if self.wait(trunk, now, counted=counted) > 0:
            return False
        bucket = self._buckets.get(trunk)
        if bucket is not None:
            bucket.tokens -= 1
        if not counted:
            self._coming[trunk] += 1
        return True

    def begun(self, trunk: str) -> None:
        """The call that `take` let in is counted by `used` from here on, or came to nothing."""
        self._coming[trunk] -= 1

    def _bucket(self, trunk: str, rate: float, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(trunk, _Bucket(rate, max(1.0, rate), now))
        bucket.fill(now)
        return bucket
