"""A session somebody else opened: the UAS core of INVITE (RFC 3261 sections 13.3 and 9.2).

invited --ring--> invited --answer--> answered --ACK--> confirmed
        --reject, finish, CANCEL--> ended
"""

from __future__ import annotations

from collections.abc import Iterable

from callactors.sip.address import Hop
from callactors.sip.core import Core, Served
from callactors.sip.dialog import Dialog
from callactors.sip.events import Cancelled
from callactors.sip.session import Session, Terms


class Incoming(Session):
    """One received INVITE. `waiting` until its final response."""

    def __init__(self, core: Core, number: int, served: Served, peer: Hop, terms: Terms) -> None:
        super().__init__(core, number, Dialog.of_invite(served.request, core.tag()), peer, terms)
        self._served, self.key = served, served.key
        self.waiting = True
        self.keep(served.machine)
        served.on_ended = self._invite_over

    @property
    def half_open(self) -> bool:
        """Whether it waits for our final response, or that for its ACK."""
        return self.waiting or bool(self.unacknowledged_count)

    def ring(self, status: int, body: bytes, now: float) -> None:
        """A provisional response."""
        if self.waiting:
            headers = self.offer_headers(body)
            self._served.respond(status, now, *headers, tag=self.dialog.local_tag, body=body)

    def answer(self, body: bytes, now: float) -> None:
        """The 200, repeated until its ACK."""
        if self.waiting:
            self.accept(self._served, body, now)
            self.waiting = False

    def reject(
        self, status: int, now: float, reason: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """A final refusal; only Gone follows."""
        if self.waiting:
            self._served.respond(status, now, *headers, tag=self.dialog.local_tag, reason=reason)
            self.waiting = False
            self.end(None, now)

    def cancel(self, q850: int | None, text: str | None, now: float) -> None:
        """Their CANCEL; too late after a final response (section 9.2)."""
        if self.waiting:
            self.waiting = False
            self._served.respond(487, now, tag=self.dialog.local_tag)
            self.end(Cancelled(self.number, q850, text), now)

    def hung_up(self, q850: int | None, text: str | None, now: float) -> None:
        if self.waiting:
            self.waiting = False
            self._served.respond(487, now, tag=self.dialog.local_tag)
        super().hung_up(q850, text, now)

    def part(self, now: float) -> None:
        self.reject(480, now, headers=self.farewell)
        super().part(now)

    def _invite_over(self) -> None:
        """A refused INVITE needs no more than its transaction: a flood of them leaves the table soon."""
        if self.ended and not self.confirmed and not self.unacknowledged_count and not self.said_bye:
            self.remove(0.0)
