"""The non-INVITE client transaction (RFC 3261 section 17.1.2), over UDP.

trying --1xx--> proceeding --2xx-6xx--> completed --K--> terminated
       --F----> terminated --F--------> terminated
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callactors.sip.deadlines import Repeater, Timer, Timers
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
    ) -> None:
        self.state: Literal["trying", "proceeding", "completed", "terminated"] = "trying"
        self._timers, self._ended = timers, ended
        self._on_response, self._on_timeout = on_response, on_timeout
        transmit(data)
        self._repeater = Repeater(timers, now, lambda: transmit(data))
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
        self._timer = self._timers.at(now + TIMER_K, self._end)
        self._on_response(response, now)

    def abandon(self) -> None:
        """Forget it now."""
        self._end(0.0)

    def _time_out(self, now: float) -> None:
        self._end(now)
        self._on_timeout(now)

    def _end(self, now: float) -> None:
        if self.state != "terminated":
            self.state = "terminated"
            self._repeater.stop()
            self._timer.cancel()
            self._ended()
