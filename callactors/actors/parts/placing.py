"""An INVITE of ours, from the first packet to its one outcome: what a leg we placed knows of itself (RFC 3261 13.2).

`tried` grows while it goes on, and stands once `settled`: answered, refused, silent, broken, or given up by us.
"""

from __future__ import annotations

import attrs
import msgspec
import trio

from callactors.routing.way import Tried, Way
from callactors.sip import events as sip


@attrs.define(eq=False)
class Placing:
    """One try of one Way."""

    way: Way
    tried: Tried = attrs.field(init=False)
    trying: bool = attrs.field(default=False, init=False)  # something came back, 100 at least
    rang_at: float | None = attrs.field(default=None, init=False)  # the first 18x
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.tried = Tried(way=self.way)

    def progressed(self, status: int) -> None:
        """A provisional response: a 18x is a phone that rings, or a network that plays something."""
        self.trying = True
        if 180 <= status < 190:
            self.rang_at = trio.current_time() if self.rang_at is None else self.rang_at
            self._learn(rang=True)

    def heard(self) -> None:
        """Early media has reached a person."""
        if not self.tried.heard:
            self._learn(heard=True)

    def answered(self) -> None:
        self._settle(answered=True, status=200)

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
