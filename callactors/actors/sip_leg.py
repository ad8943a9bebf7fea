"""One SIP leg: the verbs of a call over SipEndpoint and MediaPlane, and their facts as messages.

- The dialog and its transactions belong to the endpoint, the packets to the plane; this actor owns neither clock.
- Both call back synchronously: audio goes straight to its mailboxes, everything else waits in one inbox for `run`.
- `finally` hands over (`hang_up`, `stream.close`); what takes longer outlives us in the endpoint's table.
"""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentHeard,
    AgentSpoke,
    AgentStarted,
    CallAnswered,
    CallerAudio,
    DialogMoved,
    DigitPressed,
    HeldByPeer,
    LegEnded,
    Message,
    RtpWentSilent,
    TransferEnded,
)
from callactors.audio.format import AudioFormat
from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.net.media_plane import MediaPlane, MediaStream
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause, q850, sip_code
from callactors.routing.trunk import Target, Trunk
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
from callactors.rtp.telephone_event import KEYS
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Agreement, accept_answer, answer, make_offer
from callactors.sip import events as sip
from callactors.sip.dialog import DialogFacts, DialogId
from callactors.sip.reason import reason_headers

_CODED = {str(code): key for code, key in enumerate(KEYS) if code > 9}
INBOX = 256  # facts of one dialog and its media that may wait; a flood of INFO loses its oldest


