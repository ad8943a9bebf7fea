"""One call's way to the person it is for: the tries, each a row of its record, until one is answered; and one redial.

- Every try has a leg number of its own, which is its row in `attempts`: on disk before its INVITE leaves.
- Legs that are only being tried tell the desk like any other; what they say is ours (`aside`), not the conversation's.
- A redial keeps the conversation: the model's session lives on while the next trunk rings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from callactors.actors.messages import By, CallAnswered, CallEnded, CallRinging, DialogMoved, LegEnded, Message
from callactors.actors.sip_leg import SipLeg
from callactors.calls.dialer import Dialer, PlacedLeg, Reached, Unreached
from callactors.errors import LedgerBroken, PortsExhausted
from callactors.meters.log import log
from callactors.routing.cause import Cause
from callactors.routing.way import Tried, Wanted, Way

if TYPE_CHECKING:
    from callactors.calls.call import Call

OURS = frozenset(
    {Cause.NOT_PERMITTED, Cause.CALLER_ID, Cause.TRUNK_FULL, Cause.NO_ROUTE, Cause.OVERLOAD, Cause.MODEL_DOWN}
)
PERSON = frozenset({Cause.BUSY, Cause.DECLINED, Cause.NOT_ANSWERED})


@attrs.define(eq=False)
class Dialling:
    """Dials for one call. `make_leg` opens a leg for (number, way); it raises PortsExhausted."""

    wanted: Wanted
    dialer: Dialer
    make_leg: Callable[[int, Way], SipLeg]
    way: Way | None = attrs.field(default=None, init=False)  # by which it was answered
    redialled: bool = attrs.field(default=False, init=False)
    _over: dict[int, LegEnded] = attrs.field(factory=dict, init=False)  # of legs not (yet) spoken on

    async def run(self, call: Call) -> None:
        """Dial, and put the answered leg on the call's line; otherwise the desk is told how the call ends."""
        ended = await self._dial(call, self.wanted)
        if ended is not None:
            await call.boxes.desk.send(ended)

    async def again(self, call: Call) -> None:
        """Once more, by another trunk than the one that fell silent. Nobody there: the call ends by the silence."""
        assert self.way is not None  # it was answered once
        self.redialled = True
        avoid = (*self.wanted.avoid, self.way.trunk)
        wanted = msgspec.structs.replace(self.wanted, purpose="redial", avoid=avoid)
        ended = await self._dial(call, wanted)
        if ended is not None:
            await call.boxes.desk.send(CallEnded(at=trio.current_time(), cause=Cause.RTP_SILENCE, by="us"))

    def aside(self, call: Call, message: Message) -> None:
        """What a leg says that the call does not speak on."""
        match message:
            case CallRinging():
                self._rings(call, message)
            case DialogMoved():
                call.record.moved(message.facts, message.leg)
            case LegEnded():
                self._over[message.leg] = message

    async def _dial(self, call: Call, wanted: Wanted) -> CallEnded | None:
        """None once somebody is on the line."""
        try:
            done = await self.dialer.dial(wanted, partial(self._start, call), partial(self._ended, call))
            if isinstance(done, Reached):
                await self._answered(call, done)
                return None
        except PortsExhausted as error:
            call.record.event("not_dialled", error=str(error))
            done = Unreached(Cause.OVERLOAD)
        except LedgerBroken as error:
            log().error("ledger.broken", call=call.id, error=str(error))
            done = Unreached(Cause.OVERLOAD)
        return CallEnded(at=trio.current_time(), cause=done.cause, by=who_ended(done.cause))

    async def _start(self, call: Call, way: Way) -> PlacedLeg:
        number = call.next_leg()
        call.terms.tell("dialling", leg=number, trunk=way.trunk, hop=str(way.hop), plainer=way.plainer)
        await call.record.dialling(number, way)
        leg = self.make_leg(number, way)
        await call.run_leg(leg)
        if leg.tried.status is None:  # it left
            call.record.placed(number, leg.facts)
        return leg

    def _ended(self, call: Call, leg: PlacedLeg | None, tried: Tried) -> None:
        """A try came to nothing: its row is closed, its nursery cancelled."""
        number = leg.number if isinstance(leg, SipLeg) else call.next_leg()
        call.record.tried(number, tried)
        call.terms.tell(
            "tried", leg=number, trunk=tried.way.trunk, sip_code=tried.status, q850=tried.q850, reason=tried.reason
        )
        if isinstance(leg, SipLeg):
            call.drop_leg(leg, Cause.NOT_ANSWERED)

    async def _answered(self, call: Call, reached: Reached) -> None:
        """Durable before the conversation begins. It may be over already: then that is said right behind."""
        leg = reached.leg
        assert isinstance(leg, SipLeg)  # of our own making
        assert leg.agreement is not None  # it was answered
        self.way = reached.way
        try:
            await call.record.reached(leg.number, leg.facts)
        except LedgerBroken:
            call.drop_leg(leg, Cause.OVERLOAD)
            raise
        call.line.adopt(leg)
        desk = call.boxes.desk
        await desk.send(CallAnswered(at=trio.current_time(), leg=leg.number, codec=leg.agreement.codec))
        if leg.number in self._over:
            await desk.send(self._over[leg.number])

    def _rings(self, call: Call, message: CallRinging) -> None:
        leg = call.running.get(message.leg)
        if leg is not None and message.status >= 180:
            call.record.ringing(message.leg, leg.facts)
            call.terms.tell("rings", leg=message.leg, status=message.status, early_media=message.early_media)


def who_ended(cause: Cause) -> By:
    """Whose word it was that a call of ours was not answered."""
    if cause in PERSON:
        return "far_end"
    return "us" if cause in OURS else "carrier"
