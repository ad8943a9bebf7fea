"""How long a silent caller is waited for: a clock that speech winds back. Sans-IO; the conductor acts on it.

`policies.silence: [8, 8, handoff]` means: after 8 s of nobody speaking ask, after 8 s more ask, then hand over.
"""

from __future__ import annotations

import math
from typing import Literal

import attrs

from callactors.scenario.schema import Silence

HEARING = 20.0  # seconds a caller may go on speaking before their own turn counts as silence


@attrs.define(eq=False)
class Patience:
    """Whose silence it is, and since when. All times are trio.current_time()."""

    policy: Silence | None
    _quiet_from: float = attrs.field(default=math.inf, init=False)
    _asked: int = attrs.field(default=0, init=False)

    def agent_began(self) -> None:
        self._quiet_from = math.inf

    def agent_ended(self, now: float) -> None:
        self._quiet_from = now

    def caller_began(self, now: float) -> None:
        """The caller speaks or presses a key: everything starts again."""
        self._quiet_from = now + HEARING
        self._asked = 0

    def busy(self) -> None:
        """A transfer or a tool is under way: silence is ours."""
        self._quiet_from = math.inf

    def deadline(self) -> float:
        """When patience ends next; never, while somebody speaks."""
        if self.policy is None or self._asked > len(self.policy.waits):
            return math.inf
        waits = self.policy.waits
        return self._quiet_from + waits[min(self._asked, len(waits) - 1)]

    def next_look(self, now: float) -> float:
        """When to ask for the deadline again: none that comes to be after `now` ends before the shortest wait does."""
        return math.inf if self.policy is None else min(self.deadline(), now + min(self.policy.waits))

    def expire(self) -> Literal["ask", "handoff", "goodbye"]:
        """The deadline passed: what to do about it."""
        assert self.policy is not None  # deadline() is never, otherwise
        self._quiet_from = math.inf
        self._asked += 1
        return self.policy.then if self._asked >= len(self.policy.waits) else "ask"
