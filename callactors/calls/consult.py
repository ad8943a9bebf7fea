"""The person a call dials for its caller, on a leg of their own: dialled, briefed, joined, let go. A handoff's Aside.

- While the caller is held the model hears nothing of them, and while the person is briefed its words go to the person.
- Once joined, the agent is gone: media and digits go from leg to leg, and whoever hangs up ends the call.
- The person's leg is the call's: it ends with the call, whatever was under way.
"""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from callactors.actors.handoff import Missed, Person
from callactors.actors.leg import Leg
from callactors.actors.messages import (
    CallEnded,
    CallRinging,
    DialogMoved,
    DigitPressed,
    LegEnded,
    LegMessage,
    LegReferred,
    Message,
    RtpWentSilent,
    TransferOutcome,
)
from callactors.actors.sip_leg import SipLeg
from callactors.actors.transcoder import Transcoder
from callactors.calls.bridge import join, part
from callactors.calls.dialer import Unreached
from callactors.calls.living import Living
from callactors.calls.outside import Outside
from callactors.calls.referred import Referral
from callactors.routing.cause import Cause
from callactors.routing.trunk import Target
from callactors.routing.way import Wanted
from callactors.sip.dialog import DialogId

_OUTCOMES: dict[Cause, TransferOutcome] = {
    Cause.BUSY: "refused",
    Cause.DECLINED: "refused",
    Cause.NOT_ANSWERED: "no_answer",
    Cause.NOT_PERMITTED: "refused",
}


@attrs.define(eq=False)
class Consulted:
    """Somebody who answered."""

    leg: SipLeg
    dialog: DialogId
    gone: bool = False


@attrs.define(eq=False)
class Consulting:
    """One call's people beside its caller, one at a time."""

    call: Living
    outside: Outside
    transcoder: Transcoder
    referral: Referral = attrs.field(init=False)
    person: Consulted | None = attrs.field(default=None, init=False)
    joined: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.referral = Referral(self.call, self.outside)

    # -- actors/handoff.Aside ------------------------------------------------------------------------------------

    async def hold(self, held: bool) -> None:
        """Music for the caller, or the agent again."""
        leg, before = self.call.line.current, self.transcoder.deaf
        self.transcoder.deaf = held
        if leg is None or held == before:
            return await trio.lowlevel.checkpoint()
        await leg.hold(held)

    async def dial(self, target: Target, purpose: Literal["consult", "bridge"]) -> Person | Missed:
        wanted = Wanted(purpose=purpose, uri=target.uri, trunk=target.trunk or None)
        if self.outside.dialer.finder.is_for_help(wanted, wanted.trunk):
            self.call.record.event("transfer_denied", target=target.name)
            return Missed("refused")
        reached = await self.outside.reach(self.call, wanted, conversing=False)
        if isinstance(reached, Unreached):
            code = reached.tried[-1].status if reached.tried else None
            return Missed(_OUTCOMES.get(reached.cause, "failed"), code)
        self.person = Consulted(reached, reached.endpoint.dialog(reached.session), reached.ended)
        if reached.ended:  # they picked up and put down
            self.call.record.left(reached.number, Cause.CALLEE_HUNG_UP)
        return self.person

    def speak_to(self, person: Person | None) -> None:
        self.transcoder.leg = self.call.line if person is None or self.person is None else self.person.leg

    def join(self, person: Person) -> None:
        caller = self.call.line.current
        if self.person is None or caller is None:
            return
        self.joined = True
        caller.flush()
        self.call.line.legs.append(self.person.leg)
        join(caller, self.person.leg)

    def let_go(self, person: Person, cause: Cause) -> None:
        gone, self.person, self.joined = self.person, None, False
        if gone is not None and not gone.gone:
            self.call.record.left(gone.leg.number, cause)
            self.call.drop_leg(gone.leg, cause)

    # -- what the call hears ---------------------------------------------------------------------------------------

    def takes(self, message: Message) -> bool:
        """A message of the leg the call speaks on; whether it is ours, and the agent has nothing to do with it."""
        match message:
            case LegReferred():
                self.referral.asked(message)
            case LegEnded():
                return self.referral.left(message)
            case DigitPressed() if self.joined and self.person is not None:
                self._pass_on(message, self.person.leg)
            case RtpWentSilent() if self.joined:
                self._silent(message)
            case _:
                return False
        return True

    def aside(self, message: Message) -> bool:
        """A message of a leg the call does not speak on; whether it was about the person's."""
        if isinstance(message, CallRinging):
            self.referral.rings(message)
        person = self.person
        if person is None or not isinstance(message, LegMessage) or message.leg != person.leg.number:
            return False
        match message:
            case LegEnded():
                self._person_ended(person, message)
            case DigitPressed() if self.joined:
                self._pass_on(message, self.call.line)
            case RtpWentSilent() if self.joined:
                self._silent(message)
            case DialogMoved():
                self.call.record.moved(message.facts, message.leg)
        return True

    def _pass_on(self, pressed: DigitPressed, to: Leg) -> None:
        """A key for the other one, who hears tones for themselves."""
        if not pressed.audible:
            self.call.spawn(to.send_digits, pressed.digit)

    def _silent(self, message: RtpWentSilent) -> None:
        self.call.record.event("rtp_silence", leg=message.leg, seconds=round(message.at - message.since, 1))
        self.call.boxes.desk.offer(CallEnded(at=message.at, cause=Cause.RTP_SILENCE, by="us"))

    def moved(self, old: SipLeg, new: SipLeg) -> None:
        """Another leg has taken the caller's place."""
        if self.joined and self.person is not None:
            part(old, self.person.leg)
            join(new, self.person.leg)

    def _person_ended(self, person: Consulted, ended: LegEnded) -> None:
        person.gone = True
        self.call.record.left(ended.leg, ended.cause)
        self.call.boxes.handoff.offer(ended)
        if self.joined:
            self.call.boxes.desk.offer(CallEnded(at=trio.current_time(), cause=Cause.TRANSFERRED, by=ended.by))
