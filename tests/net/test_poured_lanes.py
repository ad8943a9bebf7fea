"""Lanes read by the media clock: every message goes to whoever takes it, once and in order, and no task misses its cue.

The tests are the clock: nothing is read until they say `tick`.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel
import trio.testing

from callactors.errors import ModelFailed
from callactors.net.byte_lane import ByteLane
from callactors.net.lane_clock import LaneClock
from callactors.net.websocket import open_websocket
from callactors.net.websocket_connection import AT_ONCE, Connection
from callactors.net.websocket_server import Served, serve
from callactors.testing.certificate import certificate

Talk = Callable[[Served], Awaitable[None]]


@attrs.define(eq=False)
class Bench:
    """A client whose messages are poured, and the clock that reads them."""

    clock: LaneClock
    connection: Connection
    taken: list[bytes] = attrs.field(factory=list)
    waited: list[bytes] = attrs.field(factory=list)  # those that `take` did not want
    refuses: Callable[[bytes], bool] = lambda message: False
    ended: ModelFailed | None = None
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def take(self, message: bytes) -> bool:
        if self.refuses(message):
            return False
        self.taken.append(message)
        return True

    async def listen(self) -> None:
        """As a session does: what is not taken is received."""
        with self.scope:
            try:
                while True:
                    await self.connection.pour(self.take)
                    self.waited.append(await self.connection.receive_bytes())
            except ModelFailed as error:
                self.ended = error

    async def tick_until(self, fact: Callable[[], object]) -> None:
        with trio.fail_after(5):
            while not fact():
                self.clock.tick()
                await trio.lowlevel.checkpoint()


@asynccontextmanager
async def bench(talk: Talk, *, pem: Path | None = None, clock: LaneClock | None = None) -> AsyncIterator[Bench]:
    """A server that does `talk` with whoever connects, and its one client, which listens."""

    async def handler(connection: Served, path: str, headers: object) -> None:
        with suppress(ModelFailed):
            await talk(connection)
            while True:  # answers our goodbye
                await connection.receive()

    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)

    async def start(task_status: trio.TaskStatus[int]) -> None:
        await serve("127.0.0.1", 0, handler, ssl_context=context, task_status=task_status)

    clock = clock or LaneClock()
    clock.start()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(start)
        url = f"{'ws' if pem is None else 'wss'}://127.0.0.1:{port}/"
        async with open_websocket(url, {}, ca=str(pem) if pem else None, clock=clock) as connection:
            made = Bench(clock, connection)
            nursery.start_soon(made.listen)
            yield made
        nursery.cancel_scope.cancel()


def counted(number: int, size: int = 12) -> list[bytes]:
    return [b"%d." % n + b"x" * size for n in range(number)]


def says(messages: list[bytes]) -> Talk:
    async def talk(connection: Served) -> None:
        for message in messages:
            await connection.send(message.decode())

    return talk


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("number", "size"), [(3, 10), (AT_ONCE + 5, 10), (1000, 10), (40, 30_000), (3, 2_000_000)])
async def test_every_message_is_taken_once_and_in_order(number: int, size: int, tls: bool, tmp_path: Path) -> None:
    said = counted(number, size)
    async with bench(says(said), pem=certificate(tmp_path) if tls else None) as made:
        await made.tick_until(lambda: len(made.taken) == number)
    assert made.taken == said
    assert made.waited == []


async def test_nothing_is_read_between_ticks_and_no_task_wakes_for_what_is_taken() -> None:
    async with bench(says(counted(3))) as made:
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert made.taken == []
        await made.tick_until(lambda: made.taken)
        assert made.ended is None


async def test_a_message_that_is_not_taken_keeps_its_place_and_pouring_goes_on_behind_it() -> None:
    said = counted(30)
    async with bench(says(said)) as made:
        made.refuses = lambda message: message[:1] == b"7"
        await made.tick_until(lambda: len(made.taken) + len(made.waited) == 30)
    assert made.waited == [said[7]]
    assert made.taken == [one for one in said if one != said[7]]


async def test_what_take_raises_is_the_tasks_own_and_the_clock_goes_on() -> None:
    def bad(message: bytes) -> bool:
        if message.startswith(b"2."):
            raise ModelFailed("nonsense", "two", fatal=False)
        return False

    async with bench(says(counted(5))) as made:
        made.refuses = bad
        await made.tick_until(lambda: made.ended)
        assert made.ended is not None
        assert made.ended.code == "nonsense"
        made.clock.tick()


@pytest.mark.parametrize("tls", [False, True])
async def test_what_came_with_the_goodbye_is_taken_before_the_end_is_told(tls: bool, tmp_path: Path) -> None:
    async def talk(connection: Served) -> None:
        await says(counted(20))(connection)
        await connection.close(4000, "enough")

    async with bench(talk, pem=certificate(tmp_path) if tls else None) as made:
        await made.tick_until(lambda: made.ended)
    assert made.taken == counted(20)
    assert made.ended is not None
    assert (made.ended.code, made.ended.problem) == ("ws_4000", "enough")


async def test_a_peer_that_vanishes_is_told_at_the_next_tick() -> None:
    async def talk(connection: Served) -> None:
        await connection.send("last")
        await connection.abort()

    async with bench(talk) as made:
        await made.tick_until(lambda: made.ended)
    assert made.taken == [b"last"]
    assert made.ended is not None
    assert made.ended.code == "ws_1006"


async def test_a_clock_that_stops_leaves_the_reading_to_the_task_and_may_start_again() -> None:
    go_on = trio.Event()

    async def talk(connection: Served) -> None:
        await connection.send("one")
        await go_on.wait()
        await connection.send("two")

    async with bench(talk) as made:
        await made.tick_until(lambda: made.taken)
        made.clock.stop()
        go_on.set()
        with trio.fail_after(5):
            while len(made.taken) < 2:
                await trio.lowlevel.checkpoint()
        made.clock.start()
    assert made.taken == [b"one", b"two"]


async def test_without_a_clock_the_task_reads() -> None:
    async with bench(says(counted(30))) as made:
        made.clock.stop()
        with trio.fail_after(5):
            while len(made.taken) < 30:
                await trio.lowlevel.checkpoint()
    assert made.taken == counted(30)


async def test_a_connection_closed_by_us_ends_whoever_pours() -> None:
    async with bench(says([])) as made:
        await trio.testing.wait_all_tasks_blocked()
        await made.connection.close()
        with trio.fail_after(5):
            while made.ended is None:
                await trio.lowlevel.checkpoint()
        made.clock.tick()
    assert made.ended.code in ("ws_1000", "ws_1006")


async def test_a_task_that_is_cancelled_takes_nothing_more_and_what_comes_waits_for_the_next_one() -> None:
    go_on, gone = trio.Event(), trio.Event()

    async def talk(connection: Served) -> None:
        await connection.send("one")
        await go_on.wait()
        await connection.send("two")
        gone.set()

    async with bench(talk) as made:
        await made.tick_until(lambda: made.taken)
        go_on.set()
        await gone.wait()
        made.scope.cancel()
        made.clock.tick()
        assert made.taken == [b"one"]
        assert await made.connection.receive() == "two"


async def test_one_who_talks_all_the_time_does_not_keep_the_clock_from_another() -> None:
    flood, clock = counted(3_000, 3_000), LaneClock()
    async with bench(says(flood), clock=clock) as busy, bench(says(counted(3)), clock=clock) as other:
        await busy.tick_until(lambda: len(other.taken) == 3)
        assert len(busy.taken) < len(flood)
        await busy.tick_until(lambda: len(busy.taken) == len(flood))
    assert busy.taken == flood


async def test_a_lane_that_the_system_gives_no_room_to_watch_is_read_by_its_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(select, "epoll", full)
    async with bench(says(counted(20))) as made:
        with trio.fail_after(5):
            while len(made.taken) < 20:
                await trio.lowlevel.checkpoint()
    assert made.taken == counted(20)


def test_what_cannot_be_watched_is_said_so(tmp_path: Path) -> None:
    class Nobody:
        def read(self) -> None: ...

        def left_alone(self) -> None: ...

    reader = LaneClock()
    reader.start()
    with (tmp_path / "file").open("wb") as file:  # an epoll takes no files
        assert not reader.watch(file.fileno(), Nobody())
    reader.tick()
    reader.stop()


async def test_what_many_lanes_say_in_a_tick_leaves_at_its_end_and_before_what_is_said_later() -> None:
    heard: list[str] = []

    async def listens(connection: Served) -> None:
        while True:
            heard.append(await connection.receive())

    async with bench(listens) as made:
        made.clock.gather()
        assert made.connection.send_nowait(b"1")
        assert made.connection.send_nowait(b"2")
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert heard == []
        made.clock.finish()
        made.clock.gather()
        assert made.connection.send_nowait(b"3")
        await made.connection.send("4")  # an event does not wait for audio, and does not overtake it
        made.clock.finish()
        assert made.connection.send_nowait(b"5")
        await trio.testing.wait_all_tasks_blocked(0.02)
    assert heard == ["1", "2", "3", "4", "5"]


async def test_a_lane_that_broke_before_it_could_write_is_told_as_lost_and_holds_up_no_other() -> None:
    async def leaves(connection: Served) -> None:
        await connection.abort()

    async with bench(leaves) as made, bench(says([]), clock=made.clock) as other:
        await trio.testing.wait_all_tasks_blocked(0.02)
        for _ in range(3):
            made.clock.gather()
            with suppress(ModelFailed):
                made.connection.send_nowait(b"1")
            assert other.connection.send_nowait(b"1")
            made.clock.finish()
            await trio.testing.wait_all_tasks_blocked(0.02)
        await made.tick_until(lambda: made.ended)
        assert other.ended is None
    assert made.ended is not None
    assert made.ended.code == "ws_1006"


async def test_a_lane_that_could_not_be_written_says_so_to_the_next_one() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        ours.shutdown(socket.SHUT_WR)
        lane, clock = ByteLane(ours), LaneClock()
        clock.gather()
        lane.post(b"1", clock)
        clock.finish()
        clock.gather()
        with pytest.raises(trio.BrokenResourceError):
            lane.post(b"2", clock)
        clock.finish()
        lane.close()


async def test_what_was_said_by_a_lane_that_closes_in_the_same_tick_is_nobodys_error() -> None:
    async with bench(says([])) as made:
        made.clock.gather()
        assert made.connection.send_nowait(b"1")
        await made.connection.abort()
        made.clock.finish()
