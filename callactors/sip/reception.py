"""What becomes of one message: whose it is, which transaction, dialog or session it belongs to, or its refusal.

- Strangers get silence, unless the gate hears them; then only a new INVITE is looked at, and the gate answers it.
- A dialog's or a CANCEL's sender must be of the trunk that opened it, from any of its addresses.
- Whatever is refused is refused without a transaction (RFC 3261 section 8.2.7): rubbish takes no memory.
"""

from __future__ import annotations

from collections.abc import Callable

from callactors.errors import MalformedMessage
from callactors.sip import responses
from callactors.sip.address import Hop
from callactors.sip.core import ACCEPT, ALLOW, Core, merge_key, server_key
from callactors.sip.events import Invited
from callactors.sip.gate import RETRY_AFTER, Drop, Gate, Pass
from callactors.sip.headers import cseq, name_addr, vias
from callactors.sip.in_dialog import Inside
from callactors.sip.incoming import Incoming
from callactors.sip.message import Request, Response, parse, salvage
from callactors.sip.policy import Policy
from callactors.sip.reason import read_reason
from callactors.sip.replaces import read_replaces
from callactors.sip.screening import SUPPORTED, Refusal, incomplete, refusal
from callactors.sip.session import Session
from callactors.sip.table import Table
from callactors.sip.usage import Terms

_SPOKEN = ("Supported", ", ".join(SUPPORTED))


class Reception:
    """Takes every message that was worth reading."""

    def __init__(
        self,
        core: Core,
        table: Table,
        *,
        policy_of: Callable[[str], Policy],
        accepting: Callable[[], bool],
        gate: Gate | None,
        max_entries: int,
    ) -> None:
        self._core, self._table, self._policy_of = core, table, policy_of
        self._accepting, self._gate, self._max_entries = accepting, gate, max_entries

    def read(self, data: bytes, source: Hop, trunk: str | None, now: float) -> None:
        """One message of `trunk`, or of a stranger. Raises MalformedMessage, UnsafeText."""
        try:
            message = parse(data, stream=source.reliable)
        except MalformedMessage as problem:
            if trunk is not None:
                self._refuse_unreadable(data, source, trunk, problem.status)
            raise
        if isinstance(message, Request):
            self._take_request(message, source, trunk, now)
        elif trunk is not None:
            self._take_response(message, source, trunk, now)
        else:
            self._core.counters["strangers"] += 1

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

    # -- requests -----------------------------------------------------------------------------------------------

    def _take_request(self, request: Request, source: Hop, trunk: str | None, now: float) -> None:
        if not vias(request.headers):
            raise MalformedMessage("no Via")
        to = responses.destination(request, source, self._policy_of(trunk).responses if trunk else "rfc3581")
        request = responses.note_source(request, source)
        if trunk is None:
            self._take_stranger(request, source, to, now)
        elif incomplete(request):
            self._core.send_stateless(request, to, 400)
        elif request.method == "ACK":
            self._take_ack(request, source, trunk, now)
        elif request.method == "CANCEL":
            self._take_cancel(request, source, to, trunk, now)
        elif (served := self._core.served.get(server_key(request, trunk))) is not None:
            self._core.counters["repeated"] += 1
            served.machine.repeated()
        elif (no := refusal(request, self._policy_of(trunk), self._core.is_ours)) is not None:
            self._refuse(request, to, no)
        elif name_addr(request.headers.get("To") or "").tag:
            self._take_inside(request, source, to, trunk, now)
        else:
            self._take_new(request, source, to, trunk, now)

    def _refuse(self, request: Request, to: Hop, no: Refusal) -> None:
        self._core.send_stateless(request, to, no.status, *no.headers)

    def _session_of(self, request: Request, source: Hop, trunk: str) -> Session | None:
        local, remote = (name_addr(request.headers.get(name) or "").tag or "" for name in ("To", "From"))
        return self._table.inside(request.headers.get("Call-ID") or "", local, remote, source, trunk)

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
        opened = self._table.invites.get(key)
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

    # -- new ones -----------------------------------------------------------------------------------------------

    def _take_stranger(self, request: Request, source: Hop, to: Hop, now: float) -> None:
        """Only an INVITE with the right digest makes a stranger somebody."""
        trunk = None if incomplete(request) else self._passed(request, source, to, None, now)
        if trunk is None:
            return
        if (no := refusal(request, self._policy_of(trunk), self._core.is_ours)) is not None:
            self._refuse(request, to, no)
        else:
            self._admit_new(request, source, to, trunk, now)

    def _take_new(self, request: Request, source: Hop, to: Hop, trunk: str, now: float) -> None:
        passed = self._passed(request, source, to, trunk, now)
        if passed is None:
            return
        if request.method == "OPTIONS":
            status = 200 if self._accepting() else 503
            self._core.send_stateless(request, to, status, ("Allow", ALLOW), ("Accept", ACCEPT), _SPOKEN)
        elif request.method != "INVITE":
            self._core.send_stateless(request, to, 481)
        else:
            self._admit_new(request, source, to, passed, now)

    def _passed(self, request: Request, source: Hop, to: Hop, trunk: str | None, now: float) -> str | None:
        """The trunk whose request the gate says this is; otherwise it has been answered, or not."""
        if self._gate is None:
            return trunk
        verdict = self._gate.ask(request, source, trunk, now, half_open=self._table.half_open)
        if isinstance(verdict, Pass):
            return verdict.trunk
        if not isinstance(verdict, Drop):
            self._core.send_stateless(request, to, verdict.status, *verdict.headers)
        return None

    def _admit_new(self, request: Request, source: Hop, to: Hop, trunk: str, now: float) -> None:
        if merge_key(request) in self._core.merged:
            self._core.send_stateless(request, to, 482)
        elif len(self._table) + self._core.entries() >= self._max_entries:
            self._core.counters["overloaded"] += 1
            self._core.send_stateless(request, to, 503, RETRY_AFTER)
        else:
            replaced = self._replaced(request, trunk)
            if isinstance(replaced, int):
                self._core.send_stateless(request, to, replaced)
            else:
                self._admit(request, source, to, trunk, replaced.number if replaced is not None else None, now)

    def _replaced(self, request: Request, trunk: str) -> Session | int | None:
        """The session of ours that an INVITE replaces; a refusing status where it may not (RFC 3891 section 3)."""
        try:
            wanted = read_replaces(request.headers)
        except MalformedMessage:
            return 400
        if wanted is None:
            return None
        session = self._table.replaced(wanted, trunk)
        if session is None or (not session.confirmed and isinstance(session, Incoming)):
            return 481
        if session.ended:
            return 603
        return 486 if session.confirmed and wanted.early_only else session

    def _admit(self, request: Request, source: Hop, to: Hop, trunk: str, replaces: int | None, now: float) -> None:
        served = self._core.serve(request, server_key(request, trunk), trunk, source, to, now)
        terms = Terms(trunk, self._policy_of(trunk), self._table.lists(trunk), self._table.forget)
        session = Incoming(self._core, self._core.number(), served, source, terms)
        self._table.remember(session)
        served.respond(100, now)
        self._core.told.append(Invited(session.number, trunk, source, request, replaces))
