"""Signalling waits for room and is never lost; audio never waits, and the oldest is lost and counted."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from callactors.actors.mailbox import Mailbox


async def test_messages_come_out_in_the_order_they_went_in() -> None:
    box = Mailbox[int](3)
    box.offer(1)
    await box.send(2)
    assert [await box.receive(), box.receive_nowait()] == [1, 2]


async def test_send_waits_for_room(autojump_clock: object) -> None:
    box = Mailbox[int](1)
    await box.send(1)
    with trio.move_on_after(1) as waited:
        await box.send(2)
    assert waited.cancelled_caught
    assert box.receive_nowait() == 1


async def test_offer_on_a_full_mailbox_loses_the_oldest_and_counts_it() -> None:
    box = Mailbox[int](2)
    for number in range(5):
        box.offer(number)
    assert (box.receive_nowait(), box.receive_nowait(), box.statistics().dropped) == (3, 4, 3)


async def test_offer_never_loses_a_message_while_somebody_waits_for_it() -> None:
    box, got = Mailbox[int](1), list[int]()

    async def read() -> None:
        got.append(await box.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        box.offer(1)
        box.offer(2)
    assert (got, box.receive_nowait(), box.dropped) == ([1], 2, 0)


async def test_closing_lets_the_reader_finish_what_is_queued() -> None:
    box = Mailbox[int](4)
    for number in (1, 2):
        box.offer(number)
    box.close()
    box.close()
    assert [number async for number in box] == [1, 2]
    with pytest.raises(trio.EndOfChannel):
        await box.receive()


async def test_after_closing_send_raises_and_offer_counts() -> None:
    box = Mailbox[int](4)
    box.close()
    box.offer(1)
    with pytest.raises(trio.ClosedResourceError):
        await box.send(2)
    assert box.dropped == 1


async def test_statistics_tell_what_waits() -> None:
    box = Mailbox[int](4)
    box.offer(1)
    seen = box.statistics()
    assert (seen.waiting, seen.capacity, seen.dropped) == (1, 4, 0)
