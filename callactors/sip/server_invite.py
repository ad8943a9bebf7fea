"""The INVITE server transaction (RFC 3261 section 17.2.1, with RFC 6026's Accepted state).

    proceeding --1xx--> proceeding      --2xx--> accepted --L--> terminated
               --3xx-6xx--> completed   --ACK--> confirmed --I--> terminated
                                        --H----> terminated
On a reliable transport nothing is repeated by a timer, and I is 0. A 2xx is retransmitted by the session, which
alone sees its ACK, whatever the transport; a repeated INVITE still gets it again from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callactors.sip.deadlines import LIFETIME, Repeater, Timer, Timers
from callactors.sip.timers import TIMER_H, TIMER_I


class ServerInvite:
    """One received INVITE and the responses to it."""

    def __init__(
        self, transmit: Callable[[bytes], None], timers: Timers, ended: Callable[[], None], *, reliable: bool = False
    ) -> None:
        self.state: Literal["proceeding", "accepted", "completed", "confirmed", "terminated"] = "proceeding"
        self._transmit, self._timers, self._ended = transmit, timers, ended
        self._last, self._reliable = b"", reliable
        self._repeater: Repeater | None = None
        self._timer: Timer | None = None

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send a response; after a final one nothing more."""
        if self.state != "proceeding":
            return
        self._last = data
        self._transmit(data)
        if status >= 300:
            self.state = "completed"
            self._repeater = Repeater(self._timers, now, self.repeated, silent=self._reliable)
            self._timer = self._timers.at(now + TIMER_H, self._end)
        elif status >= 200:
            self.state = "accepted"
            self._timer = self._timers.at(now + LIFETIME, self._end)

    def repeated(self) -> None:
        """The same INVITE again (or timer G): the same response."""
        if self._last and self.state != "confirmed":
            self._transmit(self._last)

    def acked(self, now: float) -> None:
        """The ACK of a 3xx to 6xx."""
        if self.state == "completed":
            self.state = "confirmed"
            self._stop()
            self._timer = self._timers.at(now + (0.0 if self._reliable else TIMER_I), self._end)

    def abandon(self) -> None:
        """Forget it now."""
        self._end(0.0)

    def _stop(self) -> None:
        if self._repeater is not None:
            self._repeater.stop()
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, now: float) -> None:
        if self.state != "terminated":
            self.state = "terminated"
            self._stop()
            self._ended()
