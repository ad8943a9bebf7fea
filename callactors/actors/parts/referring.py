"""A REFER of ours and what comes of it (RFC 3515): refused, or accepted and told by NOTIFY, or by a BYE instead.

Theirs is only told: who decides about it is the call.
"""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from callactors.actors.messages import LegReferred
from callactors.sip import events as sip

Outcome = Literal["completed", "refused", "no_answer", "failed", "presumed"]


@attrs.define(eq=False)
class Referring:
    """The state of the last REFER of a leg. `pending` until its outcome is known."""

    pending: bool = False
    accepted: bool = False  # a BYE is its outcome from then on
    given_up: bool = False  # accepted, but we did not wait for its end: only that it went through is news

    def begin(self) -> None:
        self.pending, self.accepted, self.given_up = True, False, False

    def give_up(self) -> None:
        """Nobody waits for its outcome any more."""
        self.pending, self.given_up = False, self.pending and self.accepted

    def told(self, event: sip.ReferAnswered | sip.Notified) -> tuple[Outcome, int | None] | None:
        """The outcome and its status, once this event makes it known."""
        if self.given_up:
            return self._late(event)
        outcome = self._outcome(event) if self.pending else None
        if outcome is not None:
            self.pending = False
        return outcome

    def _outcome(self, event: sip.ReferAnswered | sip.Notified) -> tuple[Outcome, int | None] | None:
        if isinstance(event, sip.ReferAnswered) and event.status >= 300:
            return "refused", event.status
        self.accepted = True
        if isinstance(event, sip.ReferAnswered):
            return None
        if event.status is not None and event.status >= 200:
            return outcome_of(event.status), event.status
        return ("no_answer", None) if event.terminated else None

    def _late(self, event: sip.ReferAnswered | sip.Notified) -> tuple[Outcome, int | None] | None:
        if event.status is None or event.status < 200:
            return None
        self.given_up = False
        return ("completed", event.status) if event.status < 300 else None

    def hung_up(self) -> bool:
        """Their BYE came: whether it means that the transfer went through."""
        presumed = self.pending and self.accepted
        self.pending = False
        return presumed


def asked_to_dial(event: sip.ReferReceived, leg: int) -> LegReferred:
    """Their REFER, for whoever decides about it."""
    return LegReferred(
        at=trio.current_time(),
        leg=leg,
        request_id=event.request_id,
        uri=str(event.refer_to),
        replaces=event.replaces,
        referred_by=event.referred_by,
    )


def outcome_of(status: int) -> Literal["completed", "refused", "no_answer", "failed"]:
    """What the final status of a referred call means for a transfer (the sipfrag of a NOTIFY, RFC 3515)."""
    if status < 300:
        return "completed"
    if status in (486, 600, 603):
        return "refused"
    return "no_answer" if status in (408, 480, 487) else "failed"
