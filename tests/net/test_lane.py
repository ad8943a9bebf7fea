"""A lane between two processes: what is sent arrives whole and in order, and its end is seen."""

from __future__ import annotations

import socket

import msgspec
import trio

from callactors.net.lane import Lane


class Note(msgspec.Struct, frozen=True, tag=True):
    number: int
    text: bytes = b""


class Other(msgspec.Struct, frozen=True, tag=True):
    name: str


Kinds = Note | Other


def pair(bound: int = 64 << 20) -> tuple[Lane[Kinds], Lane[Kinds]]:
    one, two = socket.socketpair()
    return Lane(one, Kinds, bound=bound), Lane(two, Kinds)


async def test_messages_of_every_size_arrive_whole_and_in_order() -> None:
    here, there = pair()
    sent: list[Kinds] = [Note(n, b"x" * size) for n, size in enumerate([0, 1, 70_000, 3, 2_000_000, 5])]
    sent.append(Other("last"))
    came: list[Kinds] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(here.run)
        for message in sent:
            here.send(message)
        with trio.fail_after(5):
            async for message in there.receive():
                came.append(message)
                if message == Other("last"):
                    here.close()
    assert came == sent


async def test_what_a_dead_process_has_sent_is_read_before_its_end_is_seen() -> None:
    here, there = pair()
    for n in range(100):
        here.send(Note(n))
    here.close()
    assert [message async for message in there.receive()] == [Note(n) for n in range(100)]
    assert there.lost


async def test_a_reader_that_does_not_read_loses_the_lane_and_not_our_memory() -> None:
    here, there = pair(bound=1_000_000)
    for n in range(200):
        here.send(Note(n, b"x" * 50_000))
    assert here.lost
    assert here.overflowed
    here.send(Note(0))  # says nothing, and does nothing
    there.close()


async def test_sending_to_nobody_raises_nothing() -> None:
    here, there = pair()
    there.close()
    here.send(Note(1))
    here.send(Note(2))
    assert here.lost


async def test_closing_wakes_whoever_waits_on_either_side() -> None:
    here, there = pair()
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(here.run)

            async def listen() -> None:
                assert [message async for message in there.receive()] == []

            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()
            here.close()
