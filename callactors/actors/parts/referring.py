"""A REFER of ours and what comes of it (RFC 3515): refused, or accepted and told by NOTIFY, or by a BYE instead.

A REFER of theirs is only told: who decides about it is the call.
"""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from callactors.actors.messages import LegReferred, TransferEnded, TransferOutcome
from callactors.actors.parts.exchange import Exchange
from callactors.routing.trunk import Target
from callactors.sip import events as sip
from callactors.sip.dialog import DialogId
from callactors.sip.transfer import sipfrag

Known = tuple[TransferOutcome, int | None]  # and the status


@attrs.define(eq=False)
class Referring:
    """The last REFER of a leg, and what is asked of us. `pending` until its outcome is known."""

    exchange: Exchange
    pending: bool = False
    accepted: bool = False  # a BYE is its outcome from then on
    given_up: bool = False  # accepted, but we did not wait for its end: only that it went through is news

    # -- ours ----------------------------------------------------------------------------------------------------

    def refer(self, target: Target, replaces: DialogId | None) -> TransferEnded | None:
        """Ask the peer to dial; how that ended already, where its trunk takes no REFER."""
        exchange = self.exchange
        if not exchange.trunk.refer:
            return TransferEnded(at=trio.current_time(), leg=exchange.number, outcome="failed")
        self.pending, self.accepted, self.given_up = True, False, False
        exchange.referring = True
        exchange.watch()
        exchange.endpoint.refer(exchange.session, refer_to=target.uri, replaces=replaces)
        return None

    def take_back(self) -> None:
        """Nobody waits for its outcome any more; whoever was put on hold for it is asked back."""
        self.pending, self.given_up = False, self.pending and self.accepted
        self.exchange.referring = False
        if self.exchange.held and not self.exchange.ended:
            self.exchange.reoffer()
        self.exchange.watch()

    def told(self, event: sip.ReferAnswered | sip.Notified) -> TransferEnded | None:
        """How it ended, once this event makes that known."""
        if self.given_up:
            known = self._late(event)
        else:
            known = self._outcome(event) if self.pending else None
            self.pending = self.pending and known is None
        self.exchange.referring = self.pending
        return None if known is None else self._over(*known)

    def hung_up(self) -> TransferEnded | None:
        """Their BYE came: it may mean that the transfer went through."""
        presumed = self.pending and self.accepted
        self.pending = False
        return self._over("presumed", None) if presumed else None

    def _over(self, outcome: TransferOutcome, code: int | None) -> TransferEnded:
        return TransferEnded(
            at=trio.current_time(), leg=self.exchange.number, outcome=outcome, sip_code=code, accepted=self.accepted
        )

    def _outcome(self, event: sip.ReferAnswered | sip.Notified) -> Known | None:
        if isinstance(event, sip.ReferAnswered) and event.status >= 300:
            return "refused", event.status
        self.accepted = True
        if isinstance(event, sip.ReferAnswered):
            return None
        if event.status is not None and event.status >= 200:
            return outcome_of(event.status), event.status
        return ("no_answer", None) if event.terminated else None

    def _late(self, event: sip.ReferAnswered | sip.Notified) -> Known | None:
        if event.status is None or event.status < 200:
            return None
        self.given_up = False
        return ("completed", event.status) if event.status < 300 else None

    # -- theirs --------------------------------------------------------------------------------------------------

    def asked(self, event: sip.ReferReceived) -> LegReferred | None:
        """The peer wants us to dial: declined here where the trunk may never ask, else the call's to decide."""
        if self.exchange.trunk.refers == "never":
            self.respond(event.request_id, 603)
            return None
        return LegReferred(
            at=trio.current_time(),
            leg=self.exchange.number,
            request_id=event.request_id,
            uri=str(event.refer_to),
            replaces=event.replaces,
            referred_by=event.referred_by,
        )

    def respond(self, request_id: int, status: int) -> None:
        """Answer what was `asked`: 202 and then `notify`, or a refusal."""
        self.exchange.endpoint.respond(self.exchange.session, request_id, status)

    def notify(self, status: int, reason: str, final: bool) -> None:
        """Tell the peer how the call goes that it asked for."""
        self.exchange.endpoint.notify(self.exchange.session, sipfrag(status, reason), final)


def outcome_of(status: int) -> Literal["completed", "refused", "no_answer", "failed"]:
    """What the final status of a referred call means for a transfer (the sipfrag of a NOTIFY, RFC 3515)."""
    if status < 300:
        return "completed"
    if status in (486, 600, 603):
        return "refused"
    return "no_answer" if status in (408, 480, 487) else "failed"
