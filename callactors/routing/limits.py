"""How much a trunk takes: channels in both directions, and calls a second, by a token bucket. `now` is an argument.

How many channels are in use is asked of whoever knows (the SIP endpoint): nothing here can leak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import inf

import attrs

from callactors.sip.rate import Bucket, Rate


@attrs.frozen
class Cap:
    """One trunk's limits; None is none."""

    channels: int | None = None
    cps: float | None = None


class Limits:
    """Every trunk's limits, for calls we get and calls we place. `used(trunk)` is how many calls go on there."""

    def __init__(self, caps: Mapping[str, Cap], used: Callable[[str], int]) -> None:
        self._caps, self._used = caps, used
        self._buckets: dict[str, Bucket] = {}
        self._coming: Counter[str] = Counter()  # let in, and not yet among the used

    def wait(self, trunk: str, now: float, *, counted: int = 0) -> float:
        """Seconds until a call may begin there: 0 at once, inf when no channel is free.

        `counted` is 1 for a call that `used` counts already: an INVITE we have got.
        """
        cap = self._caps.get(trunk, Cap())
        if cap.channels is not None and self._used(trunk) - counted + self._coming[trunk] >= cap.channels:
            return inf
        return 0.0 if cap.cps is None else self._bucket(trunk, cap.cps, now).wait(now)

    def take(self, trunk: str, now: float, *, counted: int = 0) -> bool:
        """Let a call begin, if it may. One we place is `begun` as soon as its INVITE has left, or will not leave."""
        if self.wait(trunk, now, counted=counted) > 0:
            return False
        cps = self._caps.get(trunk, Cap()).cps
        if cps is not None:
            self._bucket(trunk, cps, now).take(now)
        if not counted:
            self._coming[trunk] += 1
        return True

    def begun(self, trunk: str) -> None:
        """The call that `take` let in is counted by `used` from here on, or came to nothing."""
        self._coming[trunk] -= 1

    def _bucket(self, trunk: str, cps: float, now: float) -> Bucket:
        """One second's worth at once, and at least one call."""
        return self._buckets.setdefault(trunk, Bucket(Rate(cps, max(1.0, cps)), now))
