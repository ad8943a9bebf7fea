"""Waiting, in a test or a demo, for what only the outside world can tell: looked at again and again, never forever."""

from __future__ import annotations

from collections.abc import Callable

import trio

LOOK = 0.02  # seconds between looks


async def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    """Return once `condition()` is true. Raises trio.TooSlowError after `patience` seconds."""
    with trio.fail_after(patience):
        while not condition():  # noqa: ASYNC110  # nobody sets an event for what a far end does
            await trio.sleep(LOOK)
