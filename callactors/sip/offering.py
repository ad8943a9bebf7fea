"""Offers inside a dialog, ours: re-INVITE and UPDATE (RFC 3261 section 14.1, RFC 3311, RFC 4028 section 7.4).

- One offer at a time. Glare (491, or an offer of theirs under way) is tried again at random times, the owner of the
  Call-ID later than the other.
- A refusal leaves the session as it was. A session refresh is an offer nobody hears of: an UPDATE with nothing in it
  where the peer takes UPDATE, else a re-INVITE with the last description.
"""

from __future__ import annotations

from typing import Literal

import attrs

from callactors.sip.acknowledging import TIMER_EXPIRED, Acknowledging
from callactors.sip.address import Hop
from callactors.sip.client_invite import ClientInvite
from callactors.sip.client_other import ClientOther
from callactors.sip.core import Core
from callactors.sip.deadlines import Action
from callactors.sip.dialog import Dialog
from callactors.sip.events import Expired, Reanswered
from callactors.sip.headers import Headers
from callactors.sip.message import Request, Response
from callactors.sip.reason import reason_headers
from callactors.sip.usage import Terms

GLARE_TRIES = 8
PATIENCE = 60.0  # seconds for a re-INVITE, from its last provisional response
REFRESH_AGAIN = (2.0, 6.0)  # seconds after a refresh that was refused
NO_SUCH_METHOD = (405, 501)


@attrs.define
class Offer:
    """One offer of ours, through glare and challenges. `quiet`: a session refresh."""

    method: Literal["INVITE", "UPDATE"]
    body: bytes
    quiet: bool = False
    tries: int = 0
    tried: dict[str, int] = attrs.Factory(dict)

    @property
    def asks(self) -> bool:
        """Whether it opens an offer and answer exchange at all."""
        return self.method == "INVITE" or bool(self.body)


