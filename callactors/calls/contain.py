"""The one place with a broad `except`: around a call, a leg and a model scope.

It turns an exception into a fact (CallEnded, LegEnded, ModelLost), so one crash is one record and nobody else notices.
Cancellation passes through untouched; what crashes while being cancelled is logged, and the cancellation goes on.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from callactors.errors import CallactorsError
from callactors.meters.log import log

T = TypeVar("T")


async def contain(scope: str, work: Callable[[], Awaitable[T]], crashed: Callable[[Exception], T]) -> T:
    """Await `work()`; should it raise, log it as a crash of `scope` and return `crashed(error)` instead."""
    try:
        return await work()
    except Exception as error:  # the rule of this file
        return crashed(_noted(scope, error))
    except BaseExceptionGroup as group:
        crash, rest = group.split(Exception)
        if crash is None or rest is None:
            raise
        _noted(scope, crash)
        raise rest from None


def contain_now(scope: str, work: Callable[[], T], crashed: Callable[[Exception], T]) -> T:
    """`contain` for what does not wait: a callback of the endpoint, which would end with the exception."""
    try:
        return work()
    except Exception as error:  # the rule of this file
        return crashed(_noted(scope, error))


def where(error: BaseException) -> str:
    """`file:line` of the line that raised it, for a record; "" when it was never raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group, flat."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _noted(scope: str, error: Exception) -> Exception:
    """The error that says what happened, logged unless it is one of ours by name."""
    cause = first_of(error)
    if not isinstance(cause, CallactorsError):
        log().error("crashed", scope=scope, error=repr(cause)[:500], at=where(cause))
    return cause


def first_of(error: Exception) -> Exception:
    """The first leaf of a nursery's exception group, which says what happened; other errors are themselves."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
