"""A real SIP user agent: places calls, answers them, speaks, listens, transfers, holds. A phone or a carrier.

- Signalling is net/sip_endpoint, over UDP or any wire; media is rtp_line, which keeps every packet with its time.
- What it does when called and when referred is `Manners`: data, so that one program is every far end a test needs.
- Every call is a PhoneCall served by its own task; `wait_*` wait for what the far end does.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Literal

import trio

from callactors.actors.mailbox import Mailbox
from callactors.errors import MalformedDescription, MalformedMessage, Ours, Theirs
from callactors.net.sip_endpoint import SipEndpoint
from callactors.net.udp import Wire
from callactors.sdp.description import parse
from callactors.sip import events as sip
from callactors.sip.address import Hop, Transport
from callactors.sip.headers import NameAddr
from callactors.sip.message import parse as parse_message
from callactors.sip.multipart import SDP, part_of
from callactors.sip.policy import Policy
from callactors.sip.transfer import sipfrag
from callactors.sip.uri import SipUri, parse_uri
from callactors.sip.usage import hop_of
from callactors.testing.manners import Logged, Manners, Notify, notifies
from callactors.testing.phone_call import SIPFRAG_REASONS, PhoneCall
from callactors.testing.rtp_line import RtpLine

__all__ = ["NoSuchPhone", "NotAnswered", "PhoneCall", "UserAgent", "user_agent"]

RING = 30.0  # seconds a call of ours may ring
NOWHERE = Hop("", 0)
_NODES = itertools.count()  # two phones of one name are no loop


class NotAnswered(Theirs):
    """A call we placed was refused, or nobody answered in time."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(f"the call was not answered: {status} {reason}".strip())


class NoSuchPhone(Ours):
    """A URI that cannot be dialled: not SIP, or its host is not numeric."""


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
        policy: Policy | None = None,
        transport: Transport = "udp",
    ) -> None:
        """Raises OSError when `host` cannot be bound. `media_host` is where RTP lives, if not there too.

        `policy` is how it speaks SIP: PRACK, session timers. `transport` is that of its `wire`.
        """
        self.codecs, self.manners, self.name = codecs, manners or Manners(), name
        self.random, self.policy = random or Random(), policy or Policy()
        self.media_host, self.transport = media_host or host, transport
        self.messages: list[Logged] = []
        self.calls: list[PhoneCall] = []
        self.endpoint = SipEndpoint(
            host,
            0,
            node=f"{name}{next(_NODES)}",
            trunk_of=lambda hop: None if self.manners.invite == "silence" else "peer",
            on_invite=self._invited,
            random=self.random,
            policy_of=lambda trunk: self.policy,
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
        return f"sip:{self.name}@{self.hop}"

    @property
    def hop(self) -> Hop:
        """Where it is reached."""
        return Hop(*self.address, self.transport)

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

    async def dial(self, uri: str, *, caller: str = "anonymous", ring: float = RING, offer: bool = True) -> PhoneCall:
        """Place a call and wait for its answer. Raises NotAnswered, NoSuchPhone."""
        return await self._answered(self.place(uri, caller=caller, offer=offer), ring)

    def place(
        self,
        uri: str,
        *,
        caller: str = "anonymous",
        headers: Iterable[tuple[str, str]] = (),
        to: Hop | None = None,
        offer: bool = True,
        replaces: str | None = None,
    ) -> PhoneCall:
        """Send an INVITE, to `to` where that is not the URI's host; without `offer` the far end has to make one.

        `replaces` is a Replaces header's text (RFC 3891). Raises NoSuchPhone.
        """
        target = _dialable(uri)
        call = self._new_call(-1, caller)
        call.session = self.endpoint.invite(
            target,
            to=to or hop_of(target, NOWHERE),
            trunk="peer",
            caller=NameAddr("", SipUri("sip", caller, None, self.address.host)),
            body=call.make_offer() if offer else b"",
            headers=[*headers, *([("Replaces", replaces)] if replaces else [])],
        )
        self._begin(call)
        return call

    async def _answered(self, call: PhoneCall, ring: float) -> PhoneCall:
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
        body = part_of(SDP, invite.request.headers.get("Content-Type") or SDP, invite.request.body)
        try:
            offer = parse(body) if body else None
        except MalformedDescription:
            self.endpoint.reject(invite.session, 488)
            return
        call = self._new_call(invite.session, invite.request.headers.get("From") or "")
        call.offer = offer
        call.replaced = next((old for old in self.calls if old.session == invite.replaces), None)
        self._begin(call)
        self._received(call)

    def _received(self, call: PhoneCall) -> None:
        """As manners have it; who replaces another call of ours is taken at once."""
        wish = 200 if call.replaced is not None else self.manners.invite
        if isinstance(wish, int):
            self.spawn(call.decide, wish)
        elif wish == "ring":
            call.ring()
            self.on_call(call)

    def _new_call(self, session: int, caller: str) -> PhoneCall:
        line = RtpLine(self.media_host, self.random)
        line.mute = not self.manners.rtp
        call = PhoneCall(self, session, line, caller)
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
            self.endpoint.notify(call.session, sipfrag(final, SIPFRAG_REASONS.get(final, "Failed")), True)

    async def _dial_referred(self, call: PhoneCall, refer: sip.ReferReceived) -> int:
        try:
            placed = self.place(str(refer.refer_to), caller=self.name, replaces=refer.replaces)
            call.successor = await self._answered(placed, RING)
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
    host: str,
    *,
    name: str = "phone",
    manners: Manners | None = None,
    codecs: tuple[str, ...] = ("pcmu", "pcma"),
    policy: Policy | None = None,
    wire: Wire | None = None,
    transport: Transport = "udp",
    media_host: str | None = None,
) -> AsyncIterator[UserAgent]:
    """A phone on a free port of `host`, or on a wire, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        agent = UserAgent(
            host, name=name, manners=manners, codecs=codecs, policy=policy, wire=wire, transport=transport,
            media_host=media_host,
        )  # fmt: skip
        yield await nursery.start(agent.run)
        nursery.cancel_scope.cancel()


def _dialable(uri: str) -> SipUri:
    try:
        target = parse_uri(uri)
    except MalformedMessage as error:
        raise NoSuchPhone(str(error)) from None
    if not isinstance(target, SipUri):
        raise NoSuchPhone(f"{uri[:80]!r} is no SIP address")
    return target