class Offering(Acknowledging):
    """The part of a session that offers anew."""

    def __init__(self, core: Core, number: int, dialog: Dialog, peer: Hop, terms: Terms) -> None:
        super().__init__(core, number, dialog, peer, terms)
        self.reinviting = False
        self._no_update = False
        self.timer.refresh, self.timer.expire = self._refresh, self.expired

    def reinvite(self, body: bytes, now: float) -> None:
        """Offer anew, or ask for an offer; while our 200 has no ACK it waits for that (RFC 3261 section 14.1)."""
        if self.ended:
            return
        if self.confirmed:
            self._offer(Offer("INVITE", body), now)
        elif self.unacknowledged_count:
            self.once_acknowledged.append(lambda now: self._offer(Offer("INVITE", body), now))
        else:
            self.tell(Reanswered(self.number, 491, b""))

    def update(self, body: bytes, now: float) -> None:
        """Offer anew by UPDATE, where the first offer has its answer; by re-INVITE where the peer has no UPDATE."""
        if self.ended:
            return
        if self._takes_update and (self.confirmed or self.settled):
            self._offer(Offer("UPDATE", body), now)
        elif self.confirmed:
            self._offer(Offer("INVITE", body), now)
        else:
            self.tell(Reanswered(self.number, 491 if self._takes_update else 405, b""))

    @property
    def _takes_update(self) -> bool:
        return self.takes("UPDATE") and not self._no_update

    @property
    def offered(self) -> bool:
        """Whether an offer of theirs waits for our answer."""
        return any(served.request.method in ("INVITE", "UPDATE", "PRACK") for served in self.pending.values())

    @property
    def backoff(self) -> tuple[float, float]:
        """Seconds to wait after glare: the owner of the Call-ID waits longer."""
        return 0.0, 2.0

    # -- one offer ------------------------------------------------------------------------------------------------

    def _offer(self, offer: Offer, now: float) -> None:
        patience = None if offer.method == "INVITE" else 32.0
        self.turns.take(lambda now, over: self._begin_offer(offer, now, over), now, patience)

    def _begin_offer(self, offer: Offer, now: float, over: Action) -> None:
        if self.ended:
            over(now)
        elif offer.asks and (self.offered or self.offering):
            over(now)
            self._offer_later(offer, now)
        else:
            self.reinviting = self.reinviting or offer.asks
            self._send_offer(offer, now, over)

    def _send_offer(self, offer: Offer, now: float, over: Action) -> None:
        headers = [*self.offer_headers(offer.body), *(self.timer.ask() if self.confirmed else ())]
        request, to = self.build(offer.method, headers, offer.body), self.reach(self.dialog.next_hop())
        answered = False

        def got(response: Response, now: float) -> None:
            nonlocal answered
            first, answered = not answered, response.status >= 200 or answered
            if response.status < 200 and isinstance(machine, ClientInvite):
                machine.give_up_at(now + PATIENCE)
            if 200 <= response.status < 300:
                self._offer_taken(offer, request, response, first)
            if response.status >= 200 and first:
                self._offer_answered(offer, response, now, over)

        def silent(now: float) -> None:
            self._offer_over(offer, 408, None, now, over)

        machine: ClientInvite | ClientOther
        if offer.method == "UPDATE":
            machine = self.core.request_other(request, to, self.trunk, now, got, silent)
        else:
            machine = self.core.request_invite(request, to, self.trunk, now, got, silent)
        self.keep(machine)

    def _offer_taken(self, offer: Offer, request: Request, response: Response, first: bool) -> None:
        """A 2xx, maybe once more: it has its ACK, unless it offers."""
        if first:
            self.dialog.refresh(response.headers)
            self.learn(response.headers)
        if offer.method == "INVITE" and not offer.body and response.body and not self.said_bye:
            self.acknowledge_later(request)
        elif offer.method == "INVITE":
            self.acknowledge(request)

    def _offer_answered(self, offer: Offer, response: Response, now: float, over: Action) -> None:
        if not self.ended and (self.may_retry(response, offer.tried) or self.timer.raised(response)):
            self._send_offer(offer, now, over)
        else:
            self._offer_over(offer, response.status, response, now, over)

    def _offer_over(self, offer: Offer, status: int, response: Response | None, now: float, over: Action) -> None:
        """Its final answer."""
        self.reinviting = self.reinviting and not offer.asks
        over(now)
        if self.ended:
            return
        if response is not None and 200 <= status < 300:
            self.described = offer.body or self.described
            if self.confirmed:
                self.timer.agreed(response.headers, now)
        if offer.method == "UPDATE" and status in NO_SUCH_METHOD and self.confirmed:
            self._no_update = True
            self._again_by_invite(offer, now)
        elif status == 491 and not offer.quiet:
            self._offer_later(offer, now)
        elif offer.quiet:
            self._refreshed(status, now)
        else:
            body = response.body if response is not None else b""
            self.tell(Reanswered(self.number, status, body, offers=self.held is not None))
            self.lost(status, now)

    def _again_by_invite(self, offer: Offer, now: float) -> None:
        body = self.described if offer.quiet else offer.body
        self._offer(Offer("INVITE", body, offer.quiet, offer.tries), now)

    def _offer_later(self, offer: Offer, now: float) -> None:
        if offer.quiet:
            self.timer.again(now + self.core.random.uniform(*REFRESH_AGAIN))
        elif offer.tries >= GLARE_TRIES:
            self.tell(Reanswered(self.number, 491, b""))
        else:
            offer.tries += 1
            wait = self.core.random.uniform(*self.backoff)
            self.core.timers.at(now + wait, lambda now: self._offer(offer, now))

    # -- the session timer ------------------------------------------------------------------------------------------

    def _refresh(self, now: float) -> None:
        if self.ended:
            return
        if self._takes_update or not self.described:
            self._offer(Offer("UPDATE", b"", quiet=True), now)
        else:
            self._offer(Offer("INVITE", self.described, quiet=True), now)

    def _refreshed(self, status: int, now: float) -> None:
        """A refresh got its answer; nobody there means that the call is over (RFC 4028 section 10)."""
        if status == 408:
            self.expired(now)
        elif status >= 300:
            self.lost(status, now)
            self.timer.again(now + self.core.random.uniform(*REFRESH_AGAIN))

    def expired(self, now: float) -> None:
        """Nobody refreshed in time."""
        if not self.ended:
            self.farewell = reason_headers(TIMER_EXPIRED, "session expired")
            self.bye(now)
            self.end(Expired(self.number), now)

    # -- theirs -----------------------------------------------------------------------------------------------------

    def refreshed_by(self, headers: Headers, now: float) -> list[tuple[str, str]]:
        """What our 2xx to their UPDATE says beside its description."""
        return [*self.offer_headers(b""), *(self.timer.agree_to(headers, now) if self.confirmed else ())]
