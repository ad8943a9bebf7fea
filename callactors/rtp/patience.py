"""How long a missing packet is waited for: as long as packets have lately been late, and no longer. Rules of this file:

- Nothing is held back in advance: what follows without a gap is heard at once, and only what lies behind a gap waits.
- The quickest packets of a stream come when they end on its timeline (receiver.py). What comes later than that is late.
- The worst of the last WINDOWS counts, from the moment it has come. What is later than MOST allows is no jitter: the
  source has paused, or its clock has jumped, and to wait would not have helped.
"""

from __future__ import annotations

HOLD = 640  # positions a missing piece is waited for at least, from where it begins
MOST = 1_920  # at most: 240 ms
MARGIN = 80  # a little longer than the last time
REORDER = 3  # packets that may overtake one at least
WINDOWS = 10  # of a second each, for packets of 20 ms


class Patience:
    """One stream's. `hold` is positions from the end of what was heard, and so from where the missing begins."""

    __slots__ = ("_before", "_recent", "_worst", "hold")

    def __init__(self) -> None:
        self.hold = HOLD
        self._recent = 0  # the latest one of this window
        self._before = [0] * WINDOWS  # the same of the windows before
        self._worst = 0

    def came(self, after: int) -> None:
        """A packet, so many positions after it began."""
        if self._recent < after <= MOST - MARGIN:
            self._recent = after
            self._wait_for(max(self._worst, after))

    def window_over(self, latest: int) -> None:
        """Another second has passed; `latest` is that of the latest packet, now that the quickest one is known."""
        self.came(latest)
        self._before = [*self._before[1:], self._recent]
        self._recent = 0
        self._wait_for(max(self._before))

    def overtaking(self, length: int) -> int:
        """How many packets of this length may come before a missing one."""
        return max(REORDER, -(-self._worst // length) - 1)

    def _wait_for(self, worst: int) -> None:
        self._worst = worst
        self.hold = HOLD if worst <= HOLD else min(worst + MARGIN, MOST)
