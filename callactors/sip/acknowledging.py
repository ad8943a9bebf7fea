"""2xx and ACK, both ways (RFC 3261 sections 13.2.2.4 and 13.3.1.4), and which of them carry a description.

- A 2xx of ours is repeated until its ACK or 64*T1, whatever the transport.
- An ACK of ours for a 2xx that offers waits for the answer (`answer_offer`); a goodbye does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable

from callactors.sip.address import Hop
from callactors.sip.core import ACCEPT, Core, Served
from callactors.sip.deadlines import LIFETIME, Action, Repeater, Timer
from callactors.sip.dialog import Dialog
from callactors.sip.events import Acked, NoAck
from callactors.sip.headers import cseq
from callactors.sip.message import Request, to_bytes
from callactors.sip.reason import reason_headers
from callactors.sip.session_timer import SessionTimer
from callactors.sip.usage import Terms, Usage

TIMER_EXPIRED = 102  # Q.850: recovery on timer expiry


class Unacknowledged:
    """A 2xx of ours on its way to its ACK."""

    def __init__(self, repeater: Repeater, give_up: Timer, offered: bool) -> None:
        self._repeater, self._give_up, self.offered = repeater, give_up, offered

    def stop(self) -> None:
        self._repeater.stop()
        self._give_up.cancel()


class Acknowledging(Usage):
    """The part of a session that knows which 2xx has its ACK."""

    def __init__(self, core: Core, number: int, dialog: Dialog, peer: Hop, terms: Terms) -> None:
        super().__init__(core, number, dialog, peer, terms)
        self.farewell: list[tuple[str, str]] = []  # the Reason of our BYE
        self.said_bye = False
        self.timer = SessionTimer(core, terms.policy)
        self.once_acknowledged: list[Action] = []  # what waits for the first ACK
        self.held: Callable[[bytes, float], None] | None = None  # sends what waits for our answer
        self._unacknowledged: dict[int, Unacknowledged] = {}  # by CSeq
        self._acks: dict[int, tuple[bytes, Hop]] = {}  # by CSeq: ours, for a repeated 2xx

    # -- theirs, for a 2xx of ours --------------------------------------------------------------------------------

    @property
    def unacknowledged_count(self) -> int:
        return len(self._unacknowledged)

    def accept(self, served: Served, body: bytes, now: float, status: int = 200) -> None:
        """Send a 2xx to an INVITE and keep sending it until its ACK or 64*T1."""
        headers = [*self.offer_headers(body), *self.timer.agree_to(served.request.headers, now)]
        data = served.respond(status, now, *headers, tag=self.dialog.local_tag, body=body)
        repeater = Repeater(self.core.timers, now, lambda: served.transmit(data))
        number = cseq(served.request.headers).number
        self.described = body or self.described

        def give_up(now: float) -> None:
            if self.take_ack(number) is not None:
                self.unacknowledged(now)

        offered = bool(body) and not served.request.body and not (self.waiting and self.settled)
        give_up_at = self.core.timers.at(now + LIFETIME, give_up)
        self._unacknowledged[number] = Unacknowledged(repeater, give_up_at, offered)

    def take_ack(self, number: int) -> Unacknowledged | None:
        """The 2xx that this is the first ACK of."""
        waiting = self._unacknowledged.pop(number, None)
        if waiting is not None:
            waiting.stop()
        return waiting

    def acknowledged(self, number: int, body: bytes, now: float) -> None:
        """Their ACK of a 2xx, the first one's or a re-INVITE's; a BYE that had to wait for it may go."""
        first = not self.confirmed
        if self.take_ack(number) is None:
            return
        self.confirmed = self.settled = True
        if first or body:
            self.tell(Acked(self.number, body))
        waiting, self.once_acknowledged = self.once_acknowledged, []
        for action in waiting:
            action(now)
        if self.finished and not self._unacknowledged:
            self.bye(now)

    def unacknowledged(self, now: float) -> None:
        """64*T1 without an ACK: the dialog is up and must be brought down."""
        self.confirmed = True
        self.farewell = reason_headers(TIMER_EXPIRED, "no ACK")
        self.bye(now)
        self.end(NoAck(self.number), now)

    @property
    def offering(self) -> bool:
        """Whether a 2xx of ours with an offer waits for its ACK, or an offer of theirs for our answer in one."""
        return self.held is not None or any(waiting.offered for waiting in self._unacknowledged.values())

    def hush(self) -> None:
        """Nobody waits for our 2xx any more."""
        for waiting in self._unacknowledged.values():
            waiting.stop()
        self._unacknowledged.clear()

    # -- ours, for a 2xx of theirs --------------------------------------------------------------------------------

    def acknowledge(self, invite: Request, body: bytes = b"") -> None:
        """ACK a 2xx: new branch, the dialog's route, the INVITE's number and credentials."""
        number = cseq(invite.headers).number
        if number not in self._acks:
            names = ("Authorization", "Proxy-Authorization")
            headers = [(name, value) for name in names for value in invite.headers.all(name)]
            headers += [("Content-Type", ACCEPT)] if body else []
            via = self.core.via(self.core.branch(), self.reach(self.dialog.next_hop()))
            ack = self.dialog.request("ACK", via, number=number, headers=headers, body=body)
            self._acks = {number: (to_bytes(ack), self.reach(self.dialog.next_hop()))}
        self.core.put(*self._acks[number])

    def acknowledge_later(self, invite: Request) -> None:
        """ACK a 2xx that offers once we have answered; a repeated one as often as it comes after that."""
        if cseq(invite.headers).number in self._acks:
            self.acknowledge(invite)
        else:
            self.held = lambda body, now: self.acknowledge(invite, body)

    def answer_offer(self, body: bytes, now: float) -> None:
        """What waits for our answer goes."""
        held, self.held = self.held, None
        if held is not None:
            self.described = body or self.described
            held(body, now)

    # -- goodbye --------------------------------------------------------------------------------------------------

    def bye(self, now: float) -> None:
        """The BYE, once."""
        self.answer_offer(b"", now)
        if not self.said_bye:
            self.said_bye = True
            self.send("BYE", now, lambda status, response, now: None, headers=self.farewell)
