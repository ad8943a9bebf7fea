"""Session timers (RFC 4028): whether the other side is still there, asked of both roles. Rules of this file:

- A session has a timer only when a 2xx agreed on one; every 2xx to a re-INVITE or UPDATE agrees anew, or ends it.
- Whoever refreshes does so at half the interval. Both hang up min(32, interval / 3) seconds before it is over.
- "uac" and "uas" are the roles of one request, not of the call: its sender is the uac.
"""

from __future__ import annotations

from callactors.sip.core import Core
from callactors.sip.deadlines import Action, Timer, nothing
from callactors.sip.headers import Headers
from callactors.sip.message import Response
from callactors.sip.policy import Policy
from callactors.sip.session_interval import options, read_seconds, read_session_expires

SHORTEST = 90  # seconds; the Min-SE of whoever says none (section 5)
FLOOR = 30  # seconds; what a peer says below this is not believed: it would have us refresh without end
TOO_SMALL_TRIES = 3


class SessionTimer:
    """One session's timer. `refresh` and `expire` are the session's, set before anything is agreed."""

    def __init__(self, core: Core, policy: Policy) -> None:
        self._core, self._policy = core, policy
        self.refresh: Action = nothing
        self.expire: Action = nothing
        self._least = policy.min_se  # theirs too, once a 422 has said so
        self._seconds: int | None = None
        self._ours = False
        self._timers: list[Timer] = []
        self._raised = 0

    @property
    def running(self) -> bool:
        return self._seconds is not None

    def ask(self) -> list[tuple[str, str]]:
        """What our INVITE or UPDATE says: the interval that runs and who refreshes, else what the trunk wants."""
        least = [("Min-SE", str(self._least))] if self._least > SHORTEST else []
        if self._seconds is not None:
            wanted = f"{max(self._seconds, self._least)};refresher={'uac' if self._ours else 'uas'}"
        elif self._policy.session_expires is not None:
            wanted = str(max(self._policy.session_expires, self._least))
        else:
            return []
        return [("Session-Expires", wanted), *least]

    def raised(self, response: Response) -> bool:
        """Take up the Min-SE of a 422; whether our request is worth sending again (section 7.4)."""
        least = read_seconds(response.headers.get("Min-SE"))
        if response.status != 422 or least is None or self._raised >= TOO_SMALL_TRIES:
            return False
        self._raised += 1
        self._least = max(self._least, least)
        return True

    def agreed(self, headers: Headers, now: float) -> None:
        """A 2xx to our request: with no Session-Expires nobody refreshes, and nothing expires (section 7.2)."""
        interval = read_session_expires(headers)
        if interval is None:
            self.stop()
        else:
            self._start(interval.seconds, interval.refresher != "uas", now)

    def agree_to(self, headers: Headers, now: float) -> list[tuple[str, str]]:
        """What our 2xx to their request says (section 9, table 2)."""
        interval, speaks = read_session_expires(headers), "timer" in options(headers)
        wanted, least = self._policy.session_expires, read_seconds(headers.get("Min-SE")) or self._least
        if interval is None and (wanted is None or not speaks):
            self.stop()
            return []
        if interval is None:
            seconds, refresher = max(wanted or 0, least, self._least), "uas"
        else:
            seconds = interval.seconds if wanted is None else max(min(interval.seconds, wanted), least, self._least)
            seconds = min(seconds, interval.seconds)
            refresher = (interval.refresher or "uac") if speaks else "uas"
        self._start(seconds, refresher == "uas", now)
        require = [("Require", "timer")] if refresher == "uac" else []
        return [("Session-Expires", f"{seconds};refresher={refresher}"), *require]

    def again(self, when: float) -> None:
        """A refresh failed for now: try at another time."""
        if self.running:
            self._timers.append(self._core.timers.at(when, self.refresh))

    def stop(self) -> None:
        """No timer."""
        for timer in self._timers:
            timer.cancel()
        self._timers, self._seconds = [], None

    def close(self) -> None:
        """No timer ever again, and nobody who would be told."""
        self.stop()
        self.refresh = self.expire = nothing

    def _start(self, seconds: int, ours: bool, now: float) -> None:
        self.stop()
        seconds = max(seconds, min(FLOOR, self._policy.min_se))
        self._seconds, self._ours = seconds, ours
        self._timers.append(self._core.timers.at(now + seconds - min(32.0, seconds / 3), self.expire))
        if ours:
            self._timers.append(self._core.timers.at(now + seconds / 2, self.refresh))
