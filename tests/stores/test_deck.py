"""Writing off the loop: in order, together, and one failure is nobody else's."""

from __future__ import annotations

import os

import pytest
import trio
import trio.testing

from callactors.net import offload
from callactors.stores.deck import Deck


def failing() -> None:
    raise OSError(28, "No space left on device")


async def test_work_is_done_in_order_and_each_hears_of_its_own(autojump_clock: object) -> None:
    offload.INLINE.set(True)
    deck, did, told = Deck(), list[int](), list[tuple[int, str | None]]()

    def note(number: int, error: OSError | None) -> None:
        told.append((number, error.strerror if error is not None else None))

    async with trio.open_nursery() as nursery:
        await nursery.start(deck.run)
        deck.put(lambda: did.append(0), lambda error: note(0, error))
        deck.put(failing, lambda error: note(1, error))
        deck.put(lambda: did.append(2), lambda error: note(2, error))
        await trio.testing.wait_all_tasks_blocked()
        assert did == [0, 2]
        assert told == [(0, None), (1, "No space left on device"), (2, None)]
        assert (deck.statistics().trips, deck.statistics().failed) == (1, 1)
        nursery.cancel_scope.cancel()


async def test_what_was_put_before_the_end_is_done_after_it(autojump_clock: object) -> None:
    offload.INLINE.set(True)
    deck, did = Deck(), list[int]()
    async with trio.open_nursery() as nursery:
        await nursery.start(deck.run)
        nursery.cancel_scope.cancel()
        for number in range(3):
            deck.put(lambda number=number: did.append(number), lambda error: None)  # type: ignore[misc]
    assert did == [0, 1, 2]


async def test_a_disk_that_hangs_does_not_hang_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callactors.stores.deck.LAST", 0.1)
    deck, (ears, mouth) = Deck(), os.pipe()
    told: list[OSError | None] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(deck.run)
        deck.put(lambda: os.read(ears, 1), told.append)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert told == []
    os.write(mouth, b"x")  # the thread is left to end alone
