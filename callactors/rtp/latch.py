"""Whom a stream listens to and talks to. Rules of this file (they are the answer to RTP injection and RTP bleed):

- Media goes to the signalled address or to the latched source, to nobody else.
- The signalled address is heard at once. Another source only if the trunk's list allows its host, and only after LEARN
  packets in a row over at least SPAN, without a word from the one latched before.
- Everybody else is a stranger: counted, never heard, never answered.
- A learn window is open at the start, for WINDOW after a first-seen source was latched or a re-offer came, and whenever
  the latched source was silent for QUIET. Outside of it the socket is connected and hears one source only.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeAlias

LEARN = 5  # packets in a row
SPAN = 0.06  # seconds they must span
QUIET = 1.0  # seconds
WINDOW = 3.0  # seconds

Source: TypeAlias = tuple[str, int]


class Verdict(enum.Enum):
    """What to do with a packet."""

    HEAR = enum.auto()
    KEEP = enum.auto()  # of a source not believed yet: keep it, it may be heard later
    LATCHED = enum.auto()  # believed from this packet on: hear what was kept of it, then this
    STRANGER = enum.auto()


class Latch:
    """The source policy of one stream. Sources are numeric `(host, port)`; `now` is an argument throughout."""

    def __init__(self, signalled: Source, allowed: Callable[[str], bool], now: float) -> None:
        self.signalled = signalled
        self.allowed = allowed
        self.latched: Source | None = None
        self._former: Source | None = None
        self.heard_at = now
        self._open_until = now + WINDOW
        self._candidate: Source | None = None
        self._count, self._since = 0, now

    def renew(self, signalled: Source, allowed: Callable[[str], bool], now: float) -> None:
        """A re-offer. When it moved the media we send there at once; the former source is heard a little longer."""
        if signalled != self.signalled and self.latched is not None:
            self._former, self.latched = self.latched, None
        self.signalled, self.allowed = signalled, allowed
        self._open_until = now + WINDOW
        self._forget()

    @property
    def target(self) -> Source:
        """Where our media goes."""
        return self.latched or self.signalled

    def judge(self, source: Source, now: float) -> Verdict:
        """One valid packet from `source`."""
        if source == self.latched:
            self.heard_at = now
            self._forget()
            return Verdict.HEAR
        if not self.learning(now):
            return Verdict.STRANGER
        if source == self.signalled:
            return self._believe(source, now, now)
        if source == self._former and now < self._open_until:
            return Verdict.HEAR
        if source[0] != self.signalled[0] and not self.allowed(source[0]):
            return Verdict.STRANGER
        return self._learn(source, now)

    def learning(self, now: float) -> bool:
        """Whether another source than the latched one may be heard; when not, the socket may be connected."""
        return self.latched is None or now < self._open_until or now - self.heard_at >= QUIET

    def _learn(self, source: Source, now: float) -> Verdict:
        if source != self._candidate:
            self._candidate, self._count, self._since = source, 0, now
        self._count += 1
        if self._count < LEARN or now - self._since < SPAN:
            return Verdict.KEEP
        return self._believe(source, now, now + WINDOW)

    def _believe(self, source: Source, now: float, open_until: float) -> Verdict:
        self.latched, self.heard_at, self._open_until = source, now, open_until
        self._former = None
        self._forget()
        return Verdict.LATCHED

    def _forget(self) -> None:
        self._candidate, self._count = None, 0
