"""What every part of one endpoint shares: its name and address, the timers, the transactions, the way out.

- Nothing here knows what a call is. Everything leaves through `outbox` and `told`; the endpoint's user empties both.
- The transactions' keys follow RFC 3261 section 17.1.3 (client) and 17.2.3 (server, RFC 2543 peers included);
  a server key holds the trunk too, so that only the trunk that sent an INVITE can cancel it.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import msgspec

from callactors.errors import UnsafeText
from callactors.sip import responses
from callactors.sip.address import Address, Hop, Transport
from callactors.sip.client_invite import ClientInvite
from callactors.sip.client_other import ClientOther
from callactors.sip.deadlines import Timers, nothing
from callactors.sip.events import Event
from callactors.sip.headers import Headers, cseq, name_addr, vias
from callactors.sip.message import Message, Request, Response, to_bytes
from callactors.sip.server_invite import ServerInvite
from callactors.sip.server_other import ServerOther

COOKIE = "z9hG4bK"
ALLOW = "INVITE, ACK, CANCEL, BYE, PRACK, OPTIONS, INFO, UPDATE, REFER, NOTIFY"
ACCEPT = "application/sdp"
MERGED_METHODS = frozenset({"INVITE", "OPTIONS", "MESSAGE"})

Machine = ClientInvite | ClientOther | ServerInvite | ServerOther
ServerKey = tuple[str, ...]
ClientKey = tuple[str, str]  # branch, method
OnResponse = Callable[[Response, float], None]
OnTimeout = Callable[[float], None]


class Datagram(msgspec.Struct, frozen=True):
    """One SIP message as bytes, and where it goes."""

    data: bytes
    destination: Hop


class Sent(msgspec.Struct):
    """A request of ours under way."""

    machine: ClientInvite | ClientOther
    destination: Hop
    trunk: str


class Core:
    """The shared state of one endpoint."""

    def __init__(
        self,
        *,
        local: Address,
        listeners: Mapping[Transport, Address] = MappingProxyType({}),
        local_of: Callable[[Hop], Address] | None = None,
        node: str,
        random: random.Random,
        user_agent: str,
    ) -> None:
        self.local, self.random, self.user_agent = local, random, user_agent
        self._listeners, self._local_of = {"udp": local, **listeners}, local_of
        self.node = token(node)
        self._mark = f"{COOKIE}-{self.node}-{random.getrandbits(32):08x}-"  # begins every branch of this process
        self.timers = Timers()
        self.counters: Counter[str] = Counter()
        self.outbox: list[Datagram] = []
        self.told: list[Event] = []
        self.sent: dict[ClientKey, Sent] = {}
        self.served: dict[ServerKey, Served] = {}
        self.merged: dict[tuple[str, str, str], ServerKey] = {}
        self._numbers = itertools.count(1)

    # -- names ------------------------------------------------------------------------------------------------

    def number(self) -> int:
        return next(self._numbers)

    def branch(self) -> str:
        """A branch no other request of this process or the last one has (section 8.1.1.7)."""
        return f"{self._mark}{next(self._numbers):x}.{self.random.getrandbits(64):016x}"

    def is_ours(self, branch: str | None) -> bool:
        """Whether a branch was made by `branch`. Another process of the same node's name is not us."""
        return branch is not None and branch.startswith(self._mark)

    def tag(self) -> str:
        return f"{self.node}-{self.random.getrandbits(64):016x}"

    def call_id(self) -> str:
        return f"{self.random.getrandbits(128):032x}@{self.node}"

    def local_for(self, to: Hop) -> Address:
        """The address of ours that this neighbour is told."""
        if self._local_of is not None:
            return self._local_of(to)
        return self._listeners.get(to.transport, self.local)

    def via(self, branch: str, to: Hop) -> str:
        return f"SIP/2.0/{to.transport.upper()} {self.local_for(to)};branch={branch};rport"

    def contact(self, to: Hop) -> str:
        """Where the neighbour sends requests of the dialog."""
        transport = f";transport={to.transport}" if to.reliable else ""
        return f"<sip:callactors@{self.local_for(to)}{transport}>"

    # -- the way out ------------------------------------------------------------------------------------------

    def put(self, data: bytes, destination: Hop) -> None:
        self.outbox.append(Datagram(data, destination))

    def send_stateless(self, request: Request, destination: Hop, status: int, *headers: tuple[str, str]) -> None:
        """A response without a transaction: refusals that must cost nothing (section 8.2.7)."""
        if request.method != "ACK":
            tag = responses.stateless_tag(self.node, request)
            self.put_safely(responses.response(request, status, tag=tag, headers=headers), destination)

    def put_safely(self, message: Message, destination: Hop) -> None:
        """Send what was built from a stranger's header text, unless that text may not be repeated."""
        try:
            self.put(to_bytes(message), destination)
        except UnsafeText:
            self.counters["unsafe"] += 1

    # -- transactions -----------------------------------------------------------------------------------------

    def serve(self, request: Request, key: ServerKey, trunk: str, source: Hop, to: Hop, now: float) -> Served:
        """Open the server transaction of a new request."""
        served = Served(self, request, key, trunk, source, to, now)
        self.served[key] = served
        if served.merge_key is not None:
            self.merged.setdefault(served.merge_key, key)
        return served

    def _forget(self, key: ServerKey) -> None:
        """The transaction is over."""
        served = self.served.pop(key, None)
        if served is None:
            return
        if served.merge_key is not None and self.merged.get(served.merge_key) == served.key:
            del self.merged[served.merge_key]
        on_ended, served.on_ended = served.on_ended, nothing
        on_ended()

    def request_other(
        self,
        request: Request,
        to: Hop,
        trunk: str,
        now: float,
        done: OnResponse,
        silent: OnTimeout,
        lost: OnTimeout | None = None,
    ) -> ClientOther:
        """Send a request other than INVITE; exactly one of `done` (a final response) and `silent` (408) is called.

        `lost`, where given, is called in place of `silent` when the transport cannot deliver it.
        """
        key = self._client_key(request)
        machine = ClientOther(
            to_bytes(request), lambda data: self.put(data, to), self.timers, now,
            on_response=done, on_timeout=silent, ended=lambda: self._drop(key), reliable=to.reliable, on_lost=lost,
        )  # fmt: skip
        self.sent[key] = Sent(machine, to, trunk)
        return machine

    def request_invite(
        self,
        request: Request,
        to: Hop,
        trunk: str,
        now: float,
        got: OnResponse,
        silent: OnTimeout,
        lost: OnTimeout | None = None,
    ) -> ClientInvite:
        """Send an INVITE; `got` sees every response that matters, `silent` means Timer B, `lost` a transport error."""
        key = self._client_key(request)
        machine = ClientInvite(
            to_bytes(request), lambda data: self.put(data, to), self.timers, now,
            acknowledge=lambda answer: to_bytes(acknowledgement(request, answer)),
            on_response=got, on_timeout=silent, ended=lambda: self._drop(key), reliable=to.reliable, on_lost=lost,
        )  # fmt: skip
        self.sent[key] = Sent(machine, to, trunk)
        return machine

    def entries(self) -> int:
        """Transactions of both sides."""
        return len(self.sent) + len(self.served)

    def waiting(self) -> int:
        """Requests of ours without a final response."""
        under_way = ("calling", "trying", "proceeding")
        return sum(sent.machine.state in under_way for sent in self.sent.values())

    def unreachable(self, hop: Hop, now: float, *, broken: bool = False) -> None:
        """Requests of ours to `hop` cannot arrive: those nobody has answered at all fail now.

        `broken` is a connection that was cut, not closed: what has a provisional response fails as well.
        """
        states = ("calling", "trying", "proceeding") if broken else ("calling", "trying")
        for sent in [sent for sent in self.sent.values() if sent.destination[:3] == hop[:3]]:
            if sent.machine.state in states:
                sent.machine.lose(now)

    def _drop(self, key: ClientKey) -> None:
        self.sent.pop(key, None)

    @staticmethod
    def _client_key(request: Request) -> ClientKey:
        return vias(request.headers)[0].branch or "", request.method


