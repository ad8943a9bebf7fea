"""One INVITE usage, from the first request to the last retransmission of its BYE: what both roles share.

- A session tells exactly one ending, then lingers, answering repeats, until `remove` (within 64*T1 + T4 of its end).
- Requests go only to addresses the trunk lists: a Contact or Route elsewhere (NAT, attack) yields to the peer's source.
- 2xx responses to INVITE are retransmitted here until their ACK (RFC 3261 section 13.3.1.4).
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterable

import attrs

from callactors.sip.address import Hop, Transport
from callactors.sip.core import ACCEPT, ALLOW, Core, Machine, Served, ServerKey
from callactors.sip.deadlines import LIFETIME, Action, Repeater, Timer
from callactors.sip.dialog import Dialog, DialogFacts
from callactors.sip.events import Acked, Event, Gone, HungUp, NoAck, Notified, Reanswered, ReferAnswered
from callactors.sip.headers import cseq
from callactors.sip.login import ANSWERS, Login
from callactors.sip.message import Request, Response, to_bytes
from callactors.sip.policy import Policy
from callactors.sip.reason import reason_headers
from callactors.sip.timers import T4
from callactors.sip.transfer import notify_headers, refer_headers
from callactors.sip.uri import SipUri, Uri

LINGER = LIFETIME + T4 - 0.5  # seconds from a session's end to its removal
GLARE_TRIES = 8
MAX_TURNS = 32
MAX_MACHINES = 256  # transactions of one session


@attrs.frozen
class Terms:
    """What a session may do: as whose, how it is spoken to, which hops are theirs, with which credentials."""

    trunk: str
    policy: Policy
    listed: Callable[[Hop], bool]
    forget: Callable[[Session], None]
    login: Login | None = None


Done = Callable[[int, Response | None, float], None]


class Unacknowledged:
    """A 2xx of ours on its way to its ACK."""

    def __init__(self, repeater: Repeater, give_up: Timer) -> None:
        self._repeater, self._give_up = repeater, give_up

    def stop(self) -> None:
        self._repeater.stop()
        self._give_up.cancel()


class Session:
    """State and verbs common to both roles. `confirmed` is when BYE may be sent; `ended` when nothing new may begin."""

    def __init__(self, core: Core, number: int, dialog: Dialog, peer: Hop, terms: Terms) -> None:
        self.core, self.number, self.dialog, self.peer = core, number, dialog, peer
        self.trunk, self.policy, self.login, self.listed = terms.trunk, terms.policy, terms.login, terms.listed
        self._forget = terms.forget
        self.confirmed = self.ended = self.finished = False
        self.removed = False
        self.farewell: list[tuple[str, str]] = []  # the Reason of our BYE
        self.said_bye = False
        self.subscriptions: set[str] = set()  # ids (CSeq numbers) of REFERs of ours
        self.waiting = False  # an INVITE of theirs without a final response opened it
        self.refer_event = ""  # what a NOTIFY of ours calls the subscription
        self.pending: dict[int, Served] = {}  # requests of theirs the user has yet to answer
        self.reinviting = False
        self._busy = False  # a request of ours is under way
        self._turns: deque[Action] = deque()
        self._unacknowledged: dict[int, Unacknowledged] = {}  # by CSeq
        self._acks: dict[int, tuple[bytes, Hop]] = {}  # by CSeq: ours, for a repeated 2xx
        self._machines: list[Machine] = []  # transactions of this session, which go when it goes

    # -- telling -----------------------------------------------------------------------------------------------

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
        self._turns.clear()
        if self.said_bye:
            self.hush()
        for request_id in list(self.pending):
            invite = self.pending[request_id].request.method == "INVITE"
            self.respond(request_id, 487 if invite else 481, now=now)
        self.core.timers.at(now + LINGER, self.remove)

    @property
    def unacknowledged_count(self) -> int:
        return len(self._unacknowledged)

    def knows(self, remote_tag: str) -> bool:
        """Whether this is the tag of somebody at the other end."""
        return remote_tag == self.dialog.remote_tag

    def keep(self, machine: Machine) -> None:
        """Remember a transaction, and forget those that are over."""
        if len(self._machines) % 16 == 15:
            self._machines = [kept for kept in self._machines if kept.state != "terminated"]
        self._machines.append(machine)

    @property
    def crowded(self) -> bool:
        """Whether the peer sends faster than anybody talks."""
        return len(self._machines) >= MAX_MACHINES

    def hush(self) -> None:
        """Nobody waits for our 2xx any more."""
        for waiting in self._unacknowledged.values():
            waiting.stop()
        self._unacknowledged.clear()

    def remove(self, now: float) -> None:
        """Leave the table, with everything that is still under way."""
        if self.removed:
            return
        self.removed = True
        self.hush()
        for machine in self._machines:
            machine.abandon()
        self._forget(self)
        self.core.told.append(Gone(self.number))

    # -- where and how requests go -----------------------------------------------------------------------------

    def reach(self, uri: Uri) -> Hop:
        """The address of a next hop, if it is one the trunk lists."""
        if isinstance(uri, SipUri) and _is_numeric(uri.host):
            hop = hop_of(uri, self.peer)
            if self.listed(hop):
                return hop
        return self.peer

    @property
    def contact(self) -> str:
        return self.core.contact(self.peer)

    def facts(self) -> DialogFacts:
        return self.dialog.facts(str(self.core.local_for(self.peer)), str(self.reach(self.dialog.next_hop())))

    def offer_headers(self, body: bytes) -> list[tuple[str, str]]:
        """What our INVITE and its 2xx carry beside the dialog."""
        headers = [("Contact", self.contact), ("Allow", ALLOW)]
        return [*headers, ("Content-Type", ACCEPT)] if body else headers

    def build(self, method: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """The next request of the dialog, with the credentials the session has already been asked for."""
        via = self.core.via(self.core.branch(), self.reach(self.dialog.next_hop()))
        items = [*headers, ("User-Agent", self.core.user_agent)]
        request = self.dialog.request(method, via, headers=items, body=body)
        return self.authorised(request)

    def authorised(self, request: Request) -> Request:
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
    ) -> None:
        """A request in the dialog; `done(status, response, now)` is called once, with 408 and None when nobody answers.

        It waits its turn, except BYE. `numbered` hears its CSeq, and the next when a challenge is answered on the way.
        """
        tried: dict[str, int] = {}
        headers = list(headers)

        def start(now: float) -> None:
            request, to = self.build(method, headers, body), self.reach(self.dialog.next_hop())
            numbered(cseq(request.headers).number)
            machine = self.core.request_other(request, to, self.trunk, now, final, lambda now: settle(408, None, now))
            self.keep(machine)

        def final(response: Response, now: float) -> None:
            if self.may_retry(response, tried) and not self.removed:
                start(now)
            else:
                settle(response.status, response, now)

        def settle(status: int, response: Response | None, now: float) -> None:
            if method != "BYE":
                self._next_turn(now)
            done(status, response, now)

        if method == "BYE":
            start(now)
        else:
            self._in_turn(start, now)

    def _in_turn(self, start: Action, now: float) -> None:
        """One request at a time: over UDP a later CSeq may overtake an earlier one, which is then refused with 500."""
        if not self._busy:
            self._busy = True
            start(now)
        elif len(self._turns) < MAX_TURNS:
            self._turns.append(start)

    def _next_turn(self, now: float) -> None:
        self._busy = False
        if self._turns:
            self._in_turn(self._turns.popleft(), now)

    # -- ending it ---------------------------------------------------------------------------------------------

    def finish(self, now: float, q850: int | None = None, text: str | None = None) -> None:
        """BYE, CANCEL or reject, by state; idempotent. From here on only Gone is told."""
        if self.finished:
            return
        was_ended, self.finished = self.ended, True
        if was_ended:
            return
        self.farewell = reason_headers(q850, text)
        self.part(now)
        self.end(None, now)

    def part(self, now: float) -> None:
        """Say goodbye as the state allows; the roles extend it."""
        if self.confirmed and not self._unacknowledged:
            self.bye(now)

    def bye(self, now: float) -> None:
        """The BYE, once."""
        if not self.said_bye:
            self.said_bye = True
            self.send("BYE", now, lambda status, response, now: None, headers=self.farewell)

    def hung_up(self, q850: int | None, text: str | None, now: float) -> None:
        """Their BYE: ours is not needed any more."""
        self.said_bye = True
        self.hush()
        self.end(HungUp(self.number, q850, text), now)

    def lost(self, status: int, now: float) -> None:
        """A 481 inside the dialog: the peer has no such call (section 12.2.1.2)."""
        if status == 481:
            self.end(HungUp(self.number, None, "481"), now)

    # -- 2xx and ACK, both ways --------------------------------------------------------------------------------

    def accept(self, served: Served, body: bytes, now: float, status: int = 200) -> None:
        """Send a 2xx to an INVITE and keep sending it until its ACK or 64*T1."""
        data = served.respond(status, now, *self.offer_headers(body), tag=self.dialog.local_tag, body=body)
        repeater = Repeater(self.core.timers, now, lambda: served.transmit(data))
        number = cseq(served.request.headers).number

        def give_up(now: float) -> None:
            if self.take_ack(number):
                self.unacknowledged(now)

        self._unacknowledged[number] = Unacknowledged(repeater, self.core.timers.at(now + LIFETIME, give_up))

    def take_ack(self, number: int) -> bool:
        """Whether this is the first ACK of that 2xx."""
        waiting = self._unacknowledged.pop(number, None)
        if waiting is not None:
            waiting.stop()
        return waiting is not None

    def acknowledged(self, number: int, body: bytes, now: float) -> None:
        """Their ACK of a 2xx, the first one's or a re-INVITE's; a BYE that had to wait for it may go."""
        first = not self.confirmed
        if not self.take_ack(number):
            return
        self.confirmed = True
        if first or body:
            self.tell(Acked(self.number, body))
        if self.finished and not self._unacknowledged:
            self.bye(now)

    def unacknowledged(self, now: float) -> None:
        """64*T1 without an ACK: the dialog is up and must be brought down."""
        self.confirmed = True
        self.bye(now)
        self.end(NoAck(self.number), now)

    def acknowledge(self, invite: Request) -> None:
        """ACK a 2xx: new branch, the dialog's route, the INVITE's number and credentials (section 13.2.2.4)."""
        number = cseq(invite.headers).number
        if number not in self._acks:
            names = ("Authorization", "Proxy-Authorization")
            headers = [(name, value) for name in names for value in invite.headers.all(name)]
            via = self.core.via(self.core.branch(), self.reach(self.dialog.next_hop()))
            ack = self.dialog.request("ACK", via, number=number, headers=headers)
            self._acks = {number: (to_bytes(ack), self.reach(self.dialog.next_hop()))}
        self.core.put(*self._acks[number])

    # -- verbs inside the dialog -------------------------------------------------------------------------------

    def reinvite(self, body: bytes, now: float, tries: int = 0) -> None:
        """Offer anew. Glare (491, or an offer of theirs under way) is tried again at random times (section 14.1)."""
        if not self.ended and self.confirmed:
            self._in_turn(lambda now: self._offer(body, now, tries), now)

    def _offer(self, body: bytes, now: float, tries: int) -> None:
        if self.ended or self.offered:
            self._next_turn(now)
            self._reinvite_later(body, now, tries)
        else:
            self.reinviting = True
            self._send_offer(body, now, tries, {})

    def _send_offer(self, body: bytes, now: float, tries: int, tried: dict[str, int]) -> None:
        request, answered = self.build("INVITE", self.offer_headers(body), body), False

        def got(response: Response, now: float) -> None:
            nonlocal answered
            if 200 <= response.status < 300:
                if not answered:
                    self.dialog.refresh(response.headers)
                self.acknowledge(request)
            if response.status >= 200 and not answered:
                answered = True
                if self.may_retry(response, tried) and not self.ended:
                    self._send_offer(body, now, tries, tried)
                else:
                    self._reanswered(response.status, response.body, body, now, tries)

        def silent(now: float) -> None:
            self._reanswered(408, b"", body, now, tries)

        to = self.reach(self.dialog.next_hop())
        self.keep(self.core.request_invite(request, to, self.trunk, now, got, silent))

    def _reanswered(self, status: int, answer: bytes, offer: bytes, now: float, tries: int) -> None:
        self.reinviting = False
        self._next_turn(now)
        if status == 491 and tries < GLARE_TRIES:
            self._reinvite_later(offer, now, tries)
        else:
            self.tell(Reanswered(self.number, status, answer))
            self.lost(status, now)

    def _reinvite_later(self, body: bytes, now: float, tries: int) -> None:
        if tries >= GLARE_TRIES:
            self.tell(Reanswered(self.number, 491, b""))
            return
        low, high = self.backoff
        wait = self.core.random.uniform(low, high)
        self.core.timers.at(now + wait, lambda now: self.reinvite(body, now, tries + 1))

    @property
    def backoff(self) -> tuple[float, float]:
        """Seconds to wait after glare: the owner of the Call-ID waits longer."""
        return 0.0, 2.0

    @property
    def offered(self) -> bool:
        """Whether an offer of theirs waits for our answer."""
        return any(served.request.method in ("INVITE", "UPDATE") for served in self.pending.values())

    def refer(self, refer_to: str, referred_by: str | None, now: float) -> None:
        """Ask the peer to dial; ReferAnswered, then Notified, tell how it went."""
        if self.ended or not self.confirmed:
            return

        numbers: list[str] = []

        def numbered(number: int) -> None:
            self.subscriptions.difference_update(numbers)
            numbers.append(str(number))
            self.subscriptions.add(str(number))

        def done(status: int, response: Response | None, now: float) -> None:
            if status >= 300:
                self.subscriptions.difference_update(numbers)
            self.tell(ReferAnswered(self.number, status))
            self.lost(status, now)

        headers = [("Contact", self.contact), *refer_headers(refer_to, referred_by)]
        self.send("REFER", now, done, headers=headers, numbered=numbered)

    def info(self, content_type: str, body: bytes, now: float) -> None:
        """An INFO (RFC 6086)."""
        if not self.ended and self.confirmed:
            headers = [("Content-Type", content_type)]
            self.send("INFO", now, lambda status, response, now: self.lost(status, now), headers=headers, body=body)

    def notify(self, sipfrag: bytes, terminated: bool, now: float) -> None:
        """Report on a call the peer asked us to make."""
        headers = [("Contact", self.contact), *notify_headers(self.refer_event or "refer", terminated)]
        self.send("NOTIFY", now, lambda status, response, now: None, headers=headers, body=sipfrag)

    def referred(self, number: int) -> None:
        """They sent a REFER with this CSeq; from the second on its subscription goes by that number (RFC 3515)."""
        self.refer_event = f"refer;id={number}" if self.refer_event else "refer"

    def respond(
        self,
        request_id: int,
        status: int,
        *,
        now: float,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer a request that was told; an unknown or answered id does nothing."""
        served = self.pending.get(request_id)
        if served is None:
            return
        if status >= 200:
            del self.pending[request_id]
        if served.request.method == "INVITE" and 200 <= status < 300:
            self.accept(served, body, now, status)
        else:
            extra = [("Contact", self.contact)] if status < 300 else []
            kind = [("Content-Type", ACCEPT)] if body else []
            served.respond(status, now, *extra, *kind, *headers, body=body)

    def withdraw(self, key: ServerKey, now: float) -> None:
        """They cancel a re-INVITE we have not answered yet."""
        for request_id in [number for number, served in self.pending.items() if served.key == key]:
            self.respond(request_id, 487, now=now)


def hop_of(uri: SipUri, peer: Hop) -> Hop:
    """The neighbour a URI with a numeric host names (RFC 3263 section 4.1); on `peer`'s connection if it is `peer`."""
    named = (uri.parameter("transport") or "").lower()
    transport: Transport = "tls" if uri.scheme == "sips" or named == "tls" else "tcp" if named == "tcp" else "udp"
    port = uri.port or (5061 if transport == "tls" else 5060)
    if (uri.host, port, transport) == peer[:3]:
        return peer
    return Hop(uri.host, port, transport)


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
