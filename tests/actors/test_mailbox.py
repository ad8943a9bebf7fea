"""Signalling waits for room and is never lost; audio never waits, and the oldest is lost and counted."""

from __future__ import annotations

import gc

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


async def test_put_says_whether_there_was_room() -> None:
    box = Mailbox[int](1)
    assert (box.put(1), box.put(2), box.receive_nowait(), box.dropped) == (True, False, 1, 0)
    box.close()
    with pytest.raises(trio.ClosedResourceError):
        box.put(3)


async def test_senders_that_wait_for_room_are_all_let_in(autojump_clock: object) -> None:
    box = Mailbox[int](1)
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(box.send, number)
        got = {await box.receive() for _ in range(5)}
    assert got == set(range(5))


async def test_closing_tells_a_sender_that_waits_for_room(autojump_clock: object) -> None:
    box = Mailbox[int](1)
    box.offer(1)

    async def send() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await box.send(2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        box.close()


async def test_a_reader_that_was_cancelled_leaves_its_place_to_another(autojump_clock: object) -> None:
    box = Mailbox[int](1)
    with trio.move_on_after(1):
        await box.receive()
    box.offer(1)
    assert await box.receive() == 1


async def test_two_readers_at_once_are_a_mistake() -> None:
    box = Mailbox[int](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.receive)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await box.receive()
        box.offer(1)


async def test_sending_keeps_its_order_against_a_put_of_the_same_moment() -> None:
    box = Mailbox[int](4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.send, 1)
        await trio.testing.wait_all_tasks_blocked()
        box.put(2)
    assert (box.receive_nowait(), box.receive_nowait()) == (1, 2)


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


async def test_messages_are_poured_into_a_reader_that_never_waits_until_it_has_enough() -> None:
    box, got = Mailbox[int](2), list[int]()

    def take(number: int) -> bool:
        if number < 3:
            got.append(number)
        return number < 3

    box.offer(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.pour, take)
        await trio.testing.wait_all_tasks_blocked()
        for number in (2, 3, 4):
            assert box.put(number)
            assert got == [1, 2]
    assert (box.receive_nowait(), box.receive_nowait(), box.dropped) == (3, 4, 0)


async def test_what_is_not_taken_keeps_its_place_among_those_that_waited() -> None:
    box = Mailbox[int](4)
    for number in (1, 2, 3):
        box.offer(number)
    await box.pour(lambda number: number < 2)
    box.offer(4)
    assert [box.receive_nowait() for _ in range(3)] == [2, 3, 4]


async def test_what_a_reader_raises_while_it_is_poured_into_is_its_own_affair() -> None:
    box = Mailbox[int](4)

    async def pour() -> None:
        with pytest.raises(ZeroDivisionError):
            await box.pour(lambda number: 1 / number > 0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pour)
        await trio.testing.wait_all_tasks_blocked()
        for number in (1, 0, 2):
            box.offer(number)
    assert box.receive_nowait() == 2


async def test_pouring_ends_when_the_mailbox_is_closed_or_the_reader_cancelled(autojump_clock: object) -> None:
    box = Mailbox[int](4)
    with trio.move_on_after(1):
        await box.pour(lambda number: True)
    box.offer(1)
    assert box.receive_nowait() == 1
    box.close()
    with pytest.raises(trio.EndOfChannel):
        await box.pour(lambda number: True)


async def test_what_take_raises_is_freed_with_whoever_hears_of_it() -> None:
    class Mishap(Exception):
        """Known by its kind."""

    def take(message: int) -> bool:
        raise Mishap

    async def pour() -> None:
        with pytest.raises(Mishap):
            await box.pour(take)

    box: Mailbox[int] = Mailbox(4)
    gc.collect()
    gc.disable()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour)
            await trio.testing.wait_all_tasks_blocked()
            box.offer(1)
        assert not [one for one in gc.get_objects() if isinstance(one, Mishap)]
    finally:
        gc.enable()