@attrs.define(eq=False)
class SipLeg:
    """An inbound leg of a call (leg 0): `take` its offer first, then `run`."""

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
    status: int | None = None  # the final status of the INVITE, None while it has none
    stream: MediaStream = attrs.field(init=False)
    agreement: Agreement = attrs.field(init=False)
    _inbox: Mailbox[sip.Event | MediaEvent] = attrs.field(factory=lambda: Mailbox(INBOX), init=False)
    _offered: Description | None = attrs.field(default=None, init=False)
    _late_offer: Description | None = attrs.field(default=None, init=False)  # in our 200; its answer is in the ACK
    _referring: bool = attrs.field(default=False, init=False)
    _accepted: bool = attrs.field(default=False, init=False)  # our REFER was: a BYE is its outcome from then on
    _ended: bool = attrs.field(default=False, init=False)

    def take(self, offer: bytes) -> None:
        """Open the media and agree on the offer; from now on dialog and media are listened to.

        Raises PortsExhausted, MalformedDescription, NoCommonFormat, and leaves nothing open then.
        """
        self.stream = self.plane.open(self.sounded)
        try:
            self.agreement = self._agree(offer, None)
        except (MalformedDescription, NoCommonFormat):
            self.stream.close()
            raise
        self.endpoint.subscribe(self.session, self.signalled)

    @property
    def format(self) -> AudioFormat:
        return AudioFormat(self.agreement.codec)

    @property
    def facts(self) -> DialogFacts:
        """What the ledger keeps so that another process could end this dialog."""
        return self.endpoint.facts(self.session)

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
                batch = CallerAudio(
                    at=event.at,
                    leg=self.number,
                    format=self.format,
                    audio=event.audio,
                    position=event.position,
                    lost_ms=event.lost_ms,
                    first_rtp_at=event.first_rtp_at,
                )
                self.audio.offer(batch)
                self.tape.offer(batch)
            case AudioSent():
                self.tape.offer(
                    AgentHeard(
                        at=event.at, leg=self.number, format=self.format, audio=event.audio, position=event.position
                    )
                )
            case _:
                self._inbox.offer(event)

    # -- the actor -----------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Turn facts of dialog and media into messages until the leg has ended."""
        task_status.started()
        try:
            async for event in self._inbox:
                message = self._told(event)
                if isinstance(event, sip.Reoffered):  # the peer may have moved (RFC 3261 section 12.2)
                    await self.events.send(DialogMoved(at=trio.current_time(), leg=self.number, facts=self.facts))
                if message is not None:
                    await self.events.send(message)
                if isinstance(message, LegEnded):
                    return
        finally:
            self.hang_up(Cause.DESK_CLOSED)

    def _told(self, event: sip.Event | MediaEvent) -> Message | None:
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
            case sip.Reoffered():
                return self._reoffered(event)
            case sip.Acked():
                return self._acked(event)
            case sip.Reanswered():
                return self._reanswered(event)
            case sip.ReferAnswered() | sip.Notified():
                return self._transfer_told(event)
            case sip.ReferReceived():
                self.endpoint.respond(self.session, event.request_id, 603)
            case sip.InfoReceived():
                return self._informed(event)
            case _:
                return self._ended_by(event)
        return None

    def _ended_by(self, event: sip.Event | MediaEvent) -> Message | None:
        """The events after which there is no leg."""
        match event:
            case sip.HungUp():
                if self._referring and self._accepted:
                    return self._transfer_over("presumed", None)
                return self._leg_ended(Cause.CALLER_HUNG_UP, None, event.q850)
            case sip.Cancelled():
                return self._leg_ended(Cause.CANCELLED, 487, None)
            case sip.NoAck():
                return self._leg_ended(Cause.NO_ACK, 408, None, by="us")
            case sip.Gone():
                return self._leg_ended(Cause.CALLER_HUNG_UP, None, None)
        return None

    def _leg_ended(
        self, cause: Cause, code: int | None, q850_: int | None, by: Literal["far_end", "us"] = "far_end"
    ) -> LegEnded:
        self._ended = True
        self.close_media()
        return LegEnded(at=trio.current_time(), leg=self.number, cause=cause, sip_code=code, q850=q850_, by=by)

    # -- re-offers, digits by INFO -------------------------------------------------------------------------------

    def _reoffered(self, event: sip.Reoffered) -> Message | None:
        """RFC 3264 section 8: answer a new offer, or refuse it with 488 and keep the old session."""
        if not event.body:
            self._late_offer = self._offer()
            self.endpoint.respond(self.session, event.request_id, 200, bytes(self._late_offer))
            return None
        try:
            agreement = self._agree(event.body, self.agreement.local)
        except (MalformedDescription, NoCommonFormat):
            self.endpoint.respond(self.session, event.request_id, 488)
            return None
        self.endpoint.respond(self.session, event.request_id, 200, bytes(agreement.local))
        return self._agreed(agreement)

    def _agreed(self, agreement: Agreement) -> Message | None:
        """Live by a new agreement; a change of hold is told."""
        was_held = self.held
        self.agreement = agreement
        self.stream.start(agreement, allowed=self.trunk.takes_media_from)
        self.stream.pause_watch(self.held or self._referring)
        if self.held == was_held:
            return None
        return HeldByPeer(at=trio.current_time(), leg=self.number, held=self.held)

    def _reanswered(self, event: sip.Reanswered) -> Message | None:
        """The answer to our re-INVITE; a refusal leaves everything as it was (RFC 3261 section 14.1)."""
        offered, self._offered = self._offered, None
        if offered is None or event.status >= 300 or not event.body:
            return None
        try:
            agreement = self._possible(accept_answer(offered, parse(event.body)))
        except (MalformedDescription, NoCommonFormat):
            return None
        return self._agreed(agreement)

    def _acked(self, event: sip.Acked) -> Message | None:
        """The answer to an offer that a re-INVITE left to us; without a usable one everything stays as it was."""
        offered, self._late_offer = self._late_offer, None
        if offered is None or not event.body:
            return None
        try:
            return self._agreed(self._possible(accept_answer(offered, parse(event.body))))
        except (MalformedDescription, NoCommonFormat):
            return None

    def _offer(self) -> Description:
        """An offer of ours in mid-call: both directions, the codec we speak."""
        return make_offer(
            local_host=self.advertise or self.stream.address.host,
            local_port=self.stream.address.port,
            codecs=[self.agreement.codec],
            session_id=self.session,
            previous=self.agreement.local,
        )

    def _agree(self, body: bytes, previous: Description | None) -> Agreement:
        agreement = answer(
            parse(body),
            local_host=self.advertise or self.stream.address.host,
            local_port=self.stream.address.port,
            codecs=self.trunk.codecs,
            session_id=self.session,
            version=1,
            previous=previous,
        )
        return self._possible(agreement)

    def _possible(self, agreement: Agreement) -> Agreement:
        """Refuse to send to ourselves, or to what only this machine can reach: whoever asks for that is no carrier."""
        for remote in (agreement.remote, agreement.remote_rtcp):
            ours = remote._replace(host=self.stream.address.host) if remote.host == self.advertise else remote
            if not self.trunk.may_name_for_media(remote.host) or self.plane.listens_at(ours):
                raise MalformedDescription(f"{self.trunk.name} has no media at {remote}")
        return agreement

    @property
    def held(self) -> bool:
        """Whether the peer has put us on hold: we may not be heard."""
        return self.agreement.direction in ("recvonly", "inactive")

    def _informed(self, event: sip.InfoReceived) -> Message | None:
        self.endpoint.respond(self.session, event.request_id, 200)
        digit = _info_digit(event.content_type, event.body)
        return DigitPressed(at=trio.current_time(), leg=self.number, digit=digit) if digit else None

    # -- transfers -----------------------------------------------------------------------------------------------

    def _transfer_told(self, event: sip.ReferAnswered | sip.Notified) -> Message | None:
        if not self._referring:
            return None
        if isinstance(event, sip.ReferAnswered) and event.status >= 300:
            return self._transfer_over("refused", event.status)
        self._accepted = True
        if isinstance(event, sip.ReferAnswered):
            return None
        if event.status is not None and event.status >= 200:
            return self._transfer_over(outcome_of(event.status), event.status)
        return self._transfer_over("no_answer", None) if event.terminated else None

    def _transfer_over(
        self, outcome: Literal["completed", "refused", "no_answer", "failed", "presumed"], code: int | None
    ) -> TransferEnded:
        self._referring = False
        self._ended = outcome == "presumed"
        return TransferEnded(at=trio.current_time(), leg=self.number, outcome=outcome, sip_code=code)

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None:
        if not self.trunk.refer:
            await self.events.send(TransferEnded(at=trio.current_time(), leg=self.number, outcome="failed"))
            return
        self._referring, self._accepted = True, False
        self.stream.pause_watch(True)
        self.endpoint.refer(self.session, refer_to=target.uri)
        await trio.lowlevel.checkpoint()

    def take_back(self) -> None:
        self._referring = False
        if self.held and not self._ended:
            self._offered = self._offer()
            self.endpoint.reinvite(self.session, bytes(self._offered))
        self.stream.pause_watch(False)

    # -- the verbs -----------------------------------------------------------------------------------------------

    async def answer(self) -> None:
        if self.status is not None:  # the caller gave up first
            return await trio.lowlevel.checkpoint()
        self.status = 200
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
        self._ended = True
        if self.status is None:
            self.status = sip_code(cause)
            self.endpoint.reject(self.session, self.status, None, reason_headers(q850(cause), cause.value))
        self.endpoint.finish(self.session, q850=q850(cause), text=cause.value)

    def close_media(self) -> None:
        """Give the ports back; the quality of both directions is kept for the record."""
        if not self.quality:
            self.quality = tuple(self.stream.close())


def outcome_of(status: int) -> Literal["completed", "refused", "no_answer", "failed"]:
    """What the final status of a referred call means for a transfer (the sipfrag of a NOTIFY, RFC 3515)."""
    if status < 300:
        return "completed"
    if status in (486, 600, 603):
        return "refused"
    return "no_answer" if status in (408, 480, 487) else "failed"


def _info_digit(content_type: str, body: bytes) -> str | None:
    """The digit of an INFO: `application/dtmf-relay` (Signal=5), `application/dtmf` (5); 10 to 15 are codes (10: *)."""
    text, kind = body[:128].decode("latin-1"), content_type.partition(";")[0].strip().lower()
    if kind == "application/dtmf-relay":
        fields: dict[str, str] = {}
        for line in text.splitlines():
            name, found, value = line.partition("=")
            if found:
                fields[name.strip().lower()] = value.strip()
        text = fields.get("signal", "")
    elif kind != "application/dtmf":
        return None
    signal = text.strip().upper()
    return signal if len(signal) == 1 and signal in KEYS else _CODED.get(signal)
