"""The SIP endpoint, sans-IO: one table of transactions and sessions (RFC 3261), fed datagrams and the time.

    receive(data, source, now)    next_timer()    expire(now)    ->    datagrams()    events()

- Only a packet's source decides whose it is. Strangers get silence and one counter; a dialog's or a CANCEL's sender
  must be of the trunk that opened it, from any of its addresses.
- Whatever is refused is refused without a transaction (section 8.2.7): strangers' rubbish takes no memory.
- No exception leaves `receive`, whatever the bytes. Verbs about a session that is gone or in another state do nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from random import Random
from types import MappingProxyType

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip import responses
from callactors.sip.address import Address, Hop, Transport
from callactors.sip.core import ACCEPT, ALLOW, Core, Datagram, merge_key, server_key
from callactors.sip.dialog import Dialog, DialogFacts
from callactors.sip.events import Event, Invited
from callactors.sip.headers import NameAddr, cseq, name_addr, vias
from callactors.sip.in_dialog import Inside
from callactors.sip.incoming import Incoming
from callactors.sip.login import Login
from callactors.sip.message import Request, Response, parse, salvage
from callactors.sip.outgoing import Outgoing
from callactors.sip.policy import Policy
from callactors.sip.reason import read_reason
from callactors.sip.scan import host_port
from callactors.sip.screening import incomplete, refusal
from callactors.sip.session import Session
from callactors.sip.uri import SipUri

__all__ = ["Datagram", "Endpoint"]

MAX_ENTRIES = 20_000
RETRY_AFTER = "5"  # seconds, with a 503
_TRANSPORTS: dict[str, Transport] = {"udp": "udp", "tcp": "tcp", "tls": "tls"}
LONGEST_START = 4_096  # bytes in which a SIP message must have said that it is one


class Endpoint:
    """Every SIP transaction, dialog and dying dialog of one address."""

    def __init__(
        self,
        *,
        local: Address,
        listeners: Mapping[Transport, Address] = MappingProxyType({}),
        node: str,
        trunk_of: Callable[[Hop], str | None],
        random: Random,
        policy_of: Callable[[str], Policy] = lambda trunk: Policy(),
        accepting: Callable[[], bool] = lambda: True,
        user_agent: str = "callactors",
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        """`local` is what Via and Contact say (the advertised address), `listeners` where other transports differ.

        `node` begins every tag and branch. `trunk_of(source)` names the trunk a message comes from, or None;
        it is only asked about numeric hosts. `policy_of(trunk)` is how that trunk is spoken to.
        """
        self._core = Core(local=local, listeners=listeners, node=node, random=random, user_agent=user_agent)
        self._listed_trunk, self._policy_of, self._accepting = trunk_of, policy_of, accepting
        self._max_entries = max_entries
        self._sessions: dict[int, Session] = {}
        self._dialogs: dict[tuple[str, str], Session] = {}  # by Call-ID and local tag
        self._invites: dict[tuple[str, ...], Incoming] = {}  # by the INVITE's transaction key, for CANCEL
        self._dialled: Counter[tuple[str, str]] = Counter()  # (host, trunk) of sessions we opened

    # -- datagrams in, time, datagrams and events out -----------------------------------------------------------

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """One datagram. What it leads to is in `datagrams()` and `events()`."""
        trunk = self._trunk_of(source)
        if trunk is None:
            self._core.counters["strangers"] += 1
        elif not data.strip(b"\r\n"):
            self._core.counters["keepalives"] += 1
        elif b"SIP/" not in data[:LONGEST_START].upper():
            self._core.counters["not_sip"] += 1
        else:
            try:
                self._read(data, source, trunk, now)
            except (MalformedMessage, UnsafeText):
                self._core.counters["malformed"] += 1

    def next_timer(self) -> float | None:
        """When `expire` is next needed; None for never."""
        return self._core.timers.next()

    def expire(self, now: float) -> None:
        """Do what has become due."""
        self._core.timers.expire(now)

    def datagrams(self) -> list[Datagram]:
        """What is to be sent, in order; each is handed out once."""
        taken, self._core.outbox = self._core.outbox, []
        return taken

    def events(self) -> list[Event]:
        """What has happened, in order; each is handed out once."""
        taken, self._core.told = self._core.told, []
        return taken

    def counters(self) -> dict[str, int]:
        """strangers, keepalives, not_sip, malformed, repeated, stray, unsafe, overloaded: datagrams since the start."""
        return dict(self._core.counters)

    def entries(self) -> int:
        """Sessions and transactions in the table."""
        return len(self._sessions) + len(self._core.sent) + len(self._core.served)

    def unsettled(self) -> int:
        """How many of our requests wait for their final response, and of our 2xx for their ACK."""
        return self._core.waiting() + sum(session.unacknowledged_count for session in self._sessions.values())

    # -- verbs of a received INVITE -----------------------------------------------------------------------------

    def ring(self, session: int, status: int = 180, body: bytes = b"", *, now: float) -> None:
        """A provisional response."""
        if isinstance(found := self._sessions.get(session), Incoming):
            found.ring(status, body, now)

    def answer(self, session: int, body: bytes, *, now: float) -> None:
        """200 with our description, repeated until its ACK; Acked or NoAck follows."""
        if isinstance(found := self._sessions.get(session), Incoming):
            found.answer(body, now)

    def reject(
        self,
        session: int,
        status: int,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        *,
        now: float,
    ) -> None:
        """A final refusal (3xx to 6xx). Raises UnsafeText when `reason` or a header holds CR, LF or NUL."""
        if isinstance(found := self._sessions.get(session), Incoming):
            found.reject(status, now, reason, headers)

    # -- verbs of both roles ------------------------------------------------------------------------------------

    def invite(
        self,
        target: SipUri,
        *,
        to: Hop,
        trunk: str,
        caller: NameAddr,
        body: bytes,
        headers: Iterable[tuple[str, str]] = (),
        credentials: tuple[str, str] | None = None,
        now: float,
    ) -> int:
        """Place a call; Progressed, then Answered or Failed follow. Raises UnsafeText for unwritable headers."""
        session = Outgoing(
            self._core, self._core.number(), target, caller, to=to, trunk=trunk, body=body,
            headers=headers, listed=self._lists(trunk), forget=self._forget,
            login=None if credentials is None else Login(*credentials),
        )  # fmt: skip
        session.start(now)
        self._dialled[to.host, trunk] += 1
        return self._remember(session)

    def reinvite(self, session: int, body: bytes, *, now: float) -> None:
        """Offer anew (hold, resume, another address); Reanswered follows."""
        if (found := self._sessions.get(session)) is not None:
            found.reinvite(body, now)

    def respond(
        self,
        session: int,
        request_id: int,
        status: int,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        now: float,
    ) -> None:
        """Answer Reoffered, ReferReceived or InfoReceived."""
        if (found := self._sessions.get(session)) is not None:
            found.respond(request_id, status, now=now, body=body, headers=headers)

    def refer(self, session: int, refer_to: str, referred_by: str | None = None, *, now: float) -> None:
        """Ask the peer to dial `refer_to`; ReferAnswered, then Notified follow. Raises UnsafeText."""
        if (found := self._sessions.get(session)) is not None:
            found.refer(refer_to, referred_by, now)

    def notify(self, session: int, sipfrag: bytes, terminated: bool, *, now: float) -> None:
        """Tell the peer how the call it asked for by REFER goes."""
        if (found := self._sessions.get(session)) is not None:
            found.notify(sipfrag, terminated, now)

    def finish(self, session: int, *, q850: int | None = None, text: str | None = None, now: float) -> None:
        """End it, whatever its state: BYE, CANCEL or 480. Idempotent; only Gone follows."""
        if (found := self._sessions.get(session)) is not None:
            found.finish(now, q850, text)

    def facts(self, session: int) -> DialogFacts:
        """The dialog for the ledger. Raises KeyError once the session is gone."""
        return self._sessions[session].facts()

    def bye_orphan(
        self, facts: DialogFacts, cseq: int, *, now: float, credentials: tuple[str, str] | None = None
    ) -> None:
        """BYE a dialog of a process that died. `cseq` is the number to use, above all it can have used.

        Raises MalformedMessage when the facts do not parse.
        """
        dialog = Dialog.from_facts(facts)
        dialog.local_cseq = cseq - 1
        peer = _hop(facts.remote_address)
        trunk = self._trunk_of(peer) or ""
        session = Session(
            self._core, self._core.number(), trunk, dialog, peer, listed=self._lists(trunk), forget=self._forget,
            login=None if credentials is None else Login(*credentials),
        )  # fmt: skip
        session.confirmed = True
        self._dialled[peer.host, trunk] += 1
        self._remember(session)
        session.finish(now)

    # -- whose is it --------------------------------------------------------------------------------------------

    def _trunk_of(self, source: Hop) -> str | None:
        trunk = self._listed_trunk(source)
        if trunk is None:
            trunk = next((trunk for dialled, trunk in self._dialled if dialled == source.host), None)
        return trunk

    def _lists(self, trunk: str) -> Callable[[Hop], bool]:
        return lambda hop: self._listed_trunk(hop) == trunk

    def _remember(self, session: Session) -> int:
        self._sessions[session.number] = session
        self._dialogs[session.dialog.call_id, session.dialog.local_tag] = session
        return session.number

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.number, None)
        self._dialogs.pop((session.dialog.call_id, session.dialog.local_tag), None)
        if isinstance(session, Incoming):
            self._invites.pop(session.key, None)
        else:
            self._dialled.subtract([(session.peer.host, session.trunk)])
            self._dialled += Counter()  # drops what is zero

    # -- messages -----------------------------------------------------------------------------------------------

    def _read(self, data: bytes, source: Hop, trunk: str, now: float) -> None:
        try:
            message = parse(data)
        except MalformedMessage as problem:
            self._refuse_unreadable(data, source, trunk, problem.status)
            raise
        if isinstance(message, Response):
            self._take_response(message, source, trunk, now)
        else:
            self._take_request(message, source, trunk, now)

    def _refuse_unreadable(self, data: bytes, source: Hop, trunk: str, status: int) -> None:
        request = salvage(data)
        if request is not None:
            to = responses.destination(request, source, self._policy_of(trunk).responses)
            self._core.send_stateless(responses.note_source(request, source), to, status)

    def _take_response(self, response: Response, source: Hop, trunk: str, now: float) -> None:
        stack = vias(response.headers)
        if len(stack) != 1 or response.headers.get("CSeq") is None:
            raise MalformedMessage("not a response to us")
        number = cseq(response.headers)
        sent = self._core.sent.get((stack[0].branch or "", number.method))
        if sent is None or (source.host != sent.destination.host and trunk != sent.trunk):
            self._core.counters["stray"] += 1
            return
        to = name_addr(response.headers.get("To") or "")
        if number.method == "INVITE" and 200 <= response.status < 300 and not to.tag:
            raise MalformedMessage("a 2xx without a To tag")
        sent.machine.receive(response, now)

    def _take_request(self, request: Request, source: Hop, trunk: str, now: float) -> None:
        if not vias(request.headers):
            raise MalformedMessage("no Via")
        to = responses.destination(request, source, self._policy_of(trunk).responses)
        request = responses.note_source(request, source)
        if incomplete(request):
            self._core.send_stateless(request, to, 400)
        elif request.method == "ACK":
            self._take_ack(request, source, trunk, now)
        elif request.method == "CANCEL":
            self._take_cancel(request, source, to, trunk, now)
        elif (served := self._core.served.get(server_key(request, trunk))) is not None:
            self._core.counters["repeated"] += 1
            served.machine.repeated()
        elif (no := refusal(request)) is not None:
            self._core.send_stateless(request, to, no.status, *no.headers)
        elif name_addr(request.headers.get("To") or "").tag:
            self._take_inside(request, source, to, trunk, now)
        else:
            self._take_new(request, source, to, trunk, now)

    def _session_of(self, request: Request, source: Hop, trunk: str) -> Session | None:
        """The session whose dialog this request names, if its sender may speak in it."""
        local, remote = (name_addr(request.headers.get(name) or "").tag or "" for name in ("To", "From"))
        session = self._dialogs.get((request.headers.get("Call-ID") or "", local))
        if session is None or session.dialog.remote_tag != remote:
            return None
        return session if trunk == session.trunk or source.host == session.peer.host else None

    def _take_ack(self, request: Request, source: Hop, trunk: str, now: float) -> None:
        served = self._core.served.get(server_key(request, trunk))
        if served is not None:
            served.machine.acked(now)
        session = self._session_of(request, source, trunk)
        if session is not None:
            session.acknowledged(cseq(request.headers).number, request.body, now)

    def _take_cancel(self, request: Request, source: Hop, to: Hop, trunk: str, now: float) -> None:
        key = server_key(request, trunk, "INVITE")
        if key not in self._core.served:
            self._core.send_stateless(request, to, 481)
            return
        opened = self._invites.get(key)
        tag = opened.dialog.local_tag if opened is not None else responses.stateless_tag(self._core.node, request)
        self._core.put_safely(responses.response(request, 200, tag=tag), to)
        if opened is not None:
            opened.cancel(*read_reason(request.headers), now)
        elif (session := self._session_of(request, source, trunk)) is not None:
            session.withdraw(key, now)

    def _take_inside(self, request: Request, source: Hop, to: Hop, trunk: str, now: float) -> None:
        session = self._session_of(request, source, trunk)
        if session is None:
            self._core.send_stateless(request, to, 481)
        else:
            Inside(session, request, server_key(request, trunk), source, to).take(now)

    def _take_new(self, request: Request, source: Hop, to: Hop, trunk: str, now: float) -> None:
        if request.method == "OPTIONS":
            status = 200 if self._accepting() else 503
            self._core.send_stateless(request, to, status, ("Allow", ALLOW), ("Accept", ACCEPT))
        elif request.method != "INVITE":
            self._core.send_stateless(request, to, 481)
        elif merge_key(request) in self._core.merged:
            self._core.send_stateless(request, to, 482)
        elif self.entries() >= self._max_entries:
            self._core.counters["overloaded"] += 1
            self._core.send_stateless(request, to, 503, ("Retry-After", RETRY_AFTER))
        else:
            self._admit(request, source, to, trunk, now)

    def _admit(self, request: Request, source: Hop, to: Hop, trunk: str, now: float) -> None:
        served = self._core.serve(request, server_key(request, trunk), trunk, source, to, now)
        session = Incoming(
            self._core, self._core.number(), served, source, listed=self._lists(trunk), forget=self._forget
        )
        self._invites[served.key] = session
        self._remember(session)
        served.respond(100, now)
        self._core.told.append(Invited(session.number, trunk, source, request))


def _hop(text: str) -> Hop:
    """`host:port` or `host:port;transport=tcp`, as DialogFacts has it."""
    text, _, transport = text.partition(";transport=")
    host, port = host_port(text)
    if port is None:
        raise MalformedMessage(f"an address without a port: {text[:60]!r}")
    return Hop(host, port, _TRANSPORTS.get(transport, "udp"))
