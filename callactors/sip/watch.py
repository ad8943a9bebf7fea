"""What is remembered of each source: a token bucket, failed digests, a ban. Bounded, and forgotten after a while.

- The table holds MAX_SOURCES hosts; the one seen longest ago goes first, banned ones last of all.
- A ban starts after a number of failures; whoever may not be banned (a trunk's own address) is for the caller to say.
"""

from __future__ import annotations

from collections import OrderedDict

import attrs

from callactors.sip.rate import Bucket, Rate

MAX_SOURCES = 4_096


@attrs.define
class _Source:
    bucket: Bucket
    failures: int = 0
    failed_at: float = 0.0
    alarmed: bool = False


class Watch:
    """A bounded table of hosts."""

    def __init__(self, rate: Rate, *, failures: int, window: float, ban: float, size: int = MAX_SOURCES) -> None:
        """`failures` within `window` seconds of each other are a ban of `ban` seconds."""
        self._rate, self._failures, self._window, self._ban, self._size = rate, failures, window, ban, size
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._banned: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def banned(self, host: str, now: float) -> bool:
        """Whether this host is to be met with silence."""
        until = self._banned.get(host)
        if until is not None and until <= now:
            del self._banned[host]
            self._sources.pop(host, None)
        return until is not None and until > now

    def take(self, host: str, now: float) -> bool:
        """One more message of this host; whether it is within its rate."""
        return self._seen(host, now).bucket.take(now)

    def failed(self, host: str, now: float) -> bool:
        """One more failed digest; True once, when there have been too many."""
        source = self._seen(host, now)
        if now - source.failed_at > self._window:
            source.failures, source.alarmed = 0, False
        source.failures, source.failed_at = source.failures + 1, now
        too_many = source.failures >= self._failures and not source.alarmed
        source.alarmed = source.alarmed or too_many
        return too_many

    def suspected(self, host: str, now: float) -> bool:
        """Whether it has failed too often lately."""
        source = self._sources.get(host)
        return source is not None and source.alarmed and now - source.failed_at <= self._window

    def forgiven(self, host: str) -> None:
        """It has shown that it knows the password."""
        if (source := self._sources.get(host)) is not None:
            source.failures, source.alarmed = 0, False

    def ban(self, host: str, now: float) -> None:
        """Silence for this host; of too many bans the oldest is lifted."""
        self._banned[host] = now + self._ban
        if len(self._banned) > self._size:
            del self._banned[next(iter(self._banned))]

    def _seen(self, host: str, now: float) -> _Source:
        source = self._sources.get(host)
        if source is None:
            source = self._sources[host] = _Source(Bucket(self._rate, now))
            if len(self._sources) > self._size:
                self._sources.popitem(last=False)
        self._sources.move_to_end(host)
        return source
