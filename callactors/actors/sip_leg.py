"""One SIP leg: the verbs of a call over SipEndpoint and MediaPlane, and their facts as messages.

- A caller's leg: `take` the offer, then `run`. One we place: `SipLeg.placed(...)`, whose `run` sends the INVITE.
- The dialog and its transactions belong to the endpoint, the packets to the plane; this actor owns neither clock.
- Both call back synchronously: audio goes straight to its mailboxes, everything else waits in one inbox for `run`.
- `run` ends with the leg: after LegEnded, or, when we hung up ourselves, without a word.
- `finally` hands over (`hang_up`, `stream.close`); what takes longer outlives us in the endpoint's table.
"""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from callactors.actors.info_digits import info_digit
from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentHeard,
    AgentSpoke,
    AgentStarted,
    CallAnswered,
    CallerAudio,
    CallRinging,
    DialogMoved,
    DigitPressed,
    HeldByPeer,
    LegEnded,
    LegReferred,
    Message,
    RtpWentSilent,
    TransferEnded,
)
from callactors.actors.negotiation import REFUSED, Negotiation
from callactors.actors.placing import Placing
from callactors.actors.referring import Outcome, Referring
from callactors.audio.format import AudioFormat
from callactors.errors import UnsafeText
from callactors.net.media_plane import MediaPlane, MediaStream
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause, q850, sip_code
from callactors.routing.trunk import Target, Trunk
from callactors.routing.way import Tried, Way
from callactors.rtp.events import (
    AudioArrived,
    AudioSent,
    DigitArrived,
    MediaEvent,
    UtteranceHeard,
    UtteranceStarted,
    WentSilent,
)
from callactors.rtp.playout import Heard
from callactors.rtp.quality import Quality
from callactors.sdp.offer import Agreement
from callactors.sip import events as sip
from callactors.sip.dialog import DialogFacts, DialogId
from callactors.sip.reason import reason_headers
from callactors.sip.transfer import sipfrag

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
    tape: Mailbox[CallerAudio | AgentHeard]
    clock: Literal["ours", "theirs"] = "ours"
    quality: tuple[Quality, ...] = ()
    status: int | None = None
    listen_early: bool = False  # whether what is heard before the answer goes to `audio`, not only to the tape
    placing: Placing | None = None  # of a leg we placed
    stream: MediaStream = attrs.field(init=False)
    sdp: Negotiation = attrs.field(init=False)
    _inbox: Mailbox[sip.Event | MediaEvent] = attrs.field(factory=lambda: Mailbox(INBOX), init=False)
    _referring: Referring = attrs.field(factory=Referring, init=False)
    _up: bool = attrs.field(default=False, init=False)  # answered
    _ended: bool = attrs.field(default=False, init=False)

    def take(self, offer: bytes) -> None:
        """Open the media and agree on the offer; from now on dialog and media are listened to.

        Without an offer ours goes into the 200. Raises PortsExhausted, MalformedDescription, NoCommonFormat, and
        leaves nothing open then.
        """
        self._open(self.session)
        try:
            if offer:
                self.sdp.agreement = self.sdp.answer(offer)
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
        tape: Mailbox[CallerAudio | AgentHeard],
        listen_early: bool = False,
    ) -> SipLeg:
        """A leg that `run` will dial by this way, with ports and a description of its own. Raises PortsExhausted.

        It tells CallRinging, CallAnswered, LegEnded. Whoever does not run it must `close_media`.
        """
        leg = cls(
            number, UNPLACED, trunk, endpoint, plane, advertise, events, audio, tape,
            listen_early=listen_early, placing=Placing(way),
        )  # fmt: skip
        leg._open(int(trio.current_time() * 1000))
        leg.sdp.plain = way.plainer
        return leg

    def _open(self, name: int) -> None:
        self.stream = self.plane.open(self.sounded)
        self.sdp = Negotiation(name, self.stream.address, self.trunk, self.plane, self.advertise)

    @property
    def format(self) -> AudioFormat:
        agreement = self.sdp.agreement
        return AudioFormat.PCMU if agreement is None else AudioFormat(agreement.codec)

    @property
    def agreement(self) -> Agreement | None:
        """What both sides know of the stream; None until there has been an answer to our offer."""
        return self.sdp.agreement

    @property
    def facts(self) -> DialogFacts:
        """What the ledger keeps so that another process could end this dialog. Raises KeyError before the INVITE."""
        return self.endpoint.facts(self.session)

    @property
    def tried(self) -> Tried:
        """How a leg we placed fares; final once `wait_settled` has returned."""
        assert self.placing is not None  # we placed it
        return self.placing.tried

    @property
    def rang(self) -> bool:
        """Whether a leg we placed has rung."""
        return self.rang_at is not None

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

    # -- the callbacks of plane and endpoint ---------------------------------------------------------------------

    def signalled(self, event: sip.Event) -> None:
        """The endpoint's delivery."""
        if isinstance(event, sip.Cancelled | sip.HungUp) and self.status is None:
            self.status = 487
        self._inbox.offer(event)

    def sounded(self, event: MediaEvent) -> None:
        """The plane's delivery: audio goes on at once, anything else waits for `run`."""
        match event:
            case AudioArrived():
                self._hear(event)
            case AudioSent():
                self.tape.offer(
                    AgentHeard(
                        at=event.at, leg=self.number, format=self.format, audio=event.audio, position=event.position
                    )
                )
            case _:
                self._inbox.offer(event)

    def _hear(self, event: AudioArrived) -> None:
        batch = CallerAudio(
            at=event.at,
            leg=self.number,
            format=self.format,
            audio=event.audio,
            position=event.position,
            lost_ms=event.lost_ms,
            first_rtp_at=event.first_rtp_at,
        )
        self.tape.offer(batch)
        if self._up or self.listen_early:
            self.audio.offer(batch)
            if not self._up and self.placing is not None:
                self.placing.heard()

    # -- the actor -----------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial, if we place it; then turn facts of dialog and media into messages until the leg has ended."""
        try:
            refused = self._dial(self.placing) if self.placing is not None else None
            task_status.started()
            if refused is not None:
                await self.events.send(refused)
                return
            async for event in self._inbox:
                if self._ended:
                    return
                for message in self._told(event):
                    await self.events.send(message)
        finally:
            self.hang_up(Cause.DESK_CLOSED)

    def _told(self, event: sip.Event | MediaEvent) -> list[Message]:
        match event:
            case sip.Reoffered():
                return self._reoffered(event)
            case sip.Progressed():
                return self._progressed(event)
            case sip.Trying() if self.placing is not None:
                self.placing.trying = True
                return []
            case _:
                message = self._fact(event)
                return [] if message is None else [message]

    def _fact(self, event: sip.Event | MediaEvent) -> Message | None:
        now = trio.current_time()
        match event:
            case UtteranceStarted():
                return AgentStarted(at=now, utterance=event.utterance, first_rtp_at=event.at)
            case UtteranceHeard():
                return AgentSpoke(at=now, utterance=event.utterance, ms=event.ms, first_rtp_at=event.first_rtp_at)
            case DigitArrived():
                return DigitPressed(at=now, leg=self.number, digit=event.digit)
            case WentSilent():
                return RtpWentSilent(at=now, leg=self.number, since=event.since)
            case sip.Trying():
                assert self.placing is not None  # only an INVITE of ours is tried
                self.placing.trying = True
            case sip.Answered():
                return self._picked_up(event)
            case sip.Acked():
                return self._acked(event)
            case sip.Reanswered():
                return self._reanswered(event)
            case sip.ReferAnswered() | sip.Notified():
                return self._transfer_told(event)
            case sip.ReferReceived():
                return self._referred(event)
            case sip.InfoReceived():
                return self._informed(event)
            case _:
                return self._ended_by(event)
        return None

    def _ended_by(self, event: sip.Event | MediaEvent) -> Message | None:
        """The events after which there is no leg."""
        hung_up = Cause.CALLER_HUNG_UP if self.placing is None else Cause.CALLEE_HUNG_UP
        match event:
            case sip.HungUp():
                if self._referring.hung_up():
                    return self._transfer_over("presumed", None)
                return self._leg_ended(hung_up, None, event.q850)
            case sip.Cancelled():
                return self._leg_ended(Cause.CANCELLED, 487, None)
            case sip.Failed():
                return self._refused(event)
            case sip.NoAck():
                return self._leg_ended(Cause.NO_ACK, 408, None, by="us")
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
        self._ended = True
        self._inbox.close()

    # -- a leg we place ------------------------------------------------------------------------------------------

    def _dial(self, placing: Placing) -> LegEnded | None:
        way = placing.way
        try:
            self.session = self.endpoint.invite(
                way.uri, to=way.hop, trunk=way.trunk, caller=way.caller, body=self.sdp.offer(),
                headers=way.headers, credentials=way.credentials,
            )  # fmt: skip
        except UnsafeText as error:
            placing.given_up(str(error), 400)
            return self._leg_ended(Cause.NOT_ANSWERED, 400, None, by="us")
        self.endpoint.subscribe(self.session, self.signalled)
        return None

    def _progressed(self, event: sip.Progressed) -> list[Message]:
        """RFC 3960: a description means early media, ours runs too so that it finds its way back."""
        assert self.placing is not None  # we placed it
        self.placing.progressed(event.status)
        try:
            if event.body:
                self._live(self._answer_in(event.body))
                self.stream.pause_watch(True)
        except REFUSED:
            pass  # no early media then: the 200 decides
        early = self.agreement is not None
        return [CallRinging(at=trio.current_time(), leg=self.number, early_media=early, status=event.status)]

    def _picked_up(self, event: sip.Answered) -> Message:
        assert self.placing is not None  # we placed it
        try:
            agreement = self._answer_in(event.body)
        except REFUSED as error:
            self.status = 488
            self.placing.given_up(str(error), 488)
            self.endpoint.finish(self.session, q850=q850(Cause.BAD_OFFER), text=Cause.BAD_OFFER.value)
            return self._leg_ended(Cause.BAD_OFFER, 488, None, by="us")
        self.status, self._up = 200, True
        self._live(agreement)
        self.placing.answered()
        return CallAnswered(at=trio.current_time(), leg=self.number, codec=agreement.codec)

    def _answer_in(self, body: bytes) -> Agreement:
        """The answer in a response to our INVITE; a 200 without one means what the early media agreed on."""
        if not body and self.agreement is not None:
            return self.agreement
        return self.sdp.answered(body) if self.sdp.waits else self.sdp.again(body)

    def _refused(self, event: sip.Failed) -> LegEnded:
        assert self.placing is not None  # we placed it
        self.placing.failed(event)
        self.status = event.status
        return self._leg_ended(Cause.NOT_ANSWERED, event.status, event.q850)

    # -- re-offers, digits by INFO -------------------------------------------------------------------------------

    def _reoffered(self, event: sip.Reoffered) -> list[Message]:
        """RFC 3264 section 8: answer a new offer, or refuse it with 488 and keep the old session."""
        told = self._responded(event)
        moved = DialogMoved(at=trio.current_time(), leg=self.number, facts=self.facts)  # RFC 3261 section 12.2
        return [moved] if told is None else [moved, told]

    def _responded(self, event: sip.Reoffered) -> Message | None:
        if not event.body:
            self.endpoint.respond(self.session, event.request_id, 200, self.sdp.offer_again())
            return None
        if self.agreement is None:  # in an early dialog, our own offer still waits (RFC 3311 section 5.2)
            self.endpoint.respond(self.session, event.request_id, 491)
            return None
        try:
            agreement = self.sdp.answer(event.body)
        except REFUSED:
            self.endpoint.respond(self.session, event.request_id, 488)
            return None
        self.endpoint.respond(self.session, event.request_id, 200, bytes(agreement.local))
        return self._agreed(agreement)

    def _agreed(self, agreement: Agreement) -> Message | None:
        """Live by a new agreement; a change of hold is told."""
        was_held = self.held
        self._live(agreement)
        if self.held == was_held:
            return None
        return HeldByPeer(at=trio.current_time(), leg=self.number, held=self.held)

    def _live(self, agreement: Agreement) -> None:
        """Media by this agreement; the same one again disturbs nothing."""
        if agreement != self.sdp.agreement or not self.stream.started:
            self.sdp.agreement = agreement
            self.stream.start(agreement, allowed=self.trunk.takes_media_from)
        self.stream.pause_watch(self.held or self._referring.pending)

    def _reanswered(self, event: sip.Reanswered) -> Message | None:
        """The answer to our re-INVITE; a refusal leaves everything as it was (RFC 3261 section 14.1)."""
        if event.status >= 300 or not event.body:
            self.sdp.withdraw()
            return None
        return self._settled(event.body)

    def _acked(self, event: sip.Acked) -> Message | None:
        """The answer to an offer that was left to us; without a usable one a re-INVITE changes nothing."""
        if not event.body:
            self.sdp.withdraw()
            return None
        return self._settled(event.body)

    def _settled(self, body: bytes) -> Message | None:
        if not self.sdp.waits:
            return None
        try:
            return self._agreed(self.sdp.answered(body))
        except REFUSED:
            return None

    @property
    def held(self) -> bool:
        """Whether the peer has put us on hold: we may not be heard."""
        agreement = self.agreement
        return agreement is not None and agreement.direction in ("recvonly", "inactive")

    def _informed(self, event: sip.InfoReceived) -> Message | None:
        self.endpoint.respond(self.session, event.request_id, 200)
        digit = info_digit(event.content_type, event.body)
        return DigitPressed(at=trio.current_time(), leg=self.number, digit=digit) if digit else None

    # -- transfers -----------------------------------------------------------------------------------------------

    def _transfer_told(self, event: sip.ReferAnswered | sip.Notified) -> Message | None:
        known = self._referring.told(event)
        return None if known is None else self._transfer_over(*known)

    def _transfer_over(self, outcome: Outcome, code: int | None) -> TransferEnded:
        if outcome == "presumed":
            self._over()
        return TransferEnded(at=trio.current_time(), leg=self.number, outcome=outcome, sip_code=code)

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None:
        if not self.trunk.refer:
            await self.events.send(TransferEnded(at=trio.current_time(), leg=self.number, outcome="failed"))
            return
        self._referring.begin()
        self.stream.pause_watch(True)
        self.endpoint.refer(self.session, refer_to=target.uri)
        await trio.lowlevel.checkpoint()

    def take_back(self) -> None:
        self._referring.pending = False
        if self.held and not self._ended:
            self.endpoint.reinvite(self.session, self.sdp.offer_again())
        self.stream.pause_watch(False)

    def _referred(self, event: sip.ReferReceived) -> Message | None:
        """The peer wants us to dial: declined here where the trunk may never ask, else the call's to decide."""
        if self.trunk.refers == "never":
            self.respond_refer(event.request_id, 603)
            return None
        return LegReferred(
            at=trio.current_time(),
            leg=self.number,
            request_id=event.request_id,
            uri=str(event.refer_to),
            replaces=event.replaces,
            referred_by=event.referred_by,
        )

    def respond_refer(self, request_id: int, status: int) -> None:
        """Answer a LegReferred: 202 and then `notify`, or a refusal."""
        self.endpoint.respond(self.session, request_id, status)

    def notify(self, status: int, reason: str, final: bool) -> None:
        """Tell the peer how the call goes that it asked for by REFER."""
        self.endpoint.notify(self.session, sipfrag(status, reason), final)

    # -- the verbs -----------------------------------------------------------------------------------------------

    async def answer(self) -> None:
        if self.status is not None:  # the caller gave up first
            return await trio.lowlevel.checkpoint()
        assert self.agreement is not None  # `take` agreed
        self.status, self._up = 200, True
        self.stream.start(self.agreement, allowed=self.trunk.takes_media_from)
        self.endpoint.answer(self.session, bytes(self.agreement.local))
        await self.events.send(CallAnswered(at=trio.current_time(), leg=self.number, codec=self.agreement.codec))

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
        self.stream.send_digits(digits)
        await trio.lowlevel.checkpoint()

    def hang_up(self, cause: Cause) -> None:
        self.close_media()
        if self._ended:
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
