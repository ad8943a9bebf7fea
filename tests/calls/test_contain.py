"""contain(): one crash is one fact, and a cancellation stays one."""

from __future__ import annotations

import pytest
import trio

from callactors.calls.contain import contain, contain_now, first_of, where
from callactors.errors import ModelFailed


async def crash() -> str:
    raise ZeroDivisionError("ours")


def told(error: Exception) -> str:
    return type(error).__name__


async def test_a_crash_becomes_what_crashed_makes_of_it() -> None:
    assert await contain("call", crash, told) == "ZeroDivisionError"


async def test_a_crash_in_a_nursery_is_told_by_its_first_error() -> None:
    async def work() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
        return "done"

    assert await contain("call", work, told) == "ZeroDivisionError"


async def test_a_crash_while_being_cancelled_leaves_the_cancellation_alone() -> None:
    async def stumbles() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ModelFailed("gone", "broke while closing")

    async def work() -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(stumbles)
        return "done"

    with trio.move_on_after(0) as scope:
        await contain("model", work, told)
    assert scope.cancelled_caught


def test_a_callback_is_contained_too_and_the_place_is_known() -> None:
    def work() -> str:
        raise KeyError("sip")

    assert contain_now("admission", work, where).startswith("test_contain.py:")
    assert isinstance(first_of(ExceptionGroup("", [ExceptionGroup("", [KeyError()])])), KeyError)


async def test_an_interrupt_is_nobodys_crash() -> None:
    async def work() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await contain("call", work, told)
