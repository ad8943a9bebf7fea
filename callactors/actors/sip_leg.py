"""One SIP leg: the verbs of a call over SipEndpoint and MediaPlane, and their facts as messages.

- A caller's leg: `take` the offer, then `run`. One we place: `SipLeg.placed(...)`, whose `run` sends the INVITE.
- The dialog and its transactions belong to the endpoint, the packets to the plane; this actor owns neither clock.
- Both call back synchronously: audio goes straight to its mailboxes, everything else waits in one inbox for `run`.
- `run` ends with the leg: after LegEnded, or, when we hung up ourselves, without a word.
- `finally` hands over (`hang_up`, `stream.close`); what takes longer outlives us in the endpoint's table.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    CallAnswered,
    CallerAudio,
    DialogMoved,
    DigitPressed,
    LegEnded,
    MediaChanged,
    Message,
)
from callactors.actors.parts.exchange import Exchange
from callactors.actors.parts.hearing import Hearing
from callactors.actors.parts.info_digits import RELAY, info_bodies, info_digit
from callactors.actors.parts.keypad import Keypad
from callactors.actors.parts.leg_audio import media_message
from callactors.actors.parts.negotiation import REFUSED, Negotiation, wants_ipv6
from callactors.actors.parts.placing import Placing
from callactors.actors.parts.referring import Referring
from callactors.actors.parts.tape import TakesSound
from callactors.audio.format import AudioFormat
from callactors.audio.ringing import ringing
from callactors.errors import UnsafeText
from callactors.net.media_plane import MediaPlane, MediaStream
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause, q850, sip_code
from callactors.routing.trunk import Target, Trunk
from callactors.routing.way import Tried, Way
from callactors.rtp.events import MediaEvent
from callactors.rtp.quality import Quality
from callactors.rtp.utterances import Heard
from callactors.sdp.offer import Agreement
from callactors.sip import events as sip
from callactors.sip.dialog import DialogFacts, DialogId
from callactors.sip.reason import reason_headers

INBOX = 256  # facts of one dialog and its media that may wait; a flood of INFO loses its oldest
UNPLACED = -1  # the session of a leg whose INVITE has not left


@attrs.define(eq=False)
class SipLeg:
    """A leg of a call, of either direction. `status` is the final status of its INVITE, None while it has none."""

    number: int
    session: int
    trunk: Trunk
    endpoint: SipEndpoint
    plane: MediaPlane
    advertise: str | None
    events: Mailbox[Message]
    audio: Mailbox[CallerAudio]
    tape: TakesSound
    clock: Literal["ours", "theirs"] = "ours"
    quality: tuple[Quality, ...] = ()
    status: int | None = None
    placing: Placing | None = None  # of a leg we placed
    keypad: Keypad = attrs.field(factory=Keypad, init=False)
    stream: MediaStream = attrs.field(init=False)
    exchange: Exchange = attrs.field(init=False)
    _inbox: Mailbox[sip.Event | MediaEvent] = attrs.field(factory=lambda: Mailbox(INBOX), init=False)
    _hearing: Hearing = attrs.field(init=False)
    _referring: Referring = attrs.field(init=False)

    def take(self, offer: bytes) -> None:
        """Open the media and agree on the offer; from now on dialog and media are listened to.

        Without an offer ours goes into the 200. Raises PortsExhausted, MalformedDescription, NoCommonFormat, and
        leaves nothing open then.
        """
        there = self.endpoint.facts(self.session).remote_address
        self._open(self.session, wants_ipv6(offer) if offer else there.startswith("["))
        try:
            if offer:
                self.exchange.sdp.agreement = self.exchange.sdp.answer(offer)
        except REFUSED:
            self.stream.close()
            raise
        self.endpoint.subscribe(self.session, self.signalled)

    @classmethod
    def placed(
        cls,
        number: int,
        way: Way,
        trunk: Trunk,
        endpoint: SipEndpoint,
        plane: MediaPlane,
        *,
        advertise: str | None,
        events: Mailbox[Message],
        audio: Mailbox[CallerAudio],
        tape: TakesSound,
        listen_early: bool = False,
    ) -> SipLeg:
        """A leg that `run` will dial by this way, with ports and a description of its own. Raises PortsExhausted.

        It tells CallRinging, CallAnswered, LegEnded. Whoever does not run it must `close_media`. With `listen_early`
        what is heard before the answer goes to `audio` too, not only to the tape.
        """
        leg = cls(number, UNPLACED, trunk, endpoint, plane, advertise, events, audio, tape)
        leg._open(int(trio.current_time() * 1000), ":" in way.hop.host)
        leg.placing = Placing(way, leg.exchange)
        if listen_early:
            leg._hearing.early = leg.placing.heard
        leg.exchange.sdp.plain, leg.exchange.sdp.clear = way.plainer, way.clear
        return leg

    def _open(self, name: int, ipv6: bool) -> None:
        self._hearing = Hearing(self.number, self.keypad, self.tape, self.audio, self._inbox.offer)
        self.stream = self.plane.open(self._hearing.sounded, ipv6=ipv6)
        sdp = Negotiation(name, self.stream.address, self.trunk, self.plane, self.advertise)
        self.exchange = Exchange(
            self.number, self.session, self.trunk, self.endpoint, self.stream, sdp, self._media_changed
        )
        self._hearing.exchange = self.exchange
        self._referring = Referring(self.exchange)

    @property
    def format(self) -> AudioFormat:
        return self.exchange.format

    @property
    def agreement(self) -> Agreement | None:
        """What both sides know of the stream; None until there has been an answer to our offer."""
        return self.exchange.agreement

    @property
    def held(self) -> bool:
        """Whether the peer has put us on hold: we may not be heard."""
        return self.exchange.held

    @property
    def ended(self) -> bool:
        """Whether there is no dialog any more."""
        return self.exchange.ended

    @property
    def facts(self) -> DialogFacts:
        """What the ledger keeps so that another process could end this dialog. Raises DialogGone before the INVITE."""
        return self.endpoint.facts(self.session)

    @property
    def tried(self) -> Tried:
        """How a leg we placed fares; final once `wait_settled` has returned."""
        assert self.placing is not None  # we placed it
        return self.placing.tried

    @property
    def rang_at(self) -> float | None:
        """When a leg we placed first rang, by trio.current_time()."""
        return self.placing.rang_at if self.placing is not None else None

    @property
    def trying(self) -> bool:
        """Whether a leg we placed has had any response, 100 Trying too."""
        return self.placing is not None and self.placing.trying

    async def wait_settled(self) -> Tried:
        """Until a leg we placed is answered, refused, or given up, whichever comes first. `run` must be running."""
        assert self.placing is not None  # we placed it
        await self.placing.settled.wait()
        return self.placing.tried

    def signalled(self, event: sip.Event) -> None:
        """The endpoint's delivery."""
        if isinstance(event, sip.Cancelled | sip.HungUp) and self.status is None:
            self.status = 487
        self._inbox.offer(event)

    # -- the actor -----------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial, if we place it; then turn facts of dialog and media into messages until the leg has ended."""
        try:
            refused = self._dial(self.placing) if self.placing is not None else None
            task_status.started()
            if refused is not None:
                await self.events.send(refused)
                return
            with suppress(trio.EndOfChannel):
                await self._tell_all()
        finally:
            self.hang_up(Cause.DESK_CLOSED)

    async def _tell_all(self) -> None:
        """Facts of the media in the clock's own step, as long as there is room on the desk."""
        while not self.ended:
            await self._inbox.pour(self._told_at_once)
            event = await self._inbox.receive()
            for message in [] if self.ended else self._told(event):
                await self.events.send(message)

    def _told_at_once(self, event: sip.Event | MediaEvent) -> bool:
        if self.ended:
            return True
        if not isinstance(event, MediaEvent):
            return False
        message = self._sensed(event)
        return message is None or self.events.put(message)

    def _told(self, event: sip.Event | MediaEvent) -> list[Message]:
        match event:
            case MediaEvent():
                message = self._sensed(event)
            case sip.Reoffered():
                return self._reoffered(event)
            case _:
                message = self._fact(event)
        return [] if message is None else [message]

    def _sensed(self, event: MediaEvent) -> Message | None:
        return media_message(event, self.number, trio.current_time(), private=self.keypad.private)

    def _fact(self, event: sip.Event) -> Message | None:
        match event:
            case sip.Progressed() | sip.Trying() | sip.Answered():
                assert self.placing is not None  # only an INVITE of ours is answered
                return self._responded(event, self.placing)
            case sip.Acked():
                return self._acked(event)
            case sip.Pracked():
                held = self.exchange.late_answer(event.body)
                return self._answered() if event.released else held
            case sip.Reanswered():
                return self.exchange.reanswered(event)
            case sip.ReferAnswered() | sip.Notified():
                return self._referring.told(event)
            case sip.ReferReceived():
                return self._referring.asked(event)
            case sip.InfoReceived():
                return self._informed(event)
            case _:
                return self._ended_by(event)
        return None

    def _ended_by(self, event: sip.Event) -> Message | None:
        """The events after which there is no leg."""
        hung_up = Cause.CALLER_HUNG_UP if self.placing is None else Cause.CALLEE_HUNG_UP
        match event:
            case sip.HungUp():
                if (presumed := self._referring.hung_up()) is not None:
                    self._over()
                    return presumed
                return self._leg_ended(hung_up, None, event.q850)
            case sip.Cancelled():
                return self._leg_ended(Cause.CANCELLED, 487, None)
            case sip.Failed():
                return self._refused(event)
            case sip.NoAck():
                self.status = self.status or 504  # what has left: a PRACK was missing, not the ACK
                return self._leg_ended(Cause.NO_ACK, 504 if self.status == 504 else 408, None, by="us")
            case sip.Expired():
                return self._leg_ended(Cause.SESSION_EXPIRED, 408, q850(Cause.SESSION_EXPIRED), by="us")
            case sip.Gone():
                return self._leg_ended(hung_up, None, None)
        return None

    def _leg_ended(
        self, cause: Cause, code: int | None, q850_: int | None, by: Literal["far_end", "us"] = "far_end"
    ) -> LegEnded:
        self._over()
        self.close_media()
        if self.placing is not None:
            self.placing.given_up(cause.value, code)
        return LegEnded(at=trio.current_time(), leg=self.number, cause=cause, sip_code=code, q850=q850_, by=by)

    def _over(self) -> None:
        """No dialog from here on: `run` ends once it has told so."""
        self._inbox.close()
        self.exchange.over()

    # -- a leg we place ------------------------------------------------------------------------------------------

    def _dial(self, placing: Placing) -> LegEnded | None:
        try:
            self.session = placing.dial()
        except UnsafeText as error:
            placing.given_up(str(error), 400)
            return self._leg_ended(Cause.NOT_ANSWERED, 400, None, by="us")
        self.endpoint.subscribe(self.session, self.signalled)
        return None

    def _responded(self, event: sip.Progressed | sip.Trying | sip.Answered, placing: Placing) -> Message | None:
        match event:
            case sip.Trying():
                placing.trying = True
                return None
            case sip.Progressed():
                return placing.progressed(event)
        agreement = placing.picked_up(event)
        if agreement is None:
            self.status = 488
            return self._leg_ended(Cause.BAD_OFFER, 488, None, by="us")
        self.status = 200
        return self._up(agreement)

    def _refused(self, event: sip.Failed) -> LegEnded:
        assert self.placing is not None  # we placed it
        self.placing.failed(event)
        self.status = event.status
        return self._leg_ended(Cause.NOT_ANSWERED, event.status, event.q850)

    # -- re-offers, digits by INFO -------------------------------------------------------------------------------

    def _reoffered(self, event: sip.Reoffered) -> list[Message]:
        """RFC 3264 section 8: answer a new offer, or refuse it with 488 and keep the old session."""
        told = self.exchange.reoffered(event)
        moved = DialogMoved(at=trio.current_time(), leg=self.number, facts=self.facts)  # RFC 3261 section 12.2
        return [moved] if told is None else [moved, told]

    def _acked(self, event: sip.Acked) -> Message | None:
        """The answer to an offer that was left to us; without a usable one a re-INVITE changes nothing."""
        self.exchange.confirmed = True
        return self.exchange.late_answer(event.body) if self.exchange.up else self._connected(event.body)

    def _connected(self, body: bytes) -> Message:
        """The answer to the offer in our 200, if it did not come by PRACK: only now there is a call, or none."""
        try:
            agreement = self.agreement or self.exchange.sdp.answered_late(body)
        except REFUSED:
            self.endpoint.finish(self.session, q850=q850(Cause.BAD_OFFER), text=Cause.BAD_OFFER.value)
            return self._leg_ended(Cause.BAD_OFFER, None, None, by="us")
        return self._up(agreement)

    def _informed(self, event: sip.InfoReceived) -> Message | None:
        self.endpoint.respond(self.session, event.request_id, 200)
        digit, now = info_digit(event.content_type, event.body), trio.current_time()
        if digit is None or not self.keypad.pressed(digit, "info", now):
            return None
        return DigitPressed(at=now, leg=self.number, digit=digit, sensitive=self.keypad.private)

    # -- transfers -----------------------------------------------------------------------------------------------

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None:
        refused = self._referring.refer(target, replaces)
        if refused is not None:
            await self.events.send(refused)
        else:
            await trio.lowlevel.checkpoint()

    def take_back(self) -> None:
        self._referring.take_back()

    def respond_refer(self, request_id: int, status: int) -> None:
        """Answer a LegReferred: 202 and then `notify`, or a refusal."""
        self._referring.respond(request_id, status)

    def notify(self, status: int, reason: str, final: bool) -> None:
        """Tell the peer how the call goes that it asked for by REFER."""
        self._referring.notify(status, reason, final)

    # -- the verbs -----------------------------------------------------------------------------------------------

    def progress(self, early: bool = False) -> None:
        """It rings: 180; with `early` 183 and our description, and the caller hears their country's ringing tone.

        Who asked us to offer gets our offer with it, if it can be sent reliably (RFC 3262), else in the 200.
        """
        if self.agreement is None:
            self.endpoint.ring(self.session, body=self.exchange.sdp.offer_late())
            return
        if not early:
            self.endpoint.ring(self.session)
            return
        self.stream.fill_with(ringing(self.trunk.country))
        self.exchange.live(self.agreement)
        self.endpoint.ring(self.session, 183, bytes(self.agreement.local))

    async def answer(self) -> None:
        """200. CallAnswered follows at once, or with the PRACK it waits for or the ACK that bears the answer to it."""
        told = None
        if self.status is None and self.endpoint.answer(self.session, self.exchange.final()):
            told = self._answered()
        if told is None:
            return await trio.lowlevel.checkpoint()
        await self.events.send(told)

    def _answered(self) -> Message | None:
        """Our 200 has left: from now on there is a call, where both descriptions are known."""
        self.status, agreement = 200, self.agreement
        return None if agreement is None else self._up(agreement)

    def _up(self, agreement: Agreement) -> CallAnswered:
        self.exchange.up = True
        self.stream.fill_with(None)
        self.exchange.live(agreement)
        return CallAnswered(at=trio.current_time(), leg=self.number, codec=agreement.codec, srtp=agreement.srtp)

    def _media_changed(self, agreement: Agreement) -> None:
        now = trio.current_time()
        self.events.offer(MediaChanged(at=now, leg=self.number, codec=agreement.codec, srtp=agreement.srtp))

    async def hold(self, on: bool) -> bool:
        """Put the far end on hold (RFC 3264 section 8.4), or take it back; whether it agreed. See Exchange.hold."""
        if self.ended:
            await trio.lowlevel.checkpoint()
            return False
        return await self.exchange.hold(on)

    async def reject(self, code: int, reason: str, retry_after: int | None = None) -> None:
        headers = (("Retry-After", str(retry_after)),) if retry_after is not None else ()
        self.status = code
        self.endpoint.reject(self.session, code, reason, headers)
        await trio.lowlevel.checkpoint()

    def play(self, utterance: str, audio: bytes) -> None:
        self.stream.play(utterance, audio)

    def end(self, utterance: str) -> None:
        self.stream.end(utterance)

    def flush(self) -> Heard:
        return self.stream.flush()

    def heard(self) -> Heard:
        return self.stream.heard()

    async def send_digits(self, digits: str) -> None:
        """As the trunk has it: telephone events, INFO, or tones. Raises ValueError for what is no key."""
        if self.trunk.dtmf == "info":
            for body in info_bodies(digits):
                self.endpoint.info(self.session, RELAY, body)
        else:
            self.stream.send_digits(digits)
        await trio.lowlevel.checkpoint()

    def hang_up(self, cause: Cause) -> None:
        self.close_media()
        if self.ended:
            return
        self._over()
        if self.placing is not None:
            self.placing.given_up(cause.value)
        elif self.status is None:
            self.status = sip_code(cause)
            self.endpoint.reject(self.session, self.status, None, reason_headers(q850(cause), cause.value))
        self.endpoint.finish(self.session, q850=q850(cause), text=cause.value)

    def close_media(self) -> None:
        """Give the ports back; the quality of both directions is kept for the record."""
        if not self.quality:
            self.quality = tuple(self.stream.close())
