"""What every part of a session needs: its life, its dialog, the way requests and answers of it go out.

- A session tells exactly one ending, then lingers, answering repeats, until `remove` (within 64*T1 + T4 of its end).
- Requests go only to addresses the trunk lists: a Contact or Route elsewhere (NAT, attack) yields to the peer's source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import attrs

from callactors.sip.address import Hop, Transport, is_numeric
from callactors.sip.core import ACCEPT, ALLOW, Core, Machine, Served
from callactors.sip.deadlines import LIFETIME, Action
from callactors.sip.dialog import Dialog, DialogFacts
from callactors.sip.events import Event, Gone, HungUp, Notified
from callactors.sip.headers import Headers, cseq, tokens
from callactors.sip.login import ANSWERS, Login
from callactors.sip.message import Request, Response, to_bytes
from callactors.sip.policy import Policy
from callactors.sip.screening import supported
from callactors.sip.timers import T4
from callactors.sip.turns import Turns
from callactors.sip.uri import SipUri, Uri

LINGER = LIFETIME + T4 - 0.5  # seconds from a session's end to its removal
MAX_MACHINES = 256  # transactions of one session

Done = Callable[[int, Response | None, float], None]


@attrs.frozen
class Terms:
    """What a session may do: as whose, how it is spoken to, which hops are theirs, with which credentials."""

    trunk: str
    policy: Policy
    listed: Callable[[Hop], bool]
    forget: Callable[[Usage], None]
    login: Login | None = None


class Usage:
    """One INVITE usage. `confirmed` is when BYE may be sent; `ended` when nothing new may begin."""

    def __init__(self, core: Core, number: int, dialog: Dialog, peer: Hop, terms: Terms) -> None:
        self.core, self.number, self.dialog, self.peer = core, number, dialog, peer
        self.trunk, self.policy, self.login, self.listed = terms.trunk, terms.policy, terms.login, terms.listed
        self._forget = terms.forget
        self.confirmed = self.ended = self.finished = self.removed = False
        self.waiting = False  # an INVITE of theirs without a final response opened it
        self.settled = False  # the first offer has its answer, on both sides
        self.described = b""  # the last description of ours that stands
        self.pending: dict[int, Served] = {}  # requests of theirs the user has yet to answer
        self.turns = Turns(core.timers)
        self._allowed: frozenset[str] = frozenset()  # methods the peer says it takes
        self._machines: list[Machine] = []  # transactions of this session, which go when it goes

    # -- telling, and the end -----------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Report, unless the user finished this session, or it has ended and this is not a late NOTIFY."""
        if not self.finished and (not self.ended or isinstance(event, Notified)):
            self.core.told.append(event)

    def end(self, event: Event | None, now: float) -> None:
        """The one ending: tell it, settle what is pending, and linger."""
        if self.ended:
            return
        if event is not None:
            self.tell(event)
        self.ended = True
        self.turns.clear()
        for served in self.pending.values():
            served.respond(487 if served.request.method == "INVITE" else 481, now)
        self.pending.clear()
        self.core.timers.at(now + LINGER, self.remove)

    def lost(self, status: int, now: float) -> None:
        """A 481 inside the dialog: the peer has no such call (section 12.2.1.2)."""
        if status == 481:
            self.end(HungUp(self.number, None, "481"), now)

    def remove(self, now: float) -> None:
        """Leave the table, with everything that is still under way."""
        if self.removed:
            return
        self.removed = True
        for machine in self._machines:
            machine.abandon()
        self._forget(self)
        self.core.told.append(Gone(self.number))

    def keep(self, machine: Machine) -> None:
        """Remember a transaction, and forget those that are over."""
        if len(self._machines) % 16 == 15:
            self._machines = [kept for kept in self._machines if kept.state != "terminated"]
        self._machines.append(machine)

    @property
    def crowded(self) -> bool:
        """Whether the peer sends faster than anybody talks."""
        return len(self._machines) >= MAX_MACHINES

    # -- the other end ------------------------------------------------------------------------------------------

    def knows(self, remote_tag: str) -> bool:
        """Whether this is the tag of the other end."""
        return remote_tag == self.dialog.remote_tag

    def learn(self, headers: Headers) -> None:
        """What the peer says of itself; the last word counts."""
        if headers.get("Allow") is not None:
            self._allowed = frozenset(method.upper() for method in tokens(headers, "Allow"))

    def heard(self, headers: Headers) -> None:
        """A target refresh of theirs (section 12.2), and what it says of the peer."""
        self.dialog.refresh(headers)
        self.learn(headers)

    def takes(self, method: str) -> bool:
        """Whether the peer has said that it takes this method."""
        return method in self._allowed

    def reach(self, uri: Uri) -> Hop:
        """The address of a next hop, if it is one the trunk lists."""
        if isinstance(uri, SipUri) and is_numeric(uri.host):
            hop = hop_of(uri, self.peer)
            if self.listed(hop):
                return hop
        return self.peer

    def facts(self) -> DialogFacts:
        """The dialog for the ledger."""
        return self.dialog.facts(str(self.core.local_for(self.peer)), str(self.reach(self.dialog.next_hop())))

    # -- what requests are made of, and how they go ---------------------------------------------------------------

    @property
    def contact(self) -> str:
        return self.core.contact(self.peer)

    def offer_headers(self, body: bytes) -> list[tuple[str, str]]:
        """What an offer and its 2xx carry beside the dialog."""
        headers = [("Contact", self.contact), ("Allow", ALLOW), ("Supported", ", ".join(supported(self.policy)))]
        return [*headers, ("Content-Type", ACCEPT)] if body else headers

    def build(
        self, method: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", dialog: Dialog | None = None
    ) -> Request:
        """The next request of the dialog, with the credentials the session has already been asked for."""
        dialog = dialog or self.dialog
        via = self.core.via(self.core.branch(), self.reach(dialog.next_hop()))
        items = [*headers, ("User-Agent", self.core.user_agent)]
        return self.authorised(dialog.request(method, via, headers=items, body=body))

    def authorised(self, request: Request) -> Request:
        """The request with our credentials, if there is a challenge they answer."""
        if self.login is None:
            return request
        headers = request.headers
        for name, value in self.login.headers(request.method, request.uri, self.core.random):
            headers = headers.adding(name, value)
        return Request(request.method, request.uri, headers, request.body)

    def may_retry(self, response: Response, tried: dict[str, int]) -> bool:
        """Whether a final response is a challenge this session answers."""
        return response.status in ANSWERS and self.login is not None and self.login.challenged(response, tried)

    def send(
        self,
        method: str,
        now: float,
        done: Done,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        numbered: Callable[[int], None] = lambda number: None,
        dialog: Dialog | None = None,
    ) -> None:
        """A request in the dialog; `done(status, response, now)` is called once, with 408 and None when nobody answers.

        It waits its turn, except BYE and what goes to another dialog. `numbered` hears its CSeq, and the next when a
        challenge is answered on the way. Raises UnsafeText now, not when its turn comes.
        """
        items = tuple(headers)
        to_bytes(Request(method, self.dialog.remote_target, Headers(items)))
        asked = _Asked(self, method, items, body, dialog, done, numbered)
        if method == "BYE" or dialog is not None:
            asked.start(now, lambda now: None)
        else:
            self.turns.take(asked.start, now)


