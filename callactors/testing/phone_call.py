"""One call of a test phone: its dialog, its media, and everything that was told of it. The agent it belongs to is in
user_agent.py; what it does by itself is `Manners`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Protocol

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.net.sip_endpoint import SipEndpoint
from callactors.sdp.crypto import Protection
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Direction, accept_answer, answer, live_stream, make_offer
from callactors.sip import events as sip
from callactors.testing.manners import Manners, Notify
from callactors.testing.rtp_line import RtpLine

UNUSABLE = (MalformedDescription, NoCommonFormat)
SIPFRAG_REASONS = {100: "Trying", 180: "Ringing", 200: "OK"}


class Agent(Protocol):
    """What a call needs of the phone it is on."""

    endpoint: SipEndpoint
    codecs: tuple[str, ...]
    manners: Manners

    def notifies(self) -> list[Notify]: ...

    def spawn(self, work: Callable[..., object], *args: object) -> None: ...

    async def referred(self, call: PhoneCall, refer: sip.ReferReceived) -> None: ...


@attrs.define(eq=False)
class PhoneCall:
    """One call of a user agent. `line` is its media; `successor` is the call a REFER, or a Replaces, made of it."""

    agent: Agent
    session: int
    line: RtpLine
    caller: str
    events: Mailbox[sip.Event] = attrs.field(factory=lambda: Mailbox(64))
    status: int | None = None  # the final answer to our INVITE
    reason: str = ""
    digits_by_info: list[str] = attrs.field(factory=list)
    successor: PhoneCall | None = None
    replaced: PhoneCall | None = None  # the call this one takes the place of
    refer_status: int | None = None  # what we answered a REFER with
    answered: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    settled: trio.Event = attrs.field(factory=trio.Event)  # answered or refused
    transferred: trio.Event = attrs.field(factory=trio.Event)
    ended_by: Literal["us", "them"] | None = None
    offer: Description | None = None  # theirs
    local: Description | None = None
    told: list[sip.Event] = attrs.field(factory=list)  # every event of the dialog
    reanswered: Mailbox[int] = attrs.field(factory=lambda: Mailbox(8))

    # -- verbs ---------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """BYE, CANCEL or refusal, by state. Idempotent."""
        self.agent.endpoint.finish(self.session)
        self._over("us")

    async def hold(self) -> int:
        """Put the far end on hold; the status of its answer."""
        return await self.reoffer("sendonly")

    async def resume(self) -> int:
        """Take the far end back; the status of its answer."""
        return await self.reoffer("sendrecv")

    async def wait_ended(self) -> None:
        await self.ended.wait()

    def ring(self) -> None:
        """180, or with manners for it 183 and early media."""
        if self.agent.manners.early and self.offer is not None:
            self.agent.endpoint.ring(self.session, 183, self._answer_to(self.offer))
        else:
            self.agent.endpoint.ring(self.session)

    def pick_up(self) -> None:
        """Answer an incoming call. Raises MalformedDescription or NoCommonFormat, having refused it with 488."""
        try:
            body = self.make_offer() if self.offer is None else self._answer_to(self.offer)
        except UNUSABLE:
            self.agent.endpoint.reject(self.session, 488)
            raise
        self.agent.endpoint.answer(self.session, body)
        self._up()
        if self.replaced is not None:
            self.replaced.successor = self
            self.replaced.hang_up()

    def refer(self, uri: str, replaces: PhoneCall | None = None) -> None:
        """Ask the far end to dial `uri`, in place of our call there if one is named; what comes of it is in `told`."""
        named = None if replaces is None else self.agent.endpoint.dialog(replaces.session)
        self.agent.endpoint.refer(self.session, uri, replaces=named)

    def refuse(self, status: int) -> None:
        """Turn an incoming call away."""
        manners = self.agent.manners
        headers = [("Reason", manners.reason)] if manners.reason else []
        if manners.retry_after is not None:
            headers.append(("Retry-After", str(manners.retry_after)))
        self.agent.endpoint.reject(self.session, status, headers=headers)
        self._over("us")

    def inform(self, digit: str) -> None:
        """Press a key by INFO."""
        self.agent.endpoint.info(self.session, "application/dtmf-relay", f"Signal={digit}\r\nDuration=100\r\n".encode())

    async def decide(self, status: int) -> None:
        """What manners say becomes of an incoming call: it rings as long as they say, then has its final answer."""
        manners = self.agent.manners
        if manners.rings is not None:
            self.ring()
            with trio.move_on_after(manners.rings):
                await self.ended.wait()
        if self.ended.is_set():
            return
        if status != 200:
            self.refuse(status)
            return
        with suppress(*UNUSABLE):  # refused with 488
            self.pick_up()

    # -- the session description ---------------------------------------------------------------------------------

    def make_offer(
        self, direction: Direction = "sendrecv", codecs: tuple[str, ...] = (), *, rekey: bool = False
    ) -> bytes:
        protocol, crypto = self._protection.offer(live_stream(self.local), renewed=rekey)
        self.local = make_offer(
            local_host=self.line.address.host,
            local_port=self.line.address.port,
            codecs=codecs or self.agent.codecs,
            session_id=self.session + 1,
            direction=direction,
            previous=self.local,
            protocol=protocol,
            crypto=crypto,
        )
        return bytes(self.local)

    @property
    def _protection(self) -> Protection:
        agreement = self.line.agreement
        current = None if agreement is None else agreement.security
        return Protection(self.agent.manners.srtp, secrets.token_bytes, current)

    def _answer_to(self, offer: Description) -> bytes:
        agreement = answer(
            offer,
            local_host=self.line.address.host,
            local_port=self.line.address.port,
            codecs=self.agent.codecs,
            session_id=self.session + 1,
            version=1,
            previous=self.local,
            protection=self._protection,
        )
        self.local = agreement.local
        self.line.agree(agreement)
        return bytes(agreement.local)

    async def reoffer(
        self,
        direction: Direction = "sendrecv",
        *,
        codecs: tuple[str, ...] = (),
        update: bool = False,
        rekey: bool = False,
    ) -> int:
        """Offer anew by re-INVITE, or UPDATE; with `rekey` under a new SRTP key. The status of the answer."""
        offer = self.agent.endpoint.update if update else self.agent.endpoint.reinvite
        offer(self.session, self.make_offer(direction, codecs, rekey=rekey))
        return await self.reanswered.receive()

    def _agree(self, body: bytes) -> None:
        """The far end's answer to our offer. Raises MalformedDescription, NoCommonFormat."""
        assert self.local is not None  # we offered
        self.line.agree(accept_answer(self.local, parse(body)))

    # -- what the far end does -----------------------------------------------------------------------------------

    async def serve(self) -> None:
        """React to the dialog until it is gone."""
        async for event in self.events:
            self.told.append(event)
            self._react(event)
            if isinstance(event, sip.ReferReceived):
                self.agent.spawn(self.agent.referred, self, event)
            if isinstance(event, sip.Gone):
                self._over("them")
                return

    def _react(self, event: sip.Event) -> None:
        match event:
            case sip.Progressed():
                if event.offers:
                    self.agent.endpoint.answer_offer(self.session, self._answer_to(parse(event.body)))
                elif event.body:
                    self._agree(event.body)
            case sip.Answered():
                self._accepted(event)
            case sip.Failed():
                self.status, self.reason = event.status, event.reason
                self._over("them")
            case sip.HungUp() | sip.Cancelled() | sip.NoAck() | sip.Expired():
                self._over("them")
            case sip.Acked():
                if event.body:
                    self._agree(event.body)
            case sip.Reoffered():
                self._reoffered(event)
            case sip.Reanswered():
                if event.status < 300 and event.body:
                    self._agree(event.body)
                self.reanswered.offer(event.status)
            case sip.InfoReceived():
                self.agent.endpoint.respond(self.session, event.request_id, 200)
                self.digits_by_info.append(event.body.decode("latin-1"))

    def _accepted(self, event: sip.Answered) -> None:
        try:
            if event.offers:
                self.agent.endpoint.answer_offer(self.session, self._answer_to(parse(event.body)))
            elif event.body:
                self._agree(event.body)
        except UNUSABLE as error:
            self.status, self.reason = 488, str(error)
            self.hang_up()
            return
        self.status = 200
        self._up()

    def _reoffered(self, event: sip.Reoffered) -> None:
        try:
            body = self.make_offer() if not event.body else self._answer_to(parse(event.body))
        except UNUSABLE:
            self.agent.endpoint.respond(self.session, event.request_id, 488)
            return
        self.agent.endpoint.respond(self.session, event.request_id, 200, body)

    def _up(self) -> None:
        self.answered.set()
        self.settled.set()
        if self.agent.manners.moves_after is not None:
            self.agent.spawn(self._move_later, self.agent.manners.moves_after)

    async def _move_later(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.ended.wait()
        if not self.ended.is_set():
            self.line.move()

    def _over(self, by: Literal["us", "them"]) -> None:
        if not self.ended.is_set():
            self.ended_by = by
        for event in (self.ended, self.settled):
            event.set()
