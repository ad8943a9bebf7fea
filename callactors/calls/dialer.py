"""Dialling: the ways to somebody, tried one after another until one is answered or somebody has said no.

- What to try is routing's and sip/locate's matter, when to stop routing/failover's; this file owns the deadlines.
- SILENT seconds without any response at all: the neighbour is dead. PROGRESS seconds without a 18x: its network is.
  Once it rings, `timers.no_answer`; over everything, `timers.setup_total` or what Wanted says.
- An address whose breaker is open comes last, after every healthy one; a trunk that is full is passed over.
- Emergency calls ask nobody's leave: no permit, channels, calls per second or breaker stops them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol

import attrs
import msgspec
import trio

from callactors.calls.ways import Locate, Nowhere, WayFinder
from callactors.config import Config
from callactors.config.trunk_schema import Probe
from callactors.routing.breaker import Breakers, Patience
from callactors.routing.cause import Cause
from callactors.routing.failover import blames_trunk, elsewhere, verdict
from callactors.routing.limits import Cap, Limits
from callactors.routing.route import Choice
from callactors.routing.way import Tried, Wanted, Way

SILENT = 4.0  # seconds until any response; 100 comes within 0.2 s from whoever is alive (RFC 3261 section 17.2.1)
PROGRESS = 20.0  # seconds until a 18x: the slowest international routes need 15
QUEUE = 2.0  # seconds a call waits for its turn among a trunk's calls per second
FULL = "it is at its channels or calls per second"
BRIDGED = frozenset({"bridge", "emergency"})  # a person, not our agent, hears the early media


class PlacedLeg(Protocol):
    """A leg whose INVITE has left."""

    @property
    def tried(self) -> Tried:
        """How the try stands: `rang` and `heard` are true as soon as they are."""

    @property
    def rang_at(self) -> float | None:
        """When the first 18x came, by trio.current_time()."""

    @property
    def trying(self) -> bool:
        """Whether any response has come, 100 Trying too."""

    async def wait_settled(self) -> Tried:
        """Until it is answered or has failed."""

    def hang_up(self, cause: Cause) -> None:
        """CANCEL or BYE: synchronous, idempotent."""


@attrs.frozen
class Reached:
    """It was answered, this way. `tried` are the tries before."""

    leg: PlacedLeg
    way: Way
    tried: tuple[Tried, ...] = ()


@attrs.frozen
class Unreached:
    """Nobody answered. `cause` is for the record; `tried` is everything that was tried, in order."""

    cause: Cause
    tried: tuple[Tried, ...] = ()


Start = Callable[[Way], Awaitable[PlacedLeg]]
Ended = Callable[[PlacedLeg | None, Tried], None]


class Dialer:
    """One for the process: it knows how the trunks have been doing."""

    def __init__(
        self,
        config: Config,
        resolver: Locate,
        random: Random,
        *,
        used: Callable[[str], int] = lambda trunk: 0,
        dress: Callable[[Wanted, Way], Way] = lambda wanted, way: way,
    ) -> None:
        """`used` is how many calls go on at a trunk; `dress` finishes a Way just before its INVITE (a signature)."""
        trunks = config.trunks.items()
        self.finder = WayFinder(config, resolver, random)
        self.limits = Limits(caps(config), used)
        self.breakers = Breakers({name: _patience(trunk.probe) for name, trunk in trunks if trunk.probe}, random)
        self.config, self.resolver, self.dress = config, resolver, dress

    async def dial(self, wanted: Wanted, start: Start, ended: Ended) -> Reached | Unreached:
        """Reach somebody.

        `start` sends one INVITE and returns its leg; `ended` is told of every try that came to nothing, in order, with
        None for a leg that never was. Cancelled, it hangs up the leg that was on its way. What `start` raises goes on.
        """
        total = self.config.timers.setup_total if wanted.within is None else wanted.within
        attempt = _Attempt(self, wanted, start, ended, trio.current_time() + total)
        try:
            return await attempt.run()
        except Nowhere as nowhere:
            return Unreached(nowhere.cause, tuple(attempt.tried))


@attrs.define
class _Attempt:
    """One `dial`."""

    dialer: Dialer
    wanted: Wanted
    start: Start
    ended: Ended
    deadline: float
    tried: list[Tried] = attrs.Factory(list)
    postponed: list[tuple[Choice, Way]] = attrs.Factory(list)  # their breakers are open
    done: set[str] = attrs.Factory(set)  # trunks whose other addresses would say the same

    async def run(self) -> Reached | Unreached:
        for choice in self.dialer.finder.trunks(self.wanted):
            for way in await self._ways(choice):
                over = await self._by(choice, way)
                if over is not None:
                    return over
        for choice, way in self.postponed:
            over = await self._by(choice, way, last=True)
            if over is not None:
                return over
        full = self.tried and all(tried.reason == FULL for tried in self.tried)
        return Unreached(Cause.TRUNK_FULL if full else Cause.UNREACHED, tuple(self.tried))

    async def _by(self, choice: Choice, way: Way, *, last: bool = False) -> Reached | Unreached | None:
        """One way, if it is its turn; None when the next one's has come. A call that is over takes no way any more."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if way.trunk in self.done:
            return None
        if not (last or self._healthy(way)):
            self.postponed.append((choice, way))
            return None
        leg, tried = await self._try_both(choice, way)
        outcome = verdict(tried, bridged=self._bridged)
        if outcome == "answered" and leg is not None:
            return Reached(leg, tried.way, tuple(self.tried))
        if outcome == "person":
            return Unreached(cause_of(tried), tuple(self.tried))
        if self._late():
            return Unreached(Cause.UNREACHED, tuple(self.tried))
        if not elsewhere(tried):
            self.done.add(way.trunk)
        return None

    def _healthy(self, way: Way) -> bool:
        return self._emergency or self.dialer.breakers.allows(way.trunk, way.hop, trio.current_time())

    async def _ways(self, choice: Choice) -> list[Way]:
        ways: list[Way] = []
        with trio.move_on_at(self.deadline):
            ways = await self.dialer.finder.ways(self.wanted, choice)
        if not ways:
            self._skip(choice, "its address cannot be found")
        return ways

    def _skip(self, choice: Choice, reason: str) -> Tried:
        way = self.dialer.finder.nowhere(self.wanted, choice)
        tried = Tried(way=way, transport_failed=True, reason=reason)
        self._lost(None, tried)
        return tried

    def _late(self) -> bool:
        return trio.current_time() >= self.deadline

    @property
    def _bridged(self) -> bool:
        return self.wanted.purpose in BRIDGED

    @property
    def _emergency(self) -> bool:
        return self.wanted.purpose == "emergency"

    async def _try_both(self, choice: Choice, way: Way) -> tuple[PlacedLeg | None, Tried]:
        """The way, and again with a plainer offer where that may help: first without SRTP, if it is only preferred."""
        leg, tried = await self._try(choice, way)
        if not way.clear and self.dialer.config.trunks[way.trunk].srtp == "prefer" and self._wants_plainer(tried):
            leg, tried = await self._try(choice, msgspec.structs.replace(way, clear=True))
        if self._wants_plainer(tried):
            leg, tried = await self._try(choice, msgspec.structs.replace(tried.way, plainer=True))
        return leg, tried

    def _wants_plainer(self, tried: Tried) -> bool:
        return verdict(tried, bridged=self._bridged) == "plainer"

    async def _try(self, choice: Choice, way: Way) -> tuple[PlacedLeg | None, Tried]:
        """One INVITE, where the trunk has room for it; its breaker hears how it went."""
        failed, rest = None, None
        try:
            if not await self._room(way.trunk):
                self.done.add(way.trunk)
                return None, self._skip(choice, FULL)
            leg, tried = await self._invite(way)
            failed, rest = blames_trunk(tried), tried.rest
        finally:
            self.dialer.breakers.report(way.trunk, way.hop, failed, trio.current_time(), rest)
        if not tried.answered:
            self._lost(leg, tried)
        return leg, tried

    async def _room(self, trunk: str) -> bool:
        """Whether the trunk takes a call, waiting its turn for a little while."""
        limits, patience = self.dialer.limits, min(self.deadline, trio.current_time() + QUEUE)
        if self._emergency:
            return True
        while not limits.take(trunk, now := trio.current_time()):
            turn = now + limits.wait(trunk, now)
            if turn > patience:
                return False
            await trio.sleep_until(max(turn, now + 0.01))
        return True

    async def _invite(self, way: Way) -> tuple[PlacedLeg, Tried]:
        try:
            leg = await self.start(self.dialer.dress(self.wanted, way))
        finally:
            if not self._emergency:
                self.dialer.limits.begun(way.trunk)
        tried: Tried | None = None
        try:
            tried = await self._settle(leg)
        finally:
            if tried is None:
                leg.hang_up(Cause.CANCELLED)
        return leg, tried

    async def _settle(self, leg: PlacedLeg) -> Tried:
        """Wait as long as the try is worth; how far it has come is asked again whenever that has passed."""
        began = trio.current_time()
        while (until := self._until(leg, began)) > trio.current_time():
            with trio.move_on_at(until):
                return await leg.wait_settled()
        return self._give_up(leg)

    def _until(self, leg: PlacedLeg, began: float) -> float:
        if leg.rang_at is not None:
            return min(self.deadline, leg.rang_at + self.dialer.config.timers.no_answer)
        return min(self.deadline, began + (PROGRESS if leg.trying else SILENT))

    def _give_up(self, leg: PlacedLeg) -> Tried:
        if leg.tried.answered:
            return leg.tried
        tried = msgspec.structs.replace(leg.tried, reason=leg.tried.reason or "no answer in time")
        leg.hang_up(Cause.NOT_ANSWERED)
        return tried

    def _lost(self, leg: PlacedLeg | None, tried: Tried) -> None:
        self.tried.append(tried)
        self.ended(leg, tried)


def caps(config: Config) -> dict[str, Cap]:
    """What every trunk takes."""
    return {name: Cap(trunk.channels, trunk.cps) for name, trunk in config.trunks.items()}


def _patience(probe: Probe) -> Patience:
    return Patience(probe.fail, probe.of, probe.every)


def cause_of(tried: Tried) -> Cause:
    """What the record says of the last word."""
    if tried.q850 == 17 or tried.status in (486, 600):
        return Cause.BUSY
    if tried.q850 == 21 or tried.status == 603:
        return Cause.DECLINED
    if tried.q850 in (18, 19) or (tried.rang and tried.status != 488):  # whose media we cannot take did answer
        return Cause.NOT_ANSWERED
    return Cause.REFUSED
