"""The kernel's timer wakes the one who keeps time: never early, and whatever happened before."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callactors.net import kernel_timer
from callactors.net.kernel_timer import KernelTimer, fine_sleep

SHORT = 0.02


@pytest.fixture
async def timer() -> AsyncIterator[KernelTimer]:
    timer = KernelTimer()
    yield timer
    timer.close()


async def test_it_is_never_early(timer: KernelTimer) -> None:
    for ahead in (SHORT, 0.001, 0.000_01):
        until = trio.current_time() + ahead
        await timer.sleep_until(until)
        assert trio.current_time() >= until - 1e-6  # both clocks count nanoseconds, in floats


async def test_every_sleep_is_as_long_as_it_is_told_though_the_one_before_has_rung(timer: KernelTimer) -> None:
    start = trio.current_time()
    for step in range(1, 11):
        await timer.sleep_until(start + step * 0.005)
        assert trio.current_time() >= start + step * 0.005 - 1e-6


async def test_a_moment_that_has_passed_is_no_sleep(timer: KernelTimer) -> None:
    for past in (0.0, 1e-9, 3_600.0, 1e9):
        with trio.fail_after(5):
            await timer.sleep_until(trio.current_time() - past)


async def test_it_can_be_cancelled_and_used_again(timer: KernelTimer) -> None:
    with trio.move_on_after(0) as scope:
        await timer.sleep_until(trio.current_time() + 3_600)
    assert scope.cancelled_caught
    with trio.fail_after(5):
        await timer.sleep_until(trio.current_time() + SHORT)


async def test_others_run_while_it_sleeps(timer: KernelTimer) -> None:
    woken = []
    async with trio.open_nursery() as nursery:

        async def sleeper() -> None:
            await timer.sleep_until(trio.current_time() + SHORT)
            woken.append("timer")

        nursery.start_soon(sleeper)
        await wait_all_tasks_blocked(0.001)
        woken.append("other")
    assert woken == ["other", "timer"]


async def test_what_was_opened_is_closed() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with fine_sleep() as sleep_until:
        await sleep_until(trio.current_time())
    assert set(os.listdir("/proc/self/fd")) <= before


async def test_where_there_is_none_trio_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_timer, "_LIBC", None)
    with fine_sleep() as sleep_until:
        assert sleep_until is trio.sleep_until
