"""The one place with a broad `except`: around a call, a leg and a model scope.

It turns an exception into a fact (CallEnded, LegEnded, ModelLost), so one crash is one record and nobody else notices.
Cancellation passes through untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from callactors.errors import CallactorsError
from callactors.meters.log import log

T = TypeVar("T")


async def contain(scope: str, work: Callable[[], Awaitable[T]], crashed: Callable[[Exception], T]) -> T:
    """Await `work()`; should it raise, log it as a crash of `scope` and return `crashed(error)` instead."""
    try:
        return await work()
    except Exception as error:  # the rule of this file
        cause = first_of(error)
        if not isinstance(cause, CallactorsError):
            log().error("crashed", scope=scope, error=repr(cause)[:500], exc_info=cause)
        return crashed(cause)


def first_of(error: Exception) -> Exception:
    """The first leaf of a nursery's exception group, which says what happened; other errors are themselves."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def is_cancelled(error: BaseException) -> bool:
    """Whether this is Trio's own cancellation, alone or in a group."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancelled(part) for part in error.exceptions)
    return isinstance(error, trio.Cancelled)