@attrs.define(eq=False)
class _Asked:
    """A request in the dialog, until it has an answer that is no challenge."""

    of: Usage
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dialog: Dialog | None
    done: Done
    numbered: Callable[[int], None]
    tried: dict[str, int] = attrs.field(factory=dict)

    def start(self, now: float, over: Action) -> None:
        of = self.of
        request = of.build(self.method, self.headers, self.body, self.dialog)
        to = of.reach((self.dialog or of.dialog).next_hop())
        self.numbered(cseq(request.headers).number)
        final, silent = partial(self._final, over), partial(self._silent, over)
        of.keep(of.core.request_other(request, to, of.trunk, now, final, silent))

    def _final(self, over: Action, response: Response, now: float) -> None:
        if self.of.may_retry(response, self.tried) and not self.of.removed:
            self.start(now, over)
        else:
            over(now)
            self.done(response.status, response, now)

    def _silent(self, over: Action, now: float) -> None:
        over(now)
        self.done(408, None, now)


def hop_of(uri: SipUri, peer: Hop) -> Hop:
    """The neighbour a URI with a numeric host names (RFC 3263 section 4.1).

    Without a transport of its own it is `peer`'s: nobody who came by a connection is left for UDP. At `peer`'s host it
    is on `peer`'s connection as long as that is open (RFC 5923): behind NAT there is no other.
    """
    named = (uri.parameter("transport") or "").lower()
    transport: Transport = "tls" if uri.scheme == "sips" or named == "tls" else "tcp" if named == "tcp" else "udp"
    if not named and uri.scheme == "sip":
        transport = peer.transport
    port = uri.port or (5061 if transport == "tls" else 5060)
    if (uri.host, transport) != (peer.host, peer.transport):
        return Hop(uri.host, port, transport)
    return peer._replace(port=port)
