"""A real SIP user agent over UDP: places calls, answers them, speaks, listens, transfers, holds. A phone or a carrier.

- Signalling is net/sip_endpoint; media is rtp_line, which keeps every packet with its time.
- What it does when referred is `Manners`: data, so that one program is every far end a test needs.
- Every call is a PhoneCall served by its own task; `wait_*` wait for what the far end does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Literal

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.errors import MalformedDescription, MalformedMessage, NoCommonFormat, Ours, Theirs
from callactors.net.sip_endpoint import SipEndpoint
from callactors.net.udp import Wire
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Direction, accept_answer, answer, make_offer
from callactors.sip import events as sip
from callactors.sip.address import Hop
from callactors.sip.headers import NameAddr
from callactors.sip.message import parse as parse_message
from callactors.sip.transfer import sipfrag
from callactors.sip.uri import SipUri, parse_uri
from callactors.testing.manners import Logged, Manners, Notify, notifies
from callactors.testing.rtp_line import RtpLine

RING = 30.0  # seconds a call of ours may ring
SIP_PORT = 5060
_REASONS = {100: "Trying", 180: "Ringing", 200: "OK"}


class NotAnswered(Theirs):
    """A call we placed was refused, or nobody answered in time."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(f"the call was not answered: {status} {reason}".strip())


class NoSuchPhone(Ours):
    """A URI that cannot be dialled: not SIP, or its host is not numeric."""


@attrs.define(eq=False)
class PhoneCall:
    """One call of a user agent. `line` is its media; `successor` is the call a REFER made of it."""

    agent: UserAgent
    session: int
    line: RtpLine
    caller: str
    events: Mailbox[sip.Event] = attrs.field(factory=lambda: Mailbox(64))
    status: int | None = None  # the final answer to our INVITE
    reason: str = ""
    digits_by_info: list[str] = attrs.field(factory=list)
    successor: PhoneCall | None = None
    refer_status: int | None = None  # what we answered a REFER with
    answered: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    settled: trio.Event = attrs.field(factory=trio.Event)  # answered or refused
    transferred: trio.Event = attrs.field(factory=trio.Event)
    ended_by: Literal["us", "them"] | None = None
    offer: Description | None = None
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
        return await self._reoffer("sendonly")

    async def resume(self) -> int:
        """Take the far end back; the status of its answer."""
        return await self._reoffer("sendrecv")

    async def wait_ended(self) -> None:
        await self.ended.wait()

    def pick_up(self) -> None:
        """Answer an incoming call. Raises MalformedDescription or NoCommonFormat, having refused it with 488."""
        assert self.offer is not None  # the call came in
        try:
            body = self._answer_to(self.offer)
        except (MalformedDescription, NoCommonFormat):
            self.agent.endpoint.reject(self.session, 488)
            raise
        self.agent.endpoint.answer(self.session, body)
        self._up()

    def refer(self, uri: str) -> None:
        """Ask the far end to dial `uri`; what comes of it is in `told`."""
        self.agent.endpoint.refer(self.session, uri)

    def refuse(self, status: int) -> None:
        """Turn an incoming call away."""
        self.agent.endpoint.reject(self.session, status)
        self._over("us")

    # -- the session description ---------------------------------------------------------------------------------

    def make_offer(self, direction: Direction = "sendrecv") -> bytes:
        self.local = make_offer(
            local_host=self.line.address.host,
            local_port=self.line.address.port,
            codecs=self.agent.codecs,
            session_id=self.session + 1,
            direction=direction,
            previous=self.local,
        )
        return bytes(self.local)

    def _answer_to(self, offer: Description) -> bytes:
        agreement = answer(
            offer,
            local_host=self.line.address.host,
            local_port=self.line.address.port,
            codecs=self.agent.codecs,
            session_id=self.session + 1,
            version=1,
            previous=self.local,
        )
        self.local = agreement.local
        self.line.agree(agreement)
        return bytes(agreement.local)

    async def _reoffer(self, direction: Direction) -> int:
        self.agent.endpoint.reinvite(self.session, self.make_offer(direction))
        return await self.reanswered.receive()

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
            case sip.Answered():
                self._accepted(event.body)
            case sip.Failed():
                self.status, self.reason = event.status, event.reason
                self._over("them")
            case sip.HungUp() | sip.Cancelled() | sip.NoAck():
                self._over("them")
            case sip.Reoffered():
                self._reoffered(event)
            case sip.Reanswered():
                if event.status < 300 and self.local is not None and event.body:
                    self.line.agree(accept_answer(self.local, parse(event.body)))
                self.reanswered.offer(event.status)
            case sip.InfoReceived():
                self.agent.endpoint.respond(self.session, event.request_id, 200)
                self.digits_by_info.append(event.body.decode("latin-1"))

    def _accepted(self, body: bytes) -> None:
        assert self.local is not None  # every INVITE of ours offers
        try:
            self.line.agree(accept_answer(self.local, parse(body)))
        except (MalformedDescription, NoCommonFormat) as error:
            self.status, self.reason = 488, str(error)
            self.hang_up()
            return
        self.status = 200
        self._up()

    def _reoffered(self, event: sip.Reoffered) -> None:
        body = self.make_offer() if not event.body else self._answer_to(parse(event.body))
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


