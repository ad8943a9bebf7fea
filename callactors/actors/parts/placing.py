"""An INVITE of ours, from the first packet to its one outcome: what a leg we placed does and knows (RFC 3261 13.2).

`tried` grows while it goes on, and stands once `settled`: answered, refused, silent, broken, or given up by us.
"""

from __future__ import annotations

import attrs
import msgspec
import trio

from callactors.actors.messages import CallRinging
from callactors.actors.parts.exchange import Exchange
from callactors.actors.parts.negotiation import REFUSED
from callactors.routing.cause import Cause, q850
from callactors.routing.way import Tried, Way
from callactors.sdp.offer import Agreement
from callactors.sip import events as sip
from callactors.sip.multipart import located


@attrs.define(eq=False)
class Placing:
    """One try of one Way, by the leg whose media and descriptions are `exchange`."""

    way: Way
    exchange: Exchange
    tried: Tried = attrs.field(init=False)
    trying: bool = attrs.field(default=False, init=False)  # something came back, 100 at least
    rang_at: float | None = attrs.field(default=None, init=False)  # the first 18x
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.tried = Tried(way=self.way)

    def dial(self) -> int:
        """Send the INVITE; its session. Raises UnsafeText."""
        way, exchange = self.way, self.exchange
        body, headers = located(exchange.sdp.offer(), way.location)
        exchange.session = exchange.endpoint.invite(
            way.uri, to=way.hop, trunk=way.trunk, caller=way.caller, body=body,
            headers=(*way.headers, *headers), credentials=way.credentials,
        )  # fmt: skip
        return exchange.session

    def progressed(self, event: sip.Progressed) -> CallRinging:
        """A provisional response: a 18x is a phone that rings, or a network that plays something.

        RFC 3960: a description means early media, ours runs too so that it finds its way back.
        """
        now, exchange = trio.current_time(), self.exchange
        self.trying = True
        if 180 <= event.status < 190:
            self.rang_at = now if self.rang_at is None else self.rang_at
            self._learn(rang=True)
        try:
            if event.body:
                exchange.live(exchange.response(event.body))
        except REFUSED:
            pass  # no early media then: the 200 decides
        early = exchange.agreement is not None
        return CallRinging(at=now, leg=exchange.number, early_media=early, status=event.status)

    def heard(self) -> None:
        """Early media has reached a person."""
        if not self.tried.heard:
            self._learn(heard=True)

    def picked_up(self, event: sip.Answered) -> Agreement | None:
        """The 200: what is agreed on; None when its description is unusable, and the dialog is over again."""
        exchange = self.exchange
        try:
            agreement = exchange.response(event.body)
        except REFUSED as error:
            self.given_up(str(error), 488)
            exchange.endpoint.finish(exchange.session, q850=q850(Cause.BAD_OFFER), text=Cause.BAD_OFFER.value)
            return None
        exchange.confirmed = True
        self._settle(answered=True, status=200)
        return agreement

    def failed(self, event: sip.Failed) -> None:
        """The final refusal, or none at all."""
        silent = event.status == 408 and not event.reason  # Timer B: nobody said anything
        broken = event.unreachable
        self._settle(
            status=None if silent or broken else event.status,
            q850=event.q850,
            reason=event.reason_text or event.reason,
            transport_failed=broken,
            rest=event.retry_after if event.status == 503 else None,
        )

    def given_up(self, reason: str, status: int | None = None) -> None:
        """We ended it ourselves, or could not even ask; nothing once it has settled."""
        self._settle(status=status, reason=reason)

    def _learn(self, **facts: object) -> None:
        if not self.settled.is_set():
            self.tried = msgspec.structs.replace(self.tried, **facts)

    def _settle(self, **facts: object) -> None:
        self._learn(**facts)
        self.settled.set()
