"""The way to a thread, and the way around it for tests."""

from __future__ import annotations

import threading

import pytest
import trio

from callactors.net import offload


async def test_work_runs_in_another_thread_and_returns_its_value() -> None:
    here = threading.get_ident()
    assert await offload.in_thread(threading.get_ident) != here


async def test_inline_work_runs_in_place() -> None:
    offload.INLINE.set(True)
    assert await offload.in_thread(threading.get_ident) == threading.get_ident()


async def test_an_error_of_the_work_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await offload.in_thread(int, "x")


async def test_abandoned_work_does_not_hold_up_a_cancellation() -> None:
    hold = threading.Event()
    with trio.move_on_after(0.02) as scope:
        await offload.in_thread(hold.wait, 5.0, abandon=True)
    hold.set()
    assert scope.cancelled_caught
