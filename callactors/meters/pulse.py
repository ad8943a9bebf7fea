"""The pulse of the process: how late its loop is, how much of its core that loop uses, descriptors, memory.

- A beat every BEAT seconds. How late it comes, or how late the media clock is if that is later, is the loop's lag;
  the beats that a stall swallowed count as late too.
- `Vitals.lag` is what a quarter of the last WINDOW seconds was later than: one hiccup is no overload, lasting ones are.
- `Vitals.cpu` is of the thread the loop runs on, 1.0 being one core: another thread may have a core of its own.
"""

from __future__ import annotations

import os
import resource
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

BEAT = 0.1  # seconds
WINDOW = 2.0  # seconds
BEATS = round(WINDOW / BEAT)
QUARTER = BEATS // 4
SAMPLE = 1.0  # seconds between two looks at CPU, descriptors and memory
AMPLE, SELDOM = 20_000, 10  # with so many descriptors left they are counted each tenth time: counting takes 0.5 us each
_PAGE = os.sysconf("SC_PAGE_SIZE")
_FOLDERS = (Path("/proc/self/fd"), Path("/dev/fd"))


@attrs.frozen
class Vitals:
    """How the process does. `sample` counts the looks at all but `lag`; descriptors are 0 where nobody can tell."""

    lag: float = 0.0  # seconds
    cpu: float = 0.0  # share of one core
    process_cpu: float = 0.0  # seconds since the start, all threads
    descriptors: int = 0
    descriptor_limit: int = 0
    memory: int = 0  # bytes, resident
    sample: int = 0


@attrs.define(eq=False)
class Pulse:
    """One for the process. `media_lag` is the media clock's own lateness; `observe` is told each beat's, in seconds."""

    media_lag: Callable[[], float] = lambda: 0.0
    observe: Callable[[float], None] = lambda lag: None
    _beats: deque[float] = attrs.field(factory=lambda: deque([0.0] * BEATS, maxlen=BEATS), init=False)
    _sampled: Vitals = attrs.field(factory=Vitals, init=False)
    _now: Vitals | None = attrs.field(default=None, init=False)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled."""
        due = wall = trio.current_time()
        look_at, busy = due + SAMPLE, time.thread_time()
        self._look(0.0)
        task_status.started()
        while True:
            due += BEAT
            await trio.sleep_until(due)
            now = trio.current_time()
            self.beat(now - due)
            due = max(due, now - BEAT)
            if now >= look_at:
                look_at, spent = now + SAMPLE, time.thread_time()
                self._look((spent - busy) / max(now - wall, BEAT))
                wall, busy = now, spent

    def beat(self, late: float) -> None:
        """A beat came `late` seconds after it was due."""
        lag = max(late, self.media_lag())
        swallowed = min(int(late / BEAT), BEATS - 1)
        self._beats.extend([lag] * (1 + swallowed))
        self._now = None
        self.observe(lag)

    def vitals(self) -> Vitals:
        """As of the last beat."""
        if self._now is None:
            lag = sorted(self._beats)[-1 - QUARTER]
            self._now = attrs.evolve(self._sampled, lag=lag)
        return self._now

    def _look(self, cpu: float) -> None:
        before = self._sampled
        smooth = cpu if not before.sample else (before.cpu + cpu) / 2
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        known = before.sample % SELDOM and limit - before.descriptors > AMPLE
        self._sampled = Vitals(
            cpu=smooth,
            process_cpu=time.process_time(),
            descriptors=before.descriptors if known else descriptors(),
            descriptor_limit=limit,
            memory=memory(),
            sample=before.sample + 1,
        )
        self._now = None


def descriptors() -> int:
    """How many this process has open; 0 where the system does not tell."""
    for folder in _FOLDERS:
        try:
            return len(os.listdir(folder)) - 1  # without the one that lists
        except OSError:
            continue
    return 0


def memory() -> int:
    """Resident bytes; where the system does not tell, the most there have been."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
