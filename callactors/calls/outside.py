"""What a call needs to dial somebody beside its caller: the process's dialer, and legs with numbers of its own.

- Every try is a row of `attempts`, on disk before its INVITE leaves; a try that came to nothing leaves no leg behind.
- Nobody dials an emergency number from here, by a model's wish or a REFER: calls/ways.py sees to that.
"""

from __future__ import annotations

from functools import partial

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import CallerAudio
from callactors.actors.parts.tape import Tape
from callactors.actors.sip_leg import SipLeg
from callactors.calls.dialer import Dialer, PlacedLeg, Reached, Unreached
from callactors.calls.living import Living
from callactors.config import Config
from callactors.errors import DialogGone, LedgerBroken, PortsExhausted
from callactors.net.media_plane import MediaPlane
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause
from callactors.routing.way import Tried, Wanted, Way


@attrs.frozen
class Outside:
    """One for the process."""

    dialer: Dialer
    config: Config
    endpoint: SipEndpoint
    plane: MediaPlane

    async def reach(self, call: Living, wanted: Wanted, *, conversing: bool) -> SipLeg | Unreached:
        """Dial for a call; the answered leg runs in a scope of the call, its row is durable.

        `conversing`: the leg is to be the conversation's, so that the model and the tape hear it.
        """
        try:
            done = await self.dialer.dial(wanted, partial(self._start, call, conversing), partial(_lost, call))
            if isinstance(done, Unreached):
                return done
            leg = done.leg
            assert isinstance(leg, SipLeg)  # of our own making
            await self._answered(call, done, conversing)
            return leg
        except (PortsExhausted, LedgerBroken) as error:
            call.record.event("not_dialled", error=str(error))
            return Unreached(Cause.OVERLOAD)
        except DialogGone:  # it picked up and was gone before we had written it down
            return Unreached(Cause.NOT_ANSWERED)

    async def _start(self, call: Living, conversing: bool, way: Way) -> PlacedLeg:
        number = call.next_leg()
        call.terms.tell("dialling", leg=number, trunk=way.trunk, hop=str(way.hop), plainer=way.plainer)
        await call.record.dialling(number, way)
        unheard = Mailbox[CallerAudio](1), Tape()
        audio, tape = (call.boxes.from_leg, call.boxes.tape) if conversing else unheard
        trunk, advertise = self.config.trunk(way.trunk), self.config.listen.advertise
        leg = SipLeg.placed(
            number, way, trunk, self.endpoint, self.plane,
            advertise=advertise, events=call.boxes.desk, audio=audio, tape=tape,
        )  # fmt: skip
        await call.run_leg(leg)
        if leg.tried.status is None:  # it left
            call.record.placed(number, leg.facts)
        return leg

    async def _answered(self, call: Living, reached: Reached, conversing: bool) -> None:
        leg = reached.leg
        assert isinstance(leg, SipLeg)
        try:
            await call.record.reached(leg.number, leg.facts, callee=conversing)
            if not leg.ended:
                call.terms.meter.reached(leg.number, reached.way.rate, trio.current_time())
        except (LedgerBroken, DialogGone):
            call.drop_leg(leg, Cause.OVERLOAD)
            raise


def _lost(call: Living, leg: PlacedLeg | None, tried: Tried) -> None:
    """A try came to nothing: its row is closed, its nursery cancelled."""
    number = leg.number if isinstance(leg, SipLeg) else call.next_leg()
    call.record.tried(number, tried)
    call.terms.tell(
        "tried", leg=number, trunk=tried.way.trunk, sip_code=tried.status, q850=tried.q850, reason=tried.reason
    )
    if isinstance(leg, SipLeg):
        call.drop_leg(leg, Cause.NOT_ANSWERED)
