"""How often something may happen: a token bucket. `now` is an argument; a clock that steps back takes nothing away."""

from __future__ import annotations

from math import inf

import msgspec


class Rate(msgspec.Struct, frozen=True):
    """`per_second` in the long run, `burst` at once."""

    per_second: float
    burst: float


class Bucket:
    """What is left of one rate."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._tokens, self._at = rate, rate.burst, now

    def take(self, now: float) -> bool:
        """Whether one more fits; it is counted when it does."""
        if self.wait(now) > 0:
            return False
        self._tokens -= 1.0
        return True

    def left(self) -> tuple[float, float]:
        """Tokens, and when they were counted: what `restore` takes."""
        return self._tokens, self._at

    def restore(self, tokens: float, at: float) -> None:
        """Go on from what a bucket of the same rate had `left`."""
        self._tokens, self._at = tokens, at

    def wait(self, now: float) -> float:
        """Seconds until one more fits; 0 at once, inf for never."""
        rate = self._rate.per_second
        self._tokens = min(self._rate.burst, self._tokens + max(0.0, now - self._at) * rate)
        self._at = max(self._at, now)
        if self._tokens >= 1.0:
            return 0.0
        return (1.0 - self._tokens) / rate if rate else inf