class Served:
    """A received request under way: the transaction and what its responses are made of."""

    def __init__(
        self, core: Core, request: Request, key: ServerKey, trunk: str, source: Hop, to: Hop, now: float
    ) -> None:
        self.request, self.key, self.trunk, self.source = request, key, trunk, source
        self._core, self._to = core, to
        self.on_ended: Callable[[], None] = nothing
        self.merge_key = merge_key(request)
        self.machine: ServerInvite | ServerOther
        transmit, ended = (lambda data: core.put(data, to)), (lambda: core._forget(key))  # neither holds on to this
        if request.method == "INVITE":
            self.machine = ServerInvite(transmit, core.timers, ended, reliable=to.reliable)
        else:
            self.machine = ServerOther(transmit, core.timers, ended, now, reliable=to.reliable)

    def respond(
        self,
        status: int,
        now: float,
        *headers: tuple[str, str],
        tag: str = "",
        reason: str | None = None,
        body: bytes = b"",
    ) -> bytes:
        """Send a response through the transaction; what was sent is returned.

        Raises UnsafeText when `reason` or a header value holds CR, LF or NUL.
        """
        if status > 100:
            headers = (*headers, ("Server", self._core.user_agent))
        tag = tag or responses.stateless_tag(self._core.node, self.request)
        message = responses.response(self.request, status, tag=tag, reason=reason, headers=headers, body=body)
        data = to_bytes(message)
        self.machine.respond(status, data, now)
        return data

    def transmit(self, data: bytes) -> None:
        """Send these bytes again, beside the transaction (a 2xx nobody acknowledged)."""
        self._core.put(data, self._to)


