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
        if group.subgroup(Exception) is None:
            raise
        raise _without_crash(scope, group) from None


def _without_crash(scope: str, group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The cancellation alone, the crash being logged.

    In a function of its own, and called where it is raised: an error that a variable of a frame of its own traceback
    holds is a cycle, and all that the call ever had would hang on it.
    """
    crash, rest = group.split(Exception)
    if crash is not None:
        _noted(scope, crash)
    return rest if rest is not None else group


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
