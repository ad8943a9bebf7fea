"""The non-INVITE server transaction (RFC 3261 section 17.2.2).

    trying --1xx--> proceeding --2xx-6xx--> completed --J--> terminated
On a reliable transport timer J is 0. A request nobody answers is forgotten after 64*T1, when its client has given up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callactors.sip.deadlines import LIFETIME, Timers
from callactors.sip.timers import TIMER_J


class ServerOther:
    """One received request and the responses to it."""

    def __init__(
        self,
        transmit: Callable[[bytes], None],
        timers: Timers,
        ended: Callable[[], None],
        now: float,
        *,
        reliable: bool = False,
    ) -> None:
        self.state: Literal["trying", "proceeding", "completed", "terminated"] = "trying"
        self._transmit, self._timers, self._ended = transmit, timers, ended
        self._last, self._absorb = b"", 0.0 if reliable else TIMER_J
        self._timer = timers.at(now + LIFETIME, self._end)

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send a response; after a final one nothing more."""
        if self.state not in ("trying", "proceeding"):
            return
        self._last = data
        self._transmit(data)
        self.state = "proceeding" if status < 200 else "completed"
        if status >= 200:
            self._timer.cancel()
            self._timer = self._timers.at(now + self._absorb, self._end)

    def repeated(self) -> None:
        """The same request again: the same response, if there is one yet."""
        if self._last:
            self._transmit(self._last)

    def acked(self, now: float) -> None:
        """An ACK is never for this machine."""

    def abandon(self) -> None:
        """Forget it now."""
        self._end(0.0)

    def _end(self, now: float) -> None:
        if self.state != "terminated":
            self.state = "terminated"
            self._timer.cancel()
            self._ended()
