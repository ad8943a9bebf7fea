"""One request of a dialog at a time: over UDP a later CSeq may overtake an earlier one, which is then refused with 500.

A peer that ignores a request holds up the next for PATIENCE, not for the 64*T1 that the transaction goes on trying.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from callactors.sip.deadlines import Action, Timer, Timers

MAX_TURNS = 32  # waiting
PATIENCE = 4.0  # seconds

Start = Callable[[float, Action], None]  # start(now, over): `over(now)` ends the turn


class Turns:
    """Who speaks now, and who waits."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._waiting: deque[tuple[Start, float | None]] = deque()
        self._turn = 0  # the number of the last turn begun
        self._busy = False
        self._limit: Timer | None = None

    def take(self, start: Start, now: float, patience: float | None = PATIENCE) -> None:
        """Call `start` when it is its turn, which ends by `over`, or after `patience` seconds; None for no limit."""
        if not self._busy:
            self._begin(start, now, patience)
        elif len(self._waiting) < MAX_TURNS:
            self._waiting.append((start, patience))

    def clear(self) -> None:
        """Nobody speaks any more."""
        self._waiting.clear()

    def _begin(self, start: Start, now: float, patience: float | None) -> None:
        self._busy = True
        self._turn += 1
        turn = self._turn
        if patience is not None:
            self._limit = self._timers.at(now + patience, lambda now: self._over(turn, now))
        start(now, lambda now: self._over(turn, now))

    def _over(self, turn: int, now: float) -> None:
        if turn != self._turn or not self._busy:
            return
        self._busy = False
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if self._waiting:
            self._begin(self._waiting[0][0], now, self._waiting.popleft()[1])
