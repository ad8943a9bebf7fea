"""Whether both sides can hear each other, while the call lives: the commonest fault of telephony over IP.

- `out`: the far end's reports (RFC 3550 section 6.4) say that nothing of ours arrives, though we send. Reports that
  never speak of us at all say so less surely, and are believed later.
- `in`: packets arrive, and not one of them has held a sound since the call began: a muted or misrouted caller.
- Nobody to ask (no reports) is no fact. Each state is told once, and its end. `now` is an argument.
"""

from __future__ import annotations

from typing import Literal

from callactors.rtp.events import OneWay

DEAF = 8.0  # seconds in which reports came and nothing of ours did
UNNAMED = 16.0  # the same, where no report has ever named our stream
MUTE = 20.0  # seconds of packets without a sound


class OneWayWatch:
    """One stream's."""

    def __init__(self) -> None:
        self._reported = -1  # the highest of our sequence numbers they have had
        self._arrived_at: float | None = None  # when that last grew
        self._heard_from: float | None = None  # the first packet of theirs
        self._sounded = False
        self._since: dict[Literal["in", "out"], float] = {}
        self._news: list[OneWay] = []

    def reported(self, highest: int | None, sending: bool, now: float) -> None:
        """A report: the highest of our sequence numbers it names, or None; whether we have sent since the last one."""
        grown = highest is not None and highest > self._reported
        if grown or not sending or self._arrived_at is None:
            self._reported = max(self._reported, -1 if highest is None else highest)
            self._arrived_at = now
            if grown:
                self._is("out", None, now)
        elif now - self._arrived_at >= (UNNAMED if self._reported < 0 else DEAF):
            self._is("out", self._arrived_at, now)

    def heard(self, audio: bytes, now: float) -> None:
        """A batch of theirs."""
        if self._sounded:
            return
        if self._heard_from is None:
            self._heard_from = now
        if audio.count(audio[:1]) != len(audio):
            self._sounded = True
            self._is("in", None, now)
        elif now - self._heard_from >= MUTE:
            self._is("in", self._heard_from, now)

    def news(self) -> list[OneWay]:
        """What has come of it since the last look."""
        news, self._news = self._news, []
        return news

    def _is(self, direction: Literal["in", "out"], since: float | None, now: float) -> None:
        known = self._since.get(direction)
        if since is not None and known is None:
            self._since[direction] = since
            self._news.append(OneWay(at=now, direction=direction, since=since, over=False))
        elif since is None and known is not None:
            del self._since[direction]
            self._news.append(OneWay(at=now, direction=direction, since=known, over=True))
