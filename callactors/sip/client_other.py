"""The non-INVITE client transaction (RFC 3261 section 17.1.2).

trying --1xx--> proceeding --2xx-6xx--> completed --K--> terminated
       --F----> terminated --F--------> terminated
On a reliable transport nothing is repeated and timer K is 0. A transport error ends it from trying and proceeding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callactors.sip.deadlines import Repeater, Timer, Timers, nothing
from callactors.sip.message import Response
from callactors.sip.timers import TIMER_F, TIMER_K


class ClientOther:
    """One request of ours. Its final response goes to `on_response`, once; none in 64*T1 is `on_timeout`."""

    def __init__(
        self,
        data: bytes,
        transmit: Callable[[bytes], None],
        timers: Timers,
        now: float,
        *,
        on_response: Callable[[Response, float], None],
        on_timeout: Callable[[float], None],
        ended: Callable[[], None],
        reliable: bool = False,
        on_lost: Callable[[float], None] | None = None,
    ) -> None:
        """`on_lost` hears of a transport error in place of `on_timeout`."""
        self.state: Literal["trying", "proceeding", "completed", "terminated"] = "trying"
        self._timers, self._ended = timers, ended
        self._on_response, self._on_timeout = on_response, on_timeout
        self._on_lost, self._absorb = on_lost or on_timeout, 0.0 if reliable else TIMER_K
        transmit(data)
        self._repeater = Repeater(timers, now, lambda: transmit(data), silent=reliable)
        self._timer: Timer = timers.at(now + TIMER_F, self._time_out)

    def receive(self, response: Response, now: float) -> None:
        """A response on our branch; a repeated final one is absorbed."""
        if self.state not in ("trying", "proceeding"):
            return
        if response.status < 200:
            self.state = "proceeding"
            self._repeater.slow_down()
            return
        self.state = "completed"
        self._repeater.stop()
        self._timer.cancel()
        self._timer = self._timers.at(now + self._absorb, self._end)
        self._on_response(response, now)

    def lose(self, now: float) -> None:
        """The transport says that the request cannot arrive (section 17.1.4)."""
        if self.state in ("trying", "proceeding"):
            on_lost = self._on_lost
            self._end(now)
            on_lost(now)

    def abandon(self) -> None:
        """Forget it now."""
        self._end(0.0)

    def _time_out(self, now: float) -> None:
        on_timeout = self._on_timeout
        self._end(now)
        on_timeout(now)

    def _end(self, now: float) -> None:
        if self.state != "terminated":
            self.state = "terminated"
            self._repeater.stop()
            self._timer.cancel()
            self._ended()
            self._on_response = self._on_timeout = self._on_lost = nothing
