"""The INVITE client transaction (RFC 3261 section 17.1.1, with RFC 6026's Accepted state).

    calling --1xx--> proceeding --2xx--> accepted --M--> terminated
            --B----> terminated --3xx-6xx--> completed --D--> terminated
On a reliable transport nothing is repeated and timer D is 0. A transport error ends it from calling and proceeding.
The ACK of a 3xx to 6xx is sent from here, on the same branch; the ACK of a 2xx is the session's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callactors.sip.deadlines import LIFETIME, Repeater, Timer, Timers, nothing
from callactors.sip.message import Response
from callactors.sip.timers import TIMER_B, TIMER_D

OnResponse = Callable[[Response, float], None]


class ClientInvite:
    """One INVITE of ours. Responses that matter go to `on_response`, every repeated 2xx too; none is `on_timeout`."""

    def __init__(
        self,
        data: bytes,
        transmit: Callable[[bytes], None],
        timers: Timers,
        now: float,
        *,
        acknowledge: Callable[[Response], bytes],
        on_response: OnResponse,
        on_timeout: Callable[[float], None],
        ended: Callable[[], None],
        reliable: bool = False,
        on_lost: Callable[[float], None] | None = None,
    ) -> None:
        """`on_lost` hears of a transport error in place of `on_timeout`."""
        self.state: Literal["calling", "proceeding", "accepted", "completed", "terminated"] = "calling"
        self._transmit, self._timers, self._ended = transmit, timers, ended
        self._acknowledge, self._on_response, self._on_timeout = acknowledge, on_response, on_timeout
        self._on_lost, self._absorb = on_lost or on_timeout, 0.0 if reliable else TIMER_D
        self._ack = b""
        transmit(data)
        self._repeater = Repeater(timers, now, lambda: transmit(data), cap=LIFETIME, silent=reliable)
        self._timer: Timer = timers.at(now + TIMER_B, self._time_out)

    def receive(self, response: Response, now: float) -> None:
        """A response on our branch."""
        if self.state == "completed":
            if response.status >= 300:
                self._transmit(self._ack)
        elif self.state == "accepted":
            if 200 <= response.status < 300:
                self._on_response(response, now)
        elif self.state != "terminated":
            self._advance(response, now)

    def give_up_at(self, when: float) -> None:
        """After a CANCEL: a final response by then, or none at all (section 9.1)."""
        if self.state == "proceeding":
            self._timer.cancel()
            self._timer = self._timers.at(when, self._time_out)

    def lose(self, now: float) -> None:
        """The transport says that the request cannot arrive (section 17.1.4)."""
        if self.state in ("calling", "proceeding"):
            on_lost = self._on_lost
            self._end(now)
            on_lost(now)

    def abandon(self) -> None:
        """Forget it now."""
        self._end(0.0)

    def _advance(self, response: Response, now: float) -> None:
        self._repeater.stop()
        if response.status < 200:
            if self.state == "calling":
                self._timer.cancel()
            self.state = "proceeding"
        else:
            self._timer.cancel()
            self.state = "accepted" if response.status < 300 else "completed"
            absorb = LIFETIME if self.state == "accepted" else self._absorb
            self._timer = self._timers.at(now + absorb, self._end)
        if self.state == "completed":
            self._ack = self._acknowledge(response)
            self._transmit(self._ack)
        self._on_response(response, now)

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
