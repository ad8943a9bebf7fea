"""A call, as those see it who dial for it, consult beside it or refer it on: its line, its legs, its record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from callactors.actors.sip_leg import SipLeg
from callactors.calls.line import Line
from callactors.calls.record import CallRecord
from callactors.calls.terms import Mailboxes, Terms
from callactors.routing.cause import Cause


class Living(Protocol):
    """calls/call.Call, while it lives."""

    @property
    def line(self) -> Line: ...

    @property
    def boxes(self) -> Mailboxes: ...

    @property
    def record(self) -> CallRecord: ...

    @property
    def terms(self) -> Terms: ...

    @property
    def running(self) -> dict[int, SipLeg]:
        """The legs that run, by their number."""

    def spawn(self, work: Callable[..., object], *args: object) -> None:
        """A task of the call's nursery."""

    def next_leg(self) -> int:
        """A number no leg of this call has had; also the number of its row in `attempts`."""

    async def run_leg(self, leg: SipLeg) -> None:
        """Run a leg in a scope of its own until it has ended; returns once it runs."""

    def replace_leg(self, leg: SipLeg, cause: Cause = Cause.TRANSFERRED) -> None:
        """Speak on this leg, which runs, from now on; the one it replaces hangs up with `cause`, its scope ends."""

    def drop_leg(self, leg: SipLeg, cause: Cause) -> None:
        """Hang up a leg and cancel its scope."""
