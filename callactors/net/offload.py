"""The one way to a thread. Everything that blocks or computes for more than 20 ms goes through `in_thread`.

Tests set INLINE: the autojump clock fires deadlines while a real thread works, so there the work runs in place.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio
import trio.to_thread

T = TypeVar("T")
Args = TypeVarTuple("Args")

INLINE: contextvars.ContextVar[bool] = contextvars.ContextVar("callactors.offload.INLINE", default=False)


async def in_thread(
    work: Callable[[*Args], T],
    *args: *Args,
    limiter: trio.CapacityLimiter | None = None,
    abandon: bool = False,
) -> T:
    """Run `work(*args)` off the loop and return what it returns.

    A cancellation waits for the work to end, unless `abandon`: then the thread is left to finish alone.
    """
    if INLINE.get():
        await trio.lowlevel.checkpoint()
        return work(*args)
    return await trio.to_thread.run_sync(work, *args, limiter=limiter, abandon_on_cancel=abandon)
