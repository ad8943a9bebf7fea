"""A call for help: at once to the emergency trunk, with the caller's location, from leg to leg; no model hears of it.

- Nothing stands in its way: no limit, no drain, no permit, no ledger that is broken or slow, no breaker of a trunk.
- Without an emergency trunk, or when it takes the call no way, the caller is told what to do, and somebody is alarmed:
  a line of the log (critical), an event of the record, cause emergency_failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import By, CallerAudio, LegEnded, Message
from callactors.actors.parts.tape import Tape
from callactors.actors.sip_leg import SipLeg
from callactors.calls.announcement import close_record, speak
from callactors.calls.bridge import bridge
from callactors.calls.dialer import PlacedLeg, Reached, Unreached
from callactors.calls.outside import Outside
from callactors.calls.record import CallRecord
from callactors.errors import CallactorsError, DialogGone, LedgerBroken
from callactors.meters.log import log
from callactors.routing.cause import Cause
from callactors.routing.way import Tried, Wanted, Way

EVENTS = 64  # what a leg may say before anybody listens
WRITING = 0.5  # seconds a row may take to be on disk, before the call goes on without it


@attrs.define(eq=False)
class EmergencyCall:
    """One call for help. `number` is what to dial, `audio` what the caller is told if nobody can be reached."""

    leg: SipLeg
    record: CallRecord
    number: str
    wanted: Wanted | None  # None: there is no emergency trunk
    outside: Outside
    audio: bytes | None
    cause: Cause = Cause.EMERGENCY_FAILED
    by: By = "us"
    _legs: trio.Nursery | None = attrs.field(default=None, init=False)
    _dialled: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Until it has ended, whichever way. Raises nothing but what is cancelled."""
        try:
            async with trio.open_nursery() as legs:
                self._legs = legs
                await legs.start(self.leg.run)
                self.cause, self.by = await self._helped()
                self.leg.hang_up(self.cause)  # here: cancelled, the leg would end for a reason of its own
                legs.cancel_scope.cancel()
        finally:
            self.leg.hang_up(self.cause)
            close_record(self.record, self.leg, self.cause, self.by)

    async def _helped(self) -> tuple[Cause, By]:
        reached = await self._reach()
        if reached is None:
            return Cause.CANCELLED, "far_end"
        if isinstance(reached, str):
            return await self._alone(reached)
        await self._answer()
        ended = await bridge(self.leg, reached)
        return Cause.EMERGENCY, ended.by if ended.leg == self.leg.number else "carrier"

    # -- reaching help -------------------------------------------------------------------------------------------

    async def _reach(self) -> SipLeg | str | None:
        """The answered leg; why there is none; None when the caller has given up."""
        if self.wanted is None:
            return "no emergency trunk is configured"
        found: list[SipLeg | str] = []
        left = False
        async with trio.open_nursery() as race:
            race.start_soon(self._dial, self.wanted, found, race.cancel_scope)
            async for message in self.leg.events:
                if isinstance(message, LegEnded):
                    left = True
                    race.cancel_scope.cancel()
        if left and found and isinstance(found[0], SipLeg):
            found[0].hang_up(Cause.CANCELLED)
        return found[0] if found and not left else None

    async def _dial(self, wanted: Wanted, found: list[SipLeg | str], race: trio.CancelScope) -> None:
        try:
            done = await self.outside.dialer.dial(wanted, self._start, self._tried)
        except CallactorsError as error:  # ports, above all: nothing but words is left
            done, why = Unreached(Cause.OVERLOAD), str(error)
        else:
            why = done.cause.value if isinstance(done, Unreached) else ""
        if isinstance(done, Reached) and isinstance(done.leg, SipLeg):
            found.append(done.leg)
            self._note(done.leg.number, done.leg)
        else:
            found.append(why)
        race.cancel()

    async def _start(self, way: Way) -> PlacedLeg:
        assert self._legs is not None  # `run` has opened it
        self._dialled += 1
        number = self._dialled
        await self._written(partial(self.record.dialling, number, way))
        events: Mailbox[Message] = Mailbox(EVENTS)
        audio, tape = Mailbox[CallerAudio](1), Tape()
        config = self.outside.config
        leg = SipLeg.placed(
            number, way, config.trunk(way.trunk), self.outside.endpoint, self.outside.plane,
            advertise=config.listen.advertise, events=events, audio=audio, tape=tape,
        )  # fmt: skip
        await self._legs.start(leg.run)
        return leg

    def _tried(self, leg: PlacedLeg | None, tried: Tried) -> None:
        if leg is None:
            self._dialled += 1
        self.record.tried(leg.number if isinstance(leg, SipLeg) else self._dialled, tried)
        if isinstance(leg, SipLeg):
            leg.hang_up(Cause.NOT_ANSWERED)

    def _note(self, number: int, leg: SipLeg) -> None:
        try:
            self.record.moved(leg.facts, number)
        except DialogGone:  # it has gone again: bridging will find that out
            self.record.event("emergency_left", leg=number)

    # -- the caller ----------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        if not self.leg.ended:
            await self._written(partial(self.record.answering, self.leg.trunk.name, self.leg.facts))
        await self.leg.answer()

    async def _written(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write it down first, unless that takes longer than help may wait."""
        with trio.move_on_after(WRITING) as patience:
            try:
                await write()
            except LedgerBroken as error:
                log().error("ledger.broken", call=self.record.call, error=str(error))
        if patience.cancelled_caught:
            log().error("ledger.slow", call=self.record.call, seconds=WRITING)

    async def _alone(self, why: str) -> tuple[Cause, By]:
        """Nobody can be reached: say so to the caller, and to whoever keeps this house."""
        log().critical("emergency.not_connected", call=self.record.call, number=self.number, why=why)
        self.record.event("emergency_failed", number=self.number, why=why)
        if self.audio is None:
            return Cause.EMERGENCY_FAILED, "us"  # refused with its code, by hang_up
        await self._answer()
        stayed = await speak(self.leg, self.audio)
        return Cause.EMERGENCY_FAILED, "us" if stayed else "far_end"
