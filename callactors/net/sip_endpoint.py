"""The shell of sip/endpoint: its wire, the clock, and who wants to hear of which session. No `if` about SIP.

- Verbs are synchronous: they fill in the time, and what they send has left (or been counted) when they return.
- Events go to the session's subscriber; those that come before it subscribes wait for it. A new INVITE goes to
  `on_invite`. Subscribers are called from the reader, the timer or a verb: they put the event away and return.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import Literal

import trio

from callactors.net.udp import UdpSocket, Wire
from callactors.sip.address import Address, Hop
from callactors.sip.dialog import DialogFacts, DialogId
from callactors.sip.endpoint import Endpoint
from callactors.sip.events import Event, Gone, Invited, Replied
from callactors.sip.gate import Gate
from callactors.sip.headers import NameAddr
from callactors.sip.login import Account
from callactors.sip.policy import Policy
from callactors.sip.uri import SipUri

Deliver = Callable[[Event], None]
Tap = Callable[[Literal["in", "out"], bytes, Hop], None]

MAX_WAITING = 32  # events of one session nobody has subscribed to yet


class SipEndpoint:
    """The process's SIP address. Bound at once (OSError when it cannot be); `run` serves it."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        node: str,
        trunk_of: Callable[[Hop], str | None],
        on_invite: Callable[[Invited], None],
        random: Random,
        advertise: str | None = None,
        admits: Callable[[Hop, str], bool] = lambda hop, trunk: True,
        policy_of: Callable[[str], Policy] = lambda trunk: Policy(),
        accepting: Callable[[], bool] = lambda: True,
        gate: Gate | None = None,
        user_agent: str = "callactors",
        tap: Tap | None = None,
        wire: Wire | None = None,
    ) -> None:
        """`advertise` is the host that Via and Contact say when it is not the one bound to.

        `wire` takes the place of a UDP socket of our own at `host` and `port`.
        """
        self._udp: Wire = UdpSocket(host, port) if wire is None else wire
        self._udp.on_lost = self._lose
        self.address, self._advertise = self._udp.address, advertise
        self._endpoint = Endpoint(
            local=self._told(self.address),
            local_of=lambda hop: self._told(self._udp.local(hop)),
            node=node,
            trunk_of=trunk_of,
            admits=admits,
            random=random,
            policy_of=policy_of,
            accepting=accepting,
            gate=gate,
            user_agent=user_agent,
        )
        self._on_invite, self._tap = on_invite, tap
        self._subscribers: dict[int, Deliver] = {}
        self._waiting: dict[int, list[Event]] = {}
        self._lost: list[tuple[Hop, bool]] = []
        self._sending = False
        self._alarm = trio.CancelScope()
        self._settled = trio.Event()
        self._settled.set()
        self._undelivered = 0

    async def run(self, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started with the bound address."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._udp.run)
                nursery.start_soon(self._read)
                nursery.start_soon(self._keep_time)
                task_status.started(self.address)
        finally:
            self._udp.close()

    def close(self) -> None:
        """Give the port back; for an endpoint that never ran."""
        self._udp.close()

    async def wait_settled(self) -> None:
        """Until no request of ours waits for its answer and no 200 for its ACK; the caller sets the limit."""
        if self._settled.is_set():
            self._settled = trio.Event()
        self._note_settled()
        await self._settled.wait()

    def take(self, data: bytes, source: Hop) -> None:
        """A message: the wire's next one, or one that the wire had given to somebody else."""
        if self._tap is not None:
            self._tap("in", data, source)
        self._endpoint.receive(data, source, trio.current_time())
        self._flush()

    def subscribe(self, session: int, deliver: Deliver) -> None:
        """Send this session's events there, those that have waited first.

        `deliver` must not block. If it raises trio's WouldBlock, ClosedResourceError or BrokenResourceError,
        the event is counted as undelivered.
        """
        self._subscribers[session] = deliver
        for event in self._waiting.pop(session, []):
            self._deliver(deliver, event)

    def counters(self) -> dict[str, int]:
        """The endpoint's and the socket's counts since the start, and `undelivered` events."""
        return {**Counter(self._endpoint.counters()) + self._udp.counters, "undelivered": self._undelivered}

    def entries(self) -> int:
        """Sessions and transactions in the table."""
        return self._endpoint.entries()

    def calls(self, trunk: str) -> int:
        """How many calls of that trunk go on, either way."""
        return self._endpoint.calls(trunk)

    # -- verbs: sip/endpoint's, at this moment ------------------------------------------------------------------

    def ring(self, session: int, status: int = 180, body: bytes = b"", reliable: bool | None = None) -> None:
        """A provisional response to a received INVITE; Pracked follows a reliable one."""
        self._endpoint.ring(session, status, body, reliable, now=trio.current_time())
        self._flush()

    def answer(self, session: int, body: bytes) -> bool:
        """200 to a received INVITE; Acked or NoAck follows. Whether it leaves before any Pracked that is `released`."""
        left = self._endpoint.answer(session, body, now=trio.current_time())
        self._flush()
        return left

    def reject(
        self, session: int, status: int, reason: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """A final refusal of a received INVITE. Raises UnsafeText."""
        self._endpoint.reject(session, status, reason, headers, now=trio.current_time())
        self._flush()

    def invite(
        self,
        target: SipUri,
        *,
        to: Hop,
        trunk: str,
        caller: NameAddr,
        body: bytes,
        headers: Iterable[tuple[str, str]] = (),
        credentials: Account | None = None,
    ) -> int:
        """Place a call to a numeric address. Raises UnsafeText."""
        session = self._endpoint.invite(
            target, to=to, trunk=trunk, caller=caller, body=body, headers=headers,
            credentials=credentials, now=trio.current_time(),
        )  # fmt: skip
        self._flush()
        return session

    def reinvite(self, session: int, body: bytes) -> None:
        """Offer anew; Reanswered follows."""
        self._endpoint.reinvite(session, body, now=trio.current_time())
        self._flush()

    def respond(
        self, session: int, request_id: int, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer Reoffered, ReferReceived or InfoReceived. Raises UnsafeText."""
        self._endpoint.respond(session, request_id, status, body, headers, now=trio.current_time())
        self._flush()

    def update(self, session: int, body: bytes) -> None:
        """Offer anew by UPDATE, before the answer too; Reanswered follows."""
        self._endpoint.update(session, body, now=trio.current_time())
        self._flush()

    def answer_offer(self, session: int, body: bytes) -> None:
        """Our answer to an offer that came in a response (`offers`)."""
        self._endpoint.answer_offer(session, body, now=trio.current_time())
        self._flush()

    def info(self, session: int, content_type: str, body: bytes) -> None:
        """An INFO. Raises UnsafeText."""
        self._endpoint.info(session, content_type, body, now=trio.current_time())
        self._flush()

    def ask(
        self,
        method: str,
        uri: SipUri,
        *,
        to: Hop,
        trunk: str,
        caller: NameAddr,
        callee: NameAddr | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        credentials: Account | None = None,
        call_id: str = "",
        cseq: int = 1,
    ) -> int:
        """A request outside any call; Replied, then Gone follow. Raises UnsafeText."""
        session = self._endpoint.ask(
            method, uri, to=to, trunk=trunk, caller=caller, callee=callee, headers=headers, body=body,
            credentials=credentials, call_id=call_id, cseq=cseq, now=trio.current_time(),
        )  # fmt: skip
        self._flush()
        return session

    async def wait_replied(self, session: int) -> Replied:
        """The answer to `ask`, and nobody else subscribes. Who stops waiting does not ask any more."""
        put, events = trio.open_memory_channel[Event](2)  # Replied, then Gone
        self.subscribe(session, put.send_nowait)
        try:
            while not isinstance(event := await events.receive(), Replied):
                pass
            return event
        finally:
            self.finish(session)

    def refer(
        self, session: int, refer_to: str, referred_by: str | None = None, replaces: DialogId | None = None
    ) -> None:
        """Ask the peer to dial; ReferAnswered and Notified follow. Raises UnsafeText."""
        self._endpoint.refer(session, refer_to, referred_by, replaces, now=trio.current_time())
        self._flush()

    def notify(self, session: int, sipfrag: bytes, terminated: bool) -> None:
        """Report on the call a REFER asked for."""
        self._endpoint.notify(session, sipfrag, terminated, now=trio.current_time())
        self._flush()

    def finish(self, session: int, *, q850: int | None = None, text: str | None = None) -> None:
        """End it, whatever its state; idempotent, never raises."""
        self._endpoint.finish(session, q850=q850, text=text, now=trio.current_time())
        self._flush()

    def facts(self, session: int) -> DialogFacts:
        """The dialog for the ledger. Raises DialogGone once the session is."""
        return self._endpoint.facts(session)

    def dialog(self, session: int) -> DialogId:
        """The dialog's name, for `refer(replaces=...)`. Raises DialogGone once the session is."""
        return self._endpoint.dialog(session)

    def contact(self, to: Hop) -> str:
        """Our Contact as that neighbour is told it, in angle brackets."""
        return self._endpoint.contact(to)

    def bye_orphan(
        self, facts: DialogFacts, cseq: int, account_of: Callable[[str], Account | None] = lambda trunk: None
    ) -> None:
        """BYE a dialog of a process that died. Raises MalformedMessage when the facts do not parse."""
        self._endpoint.bye_orphan(facts, cseq, account_of, now=trio.current_time())
        self._flush()

    # -- the two tasks, and the way between ---------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            for data, source in await self._udp.receive():
                self.take(data, source)

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._next()) as self._alarm:
                await trio.sleep_forever()
            self._endpoint.expire(trio.current_time())
            self._flush()

    def _next(self) -> float:
        when = self._endpoint.next_timer()
        return inf if when is None else when

    def _told(self, bound: Address) -> Address:
        """What peers are told of a listener: the advertised host where it can stand for its family."""
        host = self._advertise
        numeric = host is not None and host.replace(".", "").isdigit()
        if host is None or (numeric if ":" in bound.host else ":" in host):
            return bound
        return Address(host, bound.port)

    def _lose(self, hop: Hop, broken: bool) -> None:
        """The wire cannot reach this neighbour; said in the middle of sending, it is dealt with when that is done."""
        self._lost.append((hop, broken))
        if not self._sending:
            self._flush()

    def _send(self) -> None:
        """Everything there is to send, and what is sent because it could not be."""
        self._sending = True
        while (datagrams := self._endpoint.datagrams()) or self._lost:
            for datagram in datagrams:
                if self._tap is not None:
                    self._tap("out", datagram.data, datagram.destination)
                self._udp.send(datagram.data, datagram.destination)
            lost, self._lost = self._lost, []
            for hop, broken in lost:
                self._endpoint.unreachable(hop, trio.current_time(), broken=broken)
        self._sending = False

    def _flush(self) -> None:
        self._send()
        for event in self._endpoint.events():
            self._tell(event)
        self._alarm.deadline = self._next()
        self._note_settled()

    def _note_settled(self) -> None:
        """Looks only while somebody waits: the question costs a walk over the table."""
        if not self._settled.is_set() and not self._endpoint.unsettled():
            self._settled.set()

    def _tell(self, event: Event) -> None:
        deliver = self._subscribers.get(event.session)
        if isinstance(event, Invited):
            self._on_invite(event)
        elif deliver is not None:
            self._deliver(deliver, event)
        elif not isinstance(event, Gone) and len(waiting := self._waiting.setdefault(event.session, [])) < MAX_WAITING:
            waiting.append(event)
        if isinstance(event, Gone):
            self._subscribers.pop(event.session, None)
            self._waiting.pop(event.session, None)

    def _deliver(self, deliver: Deliver, event: Event) -> None:
        try:
            deliver(event)
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            self._undelivered += 1
