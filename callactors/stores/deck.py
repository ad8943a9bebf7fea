"""Where recordings are written: one thread at a time for all calls, off the loop. Rules of this file:

- `put` never waits. What is put within a breath of each other shares one trip to the thread, and keeps its order.
- What came of it is told in the loop to whoever put it; what fails for one recording no other notices.
- `run` outlives the calls: when it is cancelled it finishes what was put, for as long as LAST.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
import trio

from callactors.net.offload import in_thread

BREATH = 0.1  # seconds between two trips
LAST = 10.0  # seconds the last trips may take

Work = Callable[[], object]
Done = Callable[[OSError | None], None]


@attrs.frozen
class DeckStatistics:
    """Pieces of work waiting, done (the failed ones too) and failed; trips to the thread."""

    waiting: int
    done: int
    failed: int
    trips: int


@attrs.define(eq=False)
class Deck:
    """One a process."""

    _waiting: deque[tuple[Work, Done]] = attrs.field(factory=deque, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _done: int = attrs.field(default=0, init=False)
    _failed: int = attrs.field(default=0, init=False)
    _trips: int = attrs.field(default=0, init=False)

    def put(self, work: Work, done: Done) -> None:
        """Have this done in a thread; then `done(error)` is called from the loop: an OSError, or None."""
        self._waiting.append((work, done))
        self._wake.set()

    def statistics(self) -> DeckStatistics:
        return DeckStatistics(len(self._waiting), self._done, self._failed, self._trips)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled, and then until nothing waits."""
        async with trio.open_nursery() as nursery:
            scope = await nursery.start(self._work_shielded)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._closing = True
                self._wake.set()
                scope.deadline = trio.current_time() + LAST

    async def _work_shielded(self, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope(shield=True) as scope:
            task_status.started(scope)
            while self._waiting or not self._closing:
                if not self._waiting:
                    self._wake = trio.Event()
                    await self._wake.wait()
                await self._trip()
                if not self._closing:
                    await trio.sleep(BREATH)

    async def _trip(self) -> None:
        """Do everything that waits."""
        batch = list(self._waiting)
        self._waiting.clear()
        self._trips += 1
        errors = await in_thread(_perform, [work for work, _ in batch], abandon=True)
        for (_, done), error in zip(batch, errors, strict=True):
            self._done += 1
            self._failed += error is not None
            done(error)


def _perform(works: list[Work]) -> list[OSError | None]:
    return [_tried(work) for work in works]


def _tried(work: Work) -> OSError | None:
    try:
        work()
    except OSError as error:
        return error
    return None