def token(node: str) -> str:
    """A node's name as it stands in tags, branches and Call-IDs."""
    return "".join(c if c.isascii() and (c.isalnum() or c == ".") else "-" for c in node)


def merge_key(request: Request) -> tuple[str, str, str] | None:
    """What two copies of one request that came by different ways have in common (section 8.2.2.2)."""
    if request.method not in MERGED_METHODS or name_addr(request.headers.get("To") or "").tag:
        return None
    sender = name_addr(request.headers.get("From") or "").tag or ""
    number = cseq(request.headers)
    return sender, request.headers.get("Call-ID") or "", f"{number.number} {number.method}"


def server_key(request: Request, trunk: str, method: str | None = None) -> ServerKey:
    """The transaction a request belongs to; `method` overrides its own (CANCEL and ACK look for their INVITE)."""
    top = vias(request.headers)[0]
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    branch = top.branch or ""
    if branch.startswith(COOKIE) and len(branch) > len(COOKIE):
        return trunk, branch, top.host.lower(), str(top.port or 5060), method
    sender = name_addr(request.headers.get("From") or "").tag or ""
    call_id, number = request.headers.get("Call-ID") or "", str(cseq(request.headers).number)
    return trunk, str(request.uri), sender, call_id, number, top.host.lower(), str(top.port), branch, method


def acknowledgement(invite: Request, answer: Response) -> Request:
    """The ACK of a 3xx to 6xx: same branch, same route, the response's To (section 17.1.1.3)."""
    headers = _like(invite, "ACK", ("Via", "From", "Call-ID", "Route", "Max-Forwards"))
    return Request("ACK", invite.uri, headers.adding("To", answer.headers.get("To") or ""))


def cancellation(invite: Request, reason: Iterable[tuple[str, str]]) -> Request:
    """The CANCEL of an INVITE of ours (section 9.1)."""
    headers = _like(invite, "CANCEL", ("Via", "From", "To", "Call-ID", "Route", "Max-Forwards"))
    for name, value in reason:
        headers = headers.adding(name, value)
    return Request("CANCEL", invite.uri, headers)


def _like(invite: Request, method: str, names: tuple[str, ...]) -> Headers:
    items = [(name, value) for name in names for value in invite.headers.all(name)]
    return Headers((*items, ("CSeq", f"{cseq(invite.headers).number} {method}")))
