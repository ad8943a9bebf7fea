"""What several processes of one house count together, exactly: calls, channels of trunks, calls a second, money.

- A slate of memory they share by fork: each writes its own row alone, and reads the others'. A decision that a count
  must not pass is made inside `deciding`: one process at a time, by a file lock that any death gives back.
- Numbers only. A dead worker's counts are taken away by `vacate`; what it spent stays spent.
"""

from __future__ import annotations

import fcntl
import mmap
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from callactors.calls.money import DAY
from callactors.routing.limits import Cap, Limits

_NUMBER = struct.Struct("d")
_CALLS, _DECIDED, _DAY, _SPENT, _TRUNKS = 0, 1, 2, 3, 4  # columns of a worker's row


class Slate:
    """The memory itself, made once before the forks. `trunks` are those whose channels or calls a second are limited.

    Rows: one a worker, then what the house had spent before it began, each trunk's bucket, and when that was looked at.
    """

    def __init__(self, workers: int, trunks: Sequence[str]) -> None:
        self.trunks = {name: _TRUNKS + index for index, name in enumerate(trunks)}
        self.workers, self.house, self.tokens, self.looked = workers, workers, workers + 1, workers + 2
        self._columns = _TRUNKS + len(self.trunks)
        self._memory = mmap.mmap(-1, (workers + 3) * self._columns * _NUMBER.size)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # its lock lives as long as the process

    def close(self) -> None:
        """Give the memory back, for this process."""
        self._memory.close()
        self._file.close()

    def read(self, row: int, column: int) -> float:
        return float(_NUMBER.unpack_from(self._memory, (row * self._columns + column) * _NUMBER.size)[0])

    def write(self, row: int, column: int, value: float) -> None:
        _NUMBER.pack_into(self._memory, (row * self._columns + column) * _NUMBER.size, value)

    def calls(self, worker: int) -> int:
        """As that worker last said."""
        return int(self.read(worker, _CALLS))

    def decided(self, worker: int) -> int:
        """How many INVITEs it has decided about."""
        return int(self.read(worker, _DECIDED))

    def spent(self, row: int, day: int) -> float:
        """USD of that day."""
        return self.read(row, _SPENT) if self.read(row, _DAY) == day else 0.0

    def spend(self, row: int, day: int, usd: float) -> None:
        self.write(row, _DAY, day)
        self.write(row, _SPENT, usd)

    def vacate(self, worker: int) -> None:
        """It has died: its calls are no more."""
        for column in (_CALLS, _DECIDED, *self.trunks.values()):
            self.write(worker, column, 0.0)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else is inside; a process that dies in here leaves it."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


class Alone:
    """The rest of a house that is one process: there is none."""

    def calls(self) -> int:
        """How many calls the others have."""
        return 0

    def channels(self, trunk: str) -> int:
        """How many calls they have on that trunk."""
        return 0

    def spent(self, now: int) -> float:
        """USD they have spent on the day of `now` (UTC milliseconds)."""
        return 0.0

    def own_spent(self, now: int) -> float | None:
        """What this worker's place had spent that day before this process took it; None: the ledger knows."""
        return None

    def publish(self) -> None:
        """Let the others know our counts as they are now."""

    def note_decision(self) -> None:
        """An INVITE has been decided about."""

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """While this is held nobody else decides; at its end our counts are published. May be nested."""
        yield


@attrs.define(eq=False)
class Seats(Alone):
    """One worker's place at the slate. What it counts itself is asked of what `watch` was given."""

    slate: Slate
    worker: int
    _calls: Callable[[], int] = attrs.field(default=int, init=False)
    _channels: Callable[[str], int] = attrs.field(default=lambda trunk: 0, init=False)
    _spent: Callable[[], tuple[int, float]] | None = attrs.field(default=None, init=False)
    _decided: int = attrs.field(default=0, init=False)
    _depth: int = attrs.field(default=0, init=False)

    def watch(
        self, calls: Callable[[], int], channels: Callable[[str], int], spent: Callable[[], tuple[int, float]]
    ) -> None:
        """Our own counts: calls, calls on a trunk, and (now, USD of today)."""
        self._calls, self._channels, self._spent = calls, channels, spent

    def calls(self) -> int:
        return sum(self.slate.calls(other) for other in self._others())

    def channels(self, trunk: str) -> int:
        column = self.slate.trunks.get(trunk)
        return 0 if column is None else int(sum(self.slate.read(other, column) for other in self._others()))

    def spent(self, now: int) -> float:
        return sum(self.slate.spent(row, now // DAY) for row in (*self._others(), self.slate.house))

    def own_spent(self, now: int) -> float | None:
        return self.slate.spent(self.worker, now // DAY)

    def publish(self) -> None:
        self.slate.write(self.worker, _CALLS, self._calls())
        self.slate.write(self.worker, _DECIDED, self._decided)
        for trunk, column in self.slate.trunks.items():
            self.slate.write(self.worker, column, self._channels(trunk))
        if self._spent is not None:
            now, usd = self._spent()
            self.slate.spend(self.worker, now // DAY, usd)

    def note_decision(self) -> None:
        self._decided += 1

    @contextmanager
    def deciding(self) -> Iterator[None]:
        if self._depth:
            yield
            return
        with self.slate.locked():
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                self.publish()

    def _others(self) -> Iterator[int]:
        return (other for other in range(self.slate.workers) if other != self.worker)


class SharedLimits(Limits):
    """A trunk's limits over all workers: channels by the slate, calls a second by one bucket that stands there."""

    def __init__(
        self,
        caps: Mapping[str, Cap],
        used: Callable[[str], int],
        seats: Seats,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`used` counts our own calls alone; `clock` is one that all processes of the house share, in seconds."""
        super().__init__(caps, lambda trunk: used(trunk) + seats.channels(trunk))
        self._seats, self._clock = seats, clock

    def wait(self, trunk: str, now: float, *, counted: int = 0) -> float:
        with self._seats.deciding(), self._bucket_of(trunk, now):
            return super().wait(trunk, now, counted=counted)

    def take(self, trunk: str, now: float, *, counted: int = 0) -> bool:
        with self._seats.deciding(), self._bucket_of(trunk, now):
            return super().take(trunk, now, counted=counted)

    def coming(self, trunk: str) -> int:
        """Calls of ours that are let in and not among the used yet: others must count them too."""
        return self._coming[trunk]

    @contextmanager
    def _bucket_of(self, trunk: str, now: float) -> Iterator[None]:
        """The slate's bucket is this process's for the time being. Clocks differ by process: the slate has its own."""
        slate, column = self._seats.slate, self._seats.slate.trunks.get(trunk)
        cps = self._caps.get(trunk, Cap()).cps
        if column is None or cps is None:
            yield
            return
        bucket, clock = self._bucket(trunk, cps, now), self._clock() - now
        if slate.read(slate.looked, column):
            bucket.restore(slate.read(slate.tokens, column), slate.read(slate.looked, column) - clock)
        yield
        tokens, at = bucket.left()
        slate.write(slate.tokens, column, tokens)
        slate.write(slate.looked, column, at + clock)
