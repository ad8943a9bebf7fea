"""When a recording is silent: spans of trio's clock, each begun by the first reason and ended with the last one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs

GUARD = 0.06  # seconds a span is longer at either end: a batch is told that much after it was heard


@attrs.define
class Muting:
    """`spans` are (from, to) in seconds; the last one may be open (inf)."""

    spans: list[tuple[float, float]] = attrs.field(factory=list, init=False)
    _reasons: set[str] = attrs.field(factory=set, init=False)

    def pause(self, reason: str, at: float) -> None:
        if not self._reasons:
            self.spans.append((at, math.inf))
        self._reasons.add(reason)

    def resume(self, reason: str, at: float) -> bool:
        """Whether there was such a pause, and now it is over."""
        if reason not in self._reasons:
            return False
        self._reasons.discard(reason)
        if not self._reasons:
            self.spans[-1] = (self.spans[-1][0], at)
        return True

    def places(self, epoch: float, rate: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The spans as places of a reel whose place 0 was at `epoch`, as far as they lie in [first, last)."""
        for begin, end in self.spans:
            begins = max(first, _place(begin - GUARD - epoch, rate, first))
            ends = min(last, _place(end + GUARD - epoch, rate, last))
            if begins < ends:
                yield begins, ends


def _place(seconds: float, rate: int, otherwise: int) -> int:
    return round(seconds * rate) if math.isfinite(seconds) else otherwise
