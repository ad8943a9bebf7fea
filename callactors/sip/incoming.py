"""A session somebody else opened: the UAS core of INVITE (RFC 3261 sections 13.3 and 9.2, RFC 3262 section 3).

invited --ring--> invited --answer--> answered --ACK--> confirmed
        --reject, finish, CANCEL, no PRACK--> ended
An answer waits for the PRACK of what was said before it. Once the first offer has its answer by PRACK, the 200 has no
description (RFC 3261 section 13.2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from callactors.sip.address import Hop
from callactors.sip.core import Core, Served
from callactors.sip.dialog import Dialog
from callactors.sip.events import Cancelled, Event, HungUp, NoAck, Pracked
from callactors.sip.message import Request
from callactors.sip.reliable import ReliableResponses, requires, supports
from callactors.sip.session import Session
from callactors.sip.usage import Terms


class Incoming(Session):
    """One received INVITE. `waiting` until its final response."""

    def __init__(self, core: Core, number: int, served: Served, peer: Hop, terms: Terms) -> None:
        super().__init__(core, number, Dialog.of_invite(served.request, core.tag()), peer, terms)
        self._served, self.key = served, served.key
        self.waiting = True
        self._reliable = ReliableResponses(core, served, self.dialog.local_tag, self._unheard)
        self._answer: Callable[[float], None] | None = None  # a 200 that waits for a PRACK
        self.learn(served.request.headers)
        self.keep(served.machine)
        served.on_ended = self._invite_over

    @property
    def half_open(self) -> bool:
        """Whether it waits for our final response, or that for its ACK."""
        return self.waiting or bool(self.unacknowledged_count)

    def ring(self, status: int, body: bytes, now: float, reliable: bool | None = None) -> None:
        """A provisional response."""
        if not self.waiting or self._answer is not None:
            return
        reliably = self._reliably(status, body, reliable)
        body = body if reliably or self._served.request.body else b""  # an offer has to be heard (RFC 3262 section 5)
        headers = self.offer_headers(body)
        if reliably:
            self.described = body or self.described
            self._reliable.send(status, headers, body, now)
        else:
            self._served.respond(status, now, *headers, tag=self.dialog.local_tag, body=body)

    def _reliably(self, status: int, body: bytes, wanted: bool | None) -> bool:
        headers = self._served.request.headers
        if status == 100 or self.policy.reliable == "off" or not supports(headers):
            return False
        if requires(headers) or self.policy.reliable == "require":
            return True
        return bool(body) if wanted is None else wanted

    def answer(self, body: bytes, now: float) -> bool:
        """The 200, repeated until its ACK; whether it left, or waits for a PRACK."""
        if self.waiting and self._answer is None:
            if self._reliable.pending:
                self._answer = lambda now: self._accept(body, now)
            else:
                self._accept(body, now)
        return self._answer is None

    def _accept(self, body: bytes, now: float) -> None:
        self._reliable.stop()
        self.accept(self._served, b"" if self.settled else body, now)
        self.waiting = False

    def pracked(self, request: Request, now: float) -> bool | None:
        """Take a PRACK: whether its body is an offer; None when it is for nothing of ours."""
        described = self._reliable.acknowledged(request.headers, now)
        if described is None:
            return None
        was_settled, asked = self.settled, not self._served.request.body
        answers = asked and not was_settled and bool(described) and bool(request.body)
        self.settled = was_settled or answers or (bool(described) and not asked)
        released = self._answer is not None and not self._reliable.more
        self.tell(Pracked(self.number, request.body if answers else b"", released))
        return bool(request.body) and self.settled and not answers

    def after_prack(self, now: float) -> None:
        """What has waited for the PRACK goes, in its order."""
        self._reliable.next(now)
        if self._answer is not None and not self._reliable.pending:
            answer, self._answer = self._answer, None
            answer(now)

    def _unheard(self, now: float) -> None:
        """64*T1 without a PRACK (RFC 3262 section 3)."""
        self._refuse(504, NoAck(self.number), now)

    def _refuse(
        self,
        status: int,
        event: Event | None,
        now: float,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        if self.waiting:
            self._served.respond(status, now, *headers, tag=self.dialog.local_tag, reason=reason)
            self.waiting, self._answer = False, None
            self._reliable.stop()
            self.end(event, now)

    def reject(
        self, status: int, now: float, reason: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """A final refusal; only Gone follows."""
        self._refuse(status, None, now, reason, headers)

    def cancel(self, q850: int | None, text: str | None, now: float) -> None:
        """Their CANCEL; too late after a final response (section 9.2)."""
        self._refuse(487, Cancelled(self.number, q850, text), now)

    def hung_up(self, q850: int | None, text: str | None, now: float) -> None:
        self.said_bye = True
        self._refuse(487, HungUp(self.number, q850, text), now)
        super().hung_up(q850, text, now)

    def part(self, now: float) -> None:
        self.reject(480, now, headers=self.farewell)
        super().part(now)

    def remove(self, now: float) -> None:
        self._reliable.close()
        super().remove(now)

    def _invite_over(self) -> None:
        """A refused INVITE needs no more than its transaction: a flood of them leaves the table soon."""
        if self.ended and not self.confirmed and not self.unacknowledged_count and not self.said_bye:
            self.remove(0.0)
