"""Time without a clock: a heap of deadlines for machines that are told `now`, and RFC 3261's way of repeating."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from callactors.sip.timers import T1, T2

LIFETIME = 64 * T1  # how long anything is tried

Action = Callable[[float], None]


def nothing(*_: object) -> None:
    """What a machine that is over calls back: it holds on to nobody, so that whoever held on to it is freed."""


class Timer:
    """One deadline; cancelling it twice or late is fine."""

    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        self.action = None


class Timers:
    """Deadlines of all machines of one endpoint."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    def at(self, when: float, action: Action) -> Timer:
        """Call `action(now)` from the first `expire` at or after `when`."""
        timer = Timer(action)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        return timer

    def next(self) -> float | None:
        """When `expire` is next needed."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def expire(self, now: float) -> None:
        """Run every action that is due, in order of time."""
        while (due := self.next()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            action, timer.action = timer.action, None
            if action is not None:
                action(now)


class Repeater:
    """Calls `send` after T1, then at doubling gaps no longer than `cap`, until stopped (timers A, E, G, a 2xx).

    A `silent` one never does: the transport repeats what is lost.
    """

    def __init__(
        self, timers: Timers, now: float, send: Callable[[], None], cap: float = T2, *, silent: bool = False
    ) -> None:
        self._timers, self._cap, self._gap = timers, cap, T1
        self._send: Callable[[], object] = send
        self._timer = Timer(self._again) if silent else timers.at(now + T1, self._again)

    def _again(self, now: float) -> None:
        self._send()
        self._gap = min(2 * self._gap, self._cap)
        self._timer = self._timers.at(now + self._gap, self._again)

    def slow_down(self) -> None:
        """From the next firing on, repeat every T2 (timer E once a provisional came, section 17.1.2.2)."""
        self._gap = T2

    def stop(self) -> None:
        self._timer.cancel()
        self._send = nothing
