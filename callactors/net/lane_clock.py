"""Lanes that are read and written by the media clock instead of by a task each: to wake a task costs more than to read.

- At every slot every lane that has something is read, MOST at most, and no more after LONGEST: others come first then.
- What is read at a tick can still leave in a packet of that tick, so that nothing waits for this.
- What many lanes have to say in one tick is written in a row: one write between other work costs twice as much.
- While the clock does not run nobody is read: `running` is false then, and who was being read is told to read itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from callactors.net.ready_sockets import ReadySockets

MOST = 128  # lanes a time
LONGEST = 0.010  # seconds


class Readable(Protocol):
    """Somebody whose socket is watched."""

    def read(self) -> None:
        """The socket has something."""

    def left_alone(self) -> None:
        """Nobody watches it any more."""


class LaneClock:
    """Those who are watched, by the descriptors of their sockets. `gathers`: who has to write waits for `finish`."""

    def __init__(self) -> None:
        self.running = self.gathers = False
        self._posted: list[Callable[[], None]] = []
        self._watched: dict[int, Readable] = {}
        self._ready: ReadySockets | None = None

    def start(self) -> None:
        """There is a clock."""
        self.running = True

    def stop(self) -> None:
        """There is none any more. Idempotent."""
        self.running = False
        for one in list(self._watched.values()):
            one.left_alone()
        if self._ready is not None:
            self._ready.close()
            self._ready = None

    def watch(self, handle: int, one: Readable) -> bool:
        """Read it from now on; while `running`. False when the system gives no descriptor or no room for that."""
        try:
            self._ready = self._ready or ReadySockets()
            self._ready.watch(handle)
        except OSError:
            return False
        self._watched[handle] = one
        return True

    def forget(self, handle: int) -> None:
        """Before its socket is closed; idempotent."""
        if self._watched.pop(handle, None) is not None and self._ready is not None:
            self._ready.forget(handle)

    def gather(self) -> None:
        """From here to `finish` nobody writes for himself."""
        self.gathers = True

    def at_finish(self, write: Callable[[], None]) -> None:
        """While it `gathers`: somebody has something to write."""
        self._posted.append(write)

    def finish(self) -> None:
        """Everybody writes."""
        self.gathers = False
        posted, self._posted = self._posted, []
        for write in posted:
            write()

    def tick(self) -> None:
        """Have those read that have something."""
        if not self._watched or self._ready is None:
            return
        until = trio.current_time() + LONGEST
        for handle in self._ready(MOST):
            one = self._watched.get(handle)
            if one is None:  # forgotten by one before it
                continue
            one.read()
            if trio.current_time() > until:
                break
