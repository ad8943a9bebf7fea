"""One INVITE usage, from the first request to the last retransmission of its BYE: what both roles share.

The parts lie beside each other: usage (life, sending), acknowledging (2xx, ACK, BYE), offering (re-INVITE, UPDATE,
refresh), referring (REFER). Here they make one session: answering, and ending by whoever ends it.
"""

from __future__ import annotations

from collections.abc import Iterable

from callactors.sip.core import ACCEPT, ServerKey
from callactors.sip.events import Event, HungUp
from callactors.sip.message import Request
from callactors.sip.offering import Offering
from callactors.sip.reason import reason_headers
from callactors.sip.referring import Referring
from callactors.sip.transfer import wants_no_subscription


class Session(Offering, Referring):
    """State and verbs common to both roles."""

    def end(self, event: Event | None, now: float) -> None:
        """The one ending."""
        if not self.ended:
            self.timer.stop()
            if self.said_bye:
                self.hush()
        super().end(event, now)

    def remove(self, now: float) -> None:
        """Leave the table; what it is made of holds on to it no longer, so that it is freed at once."""
        self.hush()
        self.timer.close()
        super().remove(now)

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
        if self.confirmed and not self.unacknowledged_count:
            self.bye(now)

    def hung_up(self, q850: int | None, text: str | None, now: float) -> None:
        """Their BYE: ours is not needed any more."""
        self.said_bye = True
        self.answer_offer(b"", now)
        self.hush()
        self.end(HungUp(self.number, q850, text), now)

    def pracked(self, request: Request, now: float) -> bool | None:
        """Take a PRACK: whether its body is an offer; None when it is for nothing of ours, as here."""
        return None

    def after_prack(self, now: float) -> None:
        """The PRACK has its answer."""

    @property
    def inviting(self) -> bool:
        """Whether an offer of ours is under way."""
        return self.reinviting or self.offering

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
        method, good = served.request.method, 200 <= status < 300
        if status >= 200:
            del self.pending[request_id]
        if method == "INVITE" and good:
            self.accept(served, body, now, status)
            return
        extra: list[tuple[str, str]] = [("Contact", self.contact)] if status < 300 else []
        if method == "UPDATE" and good:
            extra = self.refreshed_by(served.request.headers, now)
        if method == "REFER" and good and wants_no_subscription(served.request.headers):
            extra.append(("Refer-Sub", "false"))
        if body and good:
            self.described = body
        kind = [("Content-Type", ACCEPT)] if body else []
        served.respond(status, now, *extra, *kind, *headers, body=body)

    def withdraw(self, key: ServerKey, now: float) -> None:
        """They cancel a re-INVITE we have not answered yet."""
        for request_id in [number for number, served in self.pending.items() if served.key == key]:
            self.respond(request_id, 487, now=now)

    def info(self, content_type: str, body: bytes, now: float) -> None:
        """An INFO (RFC 6086)."""
        if not self.ended and self.confirmed:
            headers = [("Content-Type", content_type)]
            self.send("INFO", now, lambda status, response, now: self.lost(status, now), headers=headers, body=body)
