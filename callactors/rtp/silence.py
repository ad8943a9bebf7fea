"""Whether the far end has fallen silent: no RTP since media began (`first_rtp`), or none any more (`rtp_silence`).

- While paused (hold, REFER) and while nothing is to be received, silence is no fact; afterwards its time starts anew.
- Whose RTCP is alive sends only while somebody speaks (DTX), and is not silent.
- Each silence is told once, and its end. Times are seconds; `now` is an argument.
"""

from __future__ import annotations

from math import inf

from callactors.rtp.events import CameBack, WentSilent


class SilenceWatch:
    """One stream's. Whoever hears a packet sets `heard_at`."""

    def __init__(self, first_rtp: float, rtp_silence: float, now: float) -> None:
        self.heard_at = -inf
        self._first_rtp, self._rtp_silence = first_rtp, rtp_silence
        self._from = now
        self._paused = False
        self._silent_since: float | None = None

    def restart(self, now: float) -> None:
        """Whatever was silent until now: something new has been agreed on."""
        self._from = now

    def pause(self, paused: bool, now: float) -> None:
        """Rest, or look out again."""
        self._paused, self._from = paused, now

    def look(
        self, now: float, *, receives: bool, reported_at: float, malformed: int = 0, strangers: int = 0
    ) -> WentSilent | CameBack | None:
        """What has become of it. `reported_at` is when the far end's last RTCP came; the rest is told on."""
        if self._silent_since is not None:
            return self._back(now)
        if self._paused or not receives:
            return None
        ever = self.heard_at > -inf
        if ever and now - reported_at < self._rtp_silence / 2:
            return None
        since = max(self.heard_at, self._from)
        if now - since < (self._rtp_silence if ever else self._first_rtp):
            return None
        self._silent_since = now
        return WentSilent(at=now, since=since, malformed=malformed, strangers=strangers)

    def _back(self, now: float) -> CameBack | None:
        if self._silent_since is None or self.heard_at <= self._silent_since:
            return None
        self._silent_since = None
        return CameBack(at=now)
