"""How often one caller may call: so many calls a minute, of those who show a number each, of the others together.

`now` is an argument. The table is bounded: who called longest ago is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict, deque

MINUTE = 60.0
MOST = 10_000  # callers remembered


class Callers:
    """Calls of the last minute, by caller. `limit` None is no limit. A name is anything: trunk and number, say."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, caller: str, now: float) -> bool:
        """Count a call; whether it may be taken. One that may not is counted too: trying on makes nobody welcome."""
        if self._limit is None:
            return True
        calls = self._calls.setdefault(caller, deque(maxlen=self._limit + 1))
        self._calls.move_to_end(caller)
        if len(self._calls) > MOST:
            self._calls.popitem(last=False)
        while calls and calls[0] <= now - MINUTE:
            calls.popleft()
        calls.append(now)
        return len(calls) <= self._limit

    def __len__(self) -> int:
        return len(self._calls)
