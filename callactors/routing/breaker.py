"""Circuit breakers: an address of a trunk that fails is left alone for a while, then tried with one call.

    closed --`fail` of the last `of` failed--> open --rest, with jitter--> half-open --one success--> closed
                                                 ^-----------one failure, rest doubled-----'
Fed by real calls and by OPTIONS probes. Whoever says how long (503 with Retry-After, RFC 3261 section 21.5.4) opens it
at once, for as long as that, LONGEST at the most. `now` and randomness are arguments.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from random import Random
from typing import Literal

import attrs

from callactors.sip.address import Hop

State = Literal["closed", "open", "half_open"]
LONGEST = 300.0  # seconds of rest
MOST = 1_000  # addresses remembered
JITTER = 0.2  # of a rest, either way: the nodes of a cluster do not all try at once


@attrs.define
class Breaker:
    """One address."""

    fail: int
    of: int
    every: float  # seconds of the first rest
    recent: deque[bool] = attrs.field(init=False)  # True: it failed
    until: float | None = attrs.field(default=None, init=False)  # the end of the rest, while not closed
    rest: float = attrs.field(init=False)
    trying: bool = attrs.field(default=False, init=False)  # the one call of half-open is out

    def __attrs_post_init__(self) -> None:
        self.recent, self.rest = deque(maxlen=self.of), self.every

    def state(self, now: float) -> State:
        if self.until is None:
            return "closed"
        return "open" if now < self.until else "half_open"

    def allows(self, now: float) -> bool:
        """Whether a call may go there. In half-open the first to ask may, and owes a `report`."""
        state = self.state(now)
        if state != "half_open":
            return state == "closed"
        allowed, self.trying = not self.trying, True
        return allowed

    def report(self, failed: bool | None, now: float, random: Random, rest: float | None = None) -> None:
        """How it went: True it failed, False it did well, None nobody can tell. `rest`: it asks for such a pause."""
        self.trying = False
        if failed is None:
            return
        if not failed:
            self._mend()
        elif rest:
            self.until = max(self.until or now, now + min(LONGEST, rest))
        elif self.until is not None:
            self.rest = min(LONGEST, self.rest * 2) if self.state(now) == "half_open" else self.rest
            self._trip(now, random)
        else:
            self.recent.append(True)
            if sum(self.recent) >= self.fail:
                self._trip(now, random)

    def _mend(self) -> None:
        if self.until is None:
            self.recent.append(False)
        else:
            self.recent.clear()
            self.until, self.rest = None, self.every

    def _trip(self, now: float, random: Random) -> None:
        self.until = now + self.rest * random.uniform(1 - JITTER, 1 + JITTER)


@attrs.frozen
class Patience:
    """Down after `fail` of the last `of` failed; asked again after `every` seconds, then ever later."""

    fail: int = 3
    of: int = 5
    every: float = 30.0


class Breakers:
    """Every address of every trunk that has been asked anything."""

    def __init__(self, patience: Mapping[str, Patience], random: Random) -> None:
        """`patience` is by trunk; Patience's defaults where it says nothing."""
        self._patience, self._random = patience, random
        self._known: OrderedDict[tuple[str, str, int, str], Breaker] = OrderedDict()

    def allows(self, trunk: str, hop: Hop, now: float) -> bool:
        """Whether a call may go there now."""
        return self._of(trunk, hop).allows(now)

    def report(self, trunk: str, hop: Hop, failed: bool | None, now: float, rest: float | None = None) -> None:
        """What a call or a probe has shown; `rest` is how many seconds it asked to be left alone (Retry-After)."""
        self._of(trunk, hop).report(failed, now, self._random, rest)

    def state(self, trunk: str, hop: Hop, now: float) -> State:
        return self._of(trunk, hop).state(now)

    def _of(self, trunk: str, hop: Hop) -> Breaker:
        key = trunk, hop.host, hop.port, hop.transport
        if key not in self._known:
            patience = self._patience.get(trunk, Patience())
            self._known[key] = Breaker(patience.fail, patience.of, patience.every)
        self._known.move_to_end(key)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return self._known[key]