class UserAgent:
    """One SIP address. `async with user_agent(...)` runs one."""

    def __init__(
        self,
        host: str,
        *,
        media_host: str | None = None,
        codecs: tuple[str, ...] = ("pcmu", "pcma"),
        manners: Manners | None = None,
        random: Random | None = None,
        wire: Wire | None = None,
        name: str = "phone",
    ) -> None:
        """Raises OSError when `host` cannot be bound. `media_host` is where RTP lives, if not there too."""
        self.codecs, self.manners, self.name = codecs, manners or Manners(), name
        self.random = random or Random()
        self.media_host = media_host or host
        self.messages: list[Logged] = []
        self.calls: list[PhoneCall] = []
        self.endpoint = SipEndpoint(
            host,
            0,
            node=name,
            trunk_of=lambda ip: "peer",
            on_invite=self._invited,
            random=self.random,
            user_agent=f"callactors-{name}",
            tap=self._tap,
            wire=wire,
        )
        self.address = self.endpoint.address
        self.on_call: Callable[[PhoneCall], None] = lambda call: self._rung.offer(call)
        self._rung: Mailbox[PhoneCall] = Mailbox(64)
        self._nursery: trio.Nursery | None = None

    @property
    def uri(self) -> str:
        """What to dial to reach it."""
        return f"sip:{self.name}@{self.address}"

    def notifies(self) -> list[Notify]:
        """Every NOTIFY it sent, with its answer."""
        return notifies(self.messages)

    async def run(self, task_status: trio.TaskStatus[UserAgent] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.endpoint.run)
            task_status.started(self)

    def spawn(self, work: Callable[..., object], *args: object) -> None:
        """A task for as long as the user agent runs."""
        assert self._nursery is not None  # calls exist only while it runs
        self._nursery.start_soon(work, *args)  # type: ignore[arg-type]  # any coroutine function of a call

    # -- calls ---------------------------------------------------------------------------------------------------

    async def dial(self, uri: str, *, caller: str = "anonymous", ring: float = RING) -> PhoneCall:
        """Place a call and wait for its answer. Raises NotAnswered, NoSuchPhone."""
        target = _dialable(uri)
        call = self._new_call(-1, caller)
        call.session = self.endpoint.invite(
            target,
            to=Hop(target.host, target.port or SIP_PORT),
            trunk="peer",
            caller=NameAddr("", SipUri("sip", caller, None, self.address.host)),
            body=call.make_offer(),
        )
        self._begin(call)
        with trio.move_on_after(ring) as patience:
            await call.settled.wait()
        if not call.answered.is_set():
            call.hang_up()
            raise NotAnswered(408 if patience.cancelled_caught else call.status or 408, call.reason)
        return call

    async def next_call(self) -> PhoneCall:
        """The next incoming call; it is ringing."""
        return await self._rung.receive()

    def _invited(self, invite: sip.Invited) -> None:
        try:
            offer = parse(invite.request.body)
        except MalformedDescription:
            self.endpoint.reject(invite.session, 488)
            return
        call = self._new_call(invite.session, invite.request.headers.get("From") or "")
        call.offer = offer
        self.endpoint.ring(invite.session)
        self._begin(call)
        self.on_call(call)

    def _new_call(self, session: int, caller: str) -> PhoneCall:
        call = PhoneCall(self, session, RtpLine(self.media_host, self.random), caller)
        self.calls.append(call)
        return call

    def _begin(self, call: PhoneCall) -> None:
        self.endpoint.subscribe(call.session, call.events.offer)
        self.spawn(call.serve)
        self.spawn(self._run_line, call)

    async def _run_line(self, call: PhoneCall) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(call.line.run)
            await call.ended.wait()
            nursery.cancel_scope.cancel()

    # -- transfers -----------------------------------------------------------------------------------------------

    async def referred(self, call: PhoneCall, refer: sip.ReferReceived) -> None:
        """What our manners make of a REFER."""
        manners = self.manners
        call.refer_status = manners.refer
        self.endpoint.respond(call.session, refer.request_id, manners.refer)
        if manners.refer >= 300:
            return
        self.endpoint.notify(call.session, sipfrag(100, "Trying"), False)
        if manners.hold and not call.ended.is_set():
            await call.hold()
        final = await self._dial_referred(call, refer) if manners.final == "outcome" else manners.final
        if manners.bye_for_notify:
            call.hang_up()
        elif final is not None and not call.ended.is_set():
            self.endpoint.notify(call.session, sipfrag(final, _REASONS.get(final, "Failed")), True)

    async def _dial_referred(self, call: PhoneCall, refer: sip.ReferReceived) -> int:
        try:
            call.successor = await self.dial(str(refer.refer_to), caller=call.caller)
        except NotAnswered as refused:
            return refused.status
        except NoSuchPhone:
            return 404
        call.transferred.set()
        return 200

    def _tap(self, direction: Literal["in", "out"], data: bytes, peer: Hop) -> None:
        try:
            message = parse_message(data)
        except MalformedMessage:
            return
        self.messages.append(Logged(trio.current_time(), direction == "out", message))


@asynccontextmanager
async def user_agent(
    host: str, *, name: str = "phone", manners: Manners | None = None, codecs: tuple[str, ...] = ("pcmu", "pcma")
) -> AsyncIterator[UserAgent]:
    """A phone on a free port of `host`, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(UserAgent(host, name=name, manners=manners, codecs=codecs).run)
        nursery.cancel_scope.cancel()


def _dialable(uri: str) -> SipUri:
    try:
        target = parse_uri(uri)
    except MalformedMessage as error:
        raise NoSuchPhone(str(error)) from None
    if not isinstance(target, SipUri):
        raise NoSuchPhone(f"{uri[:80]!r} is no SIP address")
    return target
