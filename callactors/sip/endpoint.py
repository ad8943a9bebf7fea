"""The SIP endpoint, sans-IO: one table of transactions and sessions (RFC 3261), fed datagrams and the time.

    receive(data, source, now)    next_timer()    expire(now)    ->    datagrams()    events()

- A packet's source decides whose it is, then the gate (a digest). Strangers get silence and one counter, or a challenge
  where a trunk has no addresses; a dialog's or a CANCEL's sender must be of the trunk that opened it.
- Whatever is refused is refused without a transaction (section 8.2.7): strangers' rubbish takes no memory.
- No exception leaves `receive`, whatever the bytes. Verbs about a session that is gone or in another state do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from types import MappingProxyType

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip.address import Address, Hop, Transport
from callactors.sip.asking import Asking, Question
from callactors.sip.core import Core, Datagram
from callactors.sip.dialog import Dialog, DialogFacts, DialogId
from callactors.sip.events import Event
from callactors.sip.gate import Gate
from callactors.sip.headers import NameAddr
from callactors.sip.incoming import Incoming
from callactors.sip.login import Account, Login
from callactors.sip.outgoing import Outgoing
from callactors.sip.policy import Policy
from callactors.sip.reception import Reception
from callactors.sip.replaces import refer_to_replacing
from callactors.sip.scan import host_port
from callactors.sip.session import Session
from callactors.sip.table import Table
from callactors.sip.uri import SipUri
from callactors.sip.usage import Terms

__all__ = ["Datagram", "Endpoint"]

MAX_ENTRIES = 20_000
_TRANSPORTS: dict[str, Transport] = {"udp": "udp", "tcp": "tcp", "tls": "tls"}
LONGEST_START = 4_096  # bytes in which a SIP message must have said that it is one


class Endpoint:
    """Every SIP transaction, dialog and dying dialog of one address."""

    def __init__(
        self,
        *,
        local: Address,
        listeners: Mapping[Transport, Address] = MappingProxyType({}),
        local_of: Callable[[Hop], Address] | None = None,
        node: str,
        trunk_of: Callable[[Hop], str | None],
        admits: Callable[[Hop, str], bool] = lambda hop, trunk: True,
        random: Random,
        policy_of: Callable[[str], Policy] = lambda trunk: Policy(),
        accepting: Callable[[], bool] = lambda: True,
        gate: Gate | None = None,
        user_agent: str = "callactors",
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        """`local` is what Via and Contact say (the advertised address), `listeners` where other transports differ;
        `local_of(hop)` is asked instead where it is given.

        `node` begins every tag and branch. `trunk_of(source)` names the trunk a message comes from, or None;
        it is only asked about numeric hosts. `admits(source, trunk)` has the last word where a call or a question of
        ours makes a neighbour known. `policy_of(trunk)` is how that trunk is spoken to. `gate` is asked about
        every new request outside a dialog, before anything of it is remembered.
        """
        self._core = Core(
            local=local, listeners=listeners, local_of=local_of, node=node, random=random, user_agent=user_agent
        )
        self._table, self._policy_of, self._gate = Table(trunk_of, admits), policy_of, gate
        self._reception = Reception(
            self._core, self._table, policy_of=policy_of, accepting=accepting, gate=gate, max_entries=max_entries
        )

    # -- datagrams in, time, datagrams and events out -----------------------------------------------------------

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """One datagram. What it leads to is in `datagrams()` and `events()`."""
        trunk = self._table.trunk_of(source)
        if trunk is None and (self._gate is None or not self._gate.hears(source, now)):
            self._core.counters["strangers"] += 1
        elif not data.strip(b"\r\n"):
            self._core.counters["keepalives"] += 1
        elif b"SIP/" not in data[:LONGEST_START].upper():
            self._core.counters["not_sip"] += 1
        else:
            try:
                self._reception.read(data, source, trunk, now)
            except (MalformedMessage, UnsafeText):
                self._core.counters["malformed"] += 1

    def unreachable(self, hop: Hop, now: float, *, broken: bool = False) -> None:
        """The transport cannot reach this neighbour: what waits for its first word there fails at once.

        With `broken`, a connection cut in the middle, so does what has only a provisional answer.
        """
        self._core.unreachable(hop, now, broken=broken)

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
        """Sessions, questions and transactions in the table."""
        return len(self._table) + self._core.entries()

    def calls(self, trunk: str) -> int:
        """How many calls of that trunk go on, either way."""
        return self._table.calls(trunk)

    def unsettled(self) -> int:
        """How many of our requests wait for their final response, and of our 2xx for their ACK."""
        return self._core.waiting() + sum(session.unacknowledged_count for session in self._table.sessions.values())

    # -- verbs of a received INVITE -----------------------------------------------------------------------------

    def ring(
        self, session: int, status: int = 180, body: bytes = b"", reliable: bool | None = None, *, now: float
    ) -> None:
        """A provisional response; reliable ones (RFC 3262) follow each other and are followed by Pracked.

        `reliable` None: when the peer requires it, or supports it and there is a body, by the trunk's Policy.
        """
        if isinstance(found := self._table.sessions.get(session), Incoming):
            found.ring(status, body, now, reliable)

    def answer(self, session: int, body: bytes, *, now: float) -> bool:
        """200 with our description, repeated until its ACK; Acked or NoAck follows.

        Whether it leaves at once: one that must wait for a PRACK leaves with the Pracked that says `released`.
        """
        found = self._table.sessions.get(session)
        return not isinstance(found, Incoming) or found.answer(body, now)

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
        if isinstance(found := self._table.sessions.get(session), Incoming):
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
        credentials: Account | None = None,
        now: float,
    ) -> int:
        """Place a call; Progressed, then Answered or Failed follow. Raises UnsafeText for unwritable headers."""
        session = Outgoing(
            self._core, self._core.number(), target, caller, to=to, body=body, headers=headers,
            terms=self._terms(trunk, credentials),
        )  # fmt: skip
        session.start(now)
        return self._table.remember(session)

    def reinvite(self, session: int, body: bytes, *, now: float) -> None:
        """Offer anew (hold, resume, another address), or ask for an offer with no body; Reanswered follows.

        Before the answer, 491 at once; after ours and before its ACK, once that is here.
        """
        if (found := self._table.sessions.get(session)) is not None:
            found.reinvite(body, now)

    def update(self, session: int, body: bytes, *, now: float) -> None:
        """Offer anew by UPDATE, before the answer too (RFC 3311); Reanswered follows.

        By re-INVITE where the peer has no UPDATE. Before the answer: 405 where it has none, 491 while the first offer
        has no answer that both sides know of (a reliable provisional response).
        """
        if (found := self._table.sessions.get(session)) is not None:
            found.update(body, now)

    def answer_offer(self, session: int, body: bytes, *, now: float) -> None:
        """Our answer to an offer that came in a response (`offers` of Progressed, Answered, Reanswered)."""
        if (found := self._table.sessions.get(session)) is not None:
            found.answer_offer(body, now)

    def info(self, session: int, content_type: str, body: bytes, *, now: float) -> None:
        """An INFO (RFC 6086); a 481 tells HungUp, nothing else is told. Raises UnsafeText."""
        if (found := self._table.sessions.get(session)) is not None:
            found.info(content_type, body, now)

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
        """Answer Reoffered, ReferReceived or InfoReceived; a provisional status keeps it open."""
        if (found := self._table.sessions.get(session)) is not None:
            found.respond(request_id, status, now=now, body=body, headers=headers)

    def refer(
        self,
        session: int,
        refer_to: str,
        referred_by: str | None = None,
        replaces: DialogId | None = None,
        *,
        now: float,
    ) -> None:
        """Ask the peer to dial `refer_to`; ReferAnswered, then Notified follow. Raises UnsafeText.

        `referred_by` is a URI (RFC 3892); None is ours, as the dialog has it.
        `replaces` is a dialog of ours with whoever is to be dialled (attended transfer, RFC 5589 section 7.3).
        """
        if (found := self._table.sessions.get(session)) is not None:
            found.refer(refer_to if replaces is None else refer_to_replacing(refer_to, replaces), referred_by, now)

    def notify(self, session: int, sipfrag: bytes, terminated: bool, *, now: float) -> None:
        """Tell the peer how the call it asked for by REFER goes."""
        if (found := self._table.sessions.get(session)) is not None:
            found.notify(sipfrag, terminated, now)

    def finish(self, session: int, *, q850: int | None = None, text: str | None = None, now: float) -> None:
        """End it, whatever its state: BYE, CANCEL or 480, a question unanswered. Idempotent; only Gone follows."""
        if (found := self._table.sessions.get(session)) is not None:
            found.finish(now, q850, text)
        elif (asking := self._table.asking.get(session)) is not None:
            asking.finish(now)

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
        now: float,
    ) -> int:
        """A request outside any call (REGISTER, OPTIONS); Replied, then Gone follow. Raises UnsafeText.

        `callee` is the To where it is not `uri`. `call_id` and `cseq` keep one registration's requests together.
        """
        question = Question(
            method=method, uri=uri, to=to, trunk=trunk, caller=caller, callee=callee or NameAddr("", uri),
            headers=tuple(headers), body=body, call_id=call_id, cseq=cseq,
        )  # fmt: skip
        login = None if credentials is None else Login(credentials)
        asking = Asking(self._core, question, now, login=login, forget=self._table.answered)
        return self._table.ask(asking)

    def contact(self, to: Hop) -> str:
        """Our Contact as that neighbour is told it, in angle brackets."""
        return self._core.contact(to)

    def dialog(self, session: int) -> DialogId:
        """The dialog's name, for `refer(replaces=...)`. Raises DialogGone once the session is."""
        return self._table.session(session).dialog.id

    def facts(self, session: int) -> DialogFacts:
        """The dialog for the ledger. Raises DialogGone once the session is."""
        return self._table.session(session).facts()

    def bye_orphan(
        self,
        facts: DialogFacts,
        cseq: int,
        account_of: Callable[[str], Account | None] = lambda trunk: None,
        *,
        now: float,
    ) -> None:
        """BYE a dialog of a process that died. `cseq` is the number to use, above all it can have used.

        `account_of(trunk)` answers a challenge of whoever is there now.
        Raises MalformedMessage when the facts do not parse.
        """
        dialog = Dialog.from_facts(facts)
        dialog.local_cseq = cseq - 1
        peer = _hop(facts.remote_address)
        trunk = self._table.trunk_of(peer) or ""
        session = Session(self._core, self._core.number(), dialog, peer, self._terms(trunk, account_of(trunk)))
        session.confirmed = True
        self._table.remember(session)
        session.finish(now)

    def _terms(self, trunk: str, credentials: Account | None) -> Terms:
        login = None if credentials is None else Login(credentials)
        return Terms(trunk, self._policy_of(trunk), self._table.lists(trunk), self._table.forget, login)


def _hop(text: str) -> Hop:
    """`host:port` or `host:port;transport=tcp`, as DialogFacts has it."""
    text, _, transport = text.partition(";transport=")
    host, port = host_port(text)
    if port is None:
        raise MalformedMessage(f"an address without a port: {text[:60]!r}")
    return Hop(host, port, _TRANSPORTS.get(transport, "udp"))
