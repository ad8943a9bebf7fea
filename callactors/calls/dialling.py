"""One call's way to the person it is for, until they answer or nobody can be reached; and one redial.

- Dialling and its rows are calls/outside.py's; here is what an answer, or none, means for a call that we place.
- Legs that are only being tried tell the desk like any other; what they say is ours (`aside`), not the conversation's.
- A redial keeps the conversation: the model's session lives on while the next trunk rings.
"""

from __future__ import annotations

import attrs
import msgspec
import trio

from callactors.actors.messages import By, CallAnswered, CallEnded, LegEnded, Message
from callactors.actors.sip_leg import SipLeg
from callactors.calls.dialer import Unreached
from callactors.calls.living import Living
from callactors.calls.outside import Outside
from callactors.routing.cause import Cause
from callactors.routing.way import Wanted, Way

PERSON = frozenset({Cause.BUSY, Cause.DECLINED, Cause.NOT_ANSWERED})
CARRIER = frozenset({Cause.REFUSED, Cause.UNREACHED})


@attrs.define(eq=False)
class Dialling:
    """Dials for one call."""

    wanted: Wanted
    outside: Outside
    way: Way | None = attrs.field(default=None, init=False)  # by which it was answered
    redialled: bool = attrs.field(default=False, init=False)
    _over: dict[int, LegEnded] = attrs.field(factory=dict, init=False)  # of legs not (yet) spoken on

    async def run(self, call: Living) -> None:
        """Dial, and put the answered leg on the call's line; otherwise the desk is told how the call ends."""
        leg = await self.outside.reach(call, self.wanted, conversing=True)
        if isinstance(leg, Unreached):
            await _end(call, leg.cause, who_ended(leg.cause))
        else:
            await self._answered(call, leg)

    async def again(self, call: Living) -> None:
        """Once more, by another trunk than the one that fell silent. Nobody there: the call ends by the silence."""
        assert self.way is not None  # it was answered once
        self.redialled = True
        avoid = (*self.wanted.avoid, self.way.trunk)
        wanted = msgspec.structs.replace(self.wanted, purpose="redial", trunk=None, avoid=avoid)
        leg = await self.outside.reach(call, wanted, conversing=True)
        if isinstance(leg, Unreached):
            await _end(call, Cause.RTP_SILENCE, "us")
        else:
            await self._answered(call, leg)

    def aside(self, message: Message) -> None:
        """What a leg says that the call does not speak on."""
        if isinstance(message, LegEnded):
            self._over[message.leg] = message

    async def _answered(self, call: Living, leg: SipLeg) -> None:
        """Somebody is there. They may have hung up already: then that is said right behind."""
        self.way = leg.tried.way
        call.line.adopt(leg)
        call.record.through(self.way)
        desk = call.boxes.desk
        codec, srtp = ("", "") if leg.agreement is None else (leg.agreement.codec, leg.agreement.srtp)
        await desk.send(CallAnswered(at=trio.current_time(), leg=leg.number, codec=codec, srtp=srtp))
        if leg.number in self._over:
            await desk.send(self._over[leg.number])


async def _end(call: Living, cause: Cause, by: By) -> None:
    await call.boxes.desk.send(CallEnded(at=trio.current_time(), cause=cause, by=by))


def who_ended(cause: Cause) -> By:
    """Whose word it was that a call of ours was not answered; a rule of ours, where it is nobody else's."""
    if cause in PERSON:
        return "far_end"
    return "carrier" if cause in CARRIER else "us"
