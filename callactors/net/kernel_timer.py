"""A sleep that is late by tenths of a millisecond: timerfd (Linux), for the one task that keeps time for all.

- Trio's own is late by up to 1.3 ms, since epoll_wait counts whole ones, and makes a cancel scope and cancels it every
  time: two fifths more CPU, 200 times a second.
- Its clock is the system's. Whoever lives on another one (Trio's in tests), or on another system, sleeps by Trio.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

SleepUntil = Callable[[float], Awaitable[None]]  # a trio.current_time()

# from sys/timerfd.h and time.h
_MONOTONIC = 1
_ABSOLUTE = 1
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK

_LIBC = ctypes.PyDLL(None, use_errno=True) if sys.platform == "linux" else None  # it is back before others need the GIL


class _Times(ctypes.Structure):
    """struct itimerspec: no interval, and when."""

    _fields_ = (
        ("every_s", ctypes.c_long), ("every_ns", ctypes.c_long), ("at_s", ctypes.c_long), ("at_ns", ctypes.c_long),
    )  # fmt: skip


class KernelTimer:
    """One sleeper's. Raises OSError where the system has none to give."""

    def __init__(self) -> None:
        if _LIBC is None:
            raise OSError(f"{sys.platform} has no timerfd")
        self._set = _LIBC.timerfd_settime
        self._handle: int = _LIBC.timerfd_create(_MONOTONIC, _FLAGS)
        if self._handle < 0:
            problem = ctypes.get_errno()
            raise OSError(problem, os.strerror(problem))
        self._times = _Times()
        self._where = ctypes.byref(self._times)
        self._offset = min(_offset() for _ in range(5))  # whatever comes between its two clocks makes it larger

    async def sleep_until(self, at: float) -> None:
        """As `trio.sleep_until`."""
        nanoseconds = max(1, int((at + self._offset) * 1e9))  # 0 would be never
        self._times.at_s, self._times.at_ns = divmod(nanoseconds, 1_000_000_000)
        self._set(self._handle, _ABSOLUTE, self._where, None)  # what it told before is forgotten, so nobody reads it
        await trio.lowlevel.wait_readable(self._handle)

    def close(self) -> None:
        os.close(self._handle)


def _offset() -> float:
    """From trio.current_time() to CLOCK_MONOTONIC; never too small, so that nobody wakes early."""
    trios = trio.current_time()
    return time.monotonic() - trios


@contextmanager
def fine_sleep() -> Iterator[SleepUntil]:
    """The best sleep there is on the system's clock; not for a process that lives on another one."""
    try:
        timer = KernelTimer()
    except OSError:
        yield trio.sleep_until
        return
    try:
        yield timer.sleep_until
    finally:
        timer.close()
