"""The parts of a house of workers that need no house: the zygote, the shares, the page of all."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Timer

import msgspec
import pytest
import trio

from callactors import config as configuration
from callactors.commands.workers.house import House, part
from callactors.commands.workers.metrics import Pages
from callactors.commands.workers.zygote import Zygote, start_zygote
from callactors.config import Config
from callactors.errors import Unusable


@contextmanager
def zygote() -> Iterator[Zygote]:
    """One whose workers answer each byte with their number, and end with 7 when the parent's end closes."""

    def work(worker: int, end: socket.socket) -> int:
        while data := end.recv(1):
            end.send(data + bytes([worker]))
        return 7

    made = start_zygote(work)
    try:
        yield made
    finally:
        made.end()


async def test_a_zygote_forks_workers_and_tells_how_they_ended() -> None:
    with zygote() as made:
        ends = [made.fork(worker) for worker in (3, 5)]
        for end in ends:
            end.send(b"x")
        assert [end.recv(2) for end in ends] == [b"x\x03", b"x\x05"]
        with trio.fail_after(5):
            told = made.fates()
            fates = [await anext(told), await anext(told)]
            for end in ends:
                end.close()
            fates += [await anext(told), await anext(told)]
            await told.aclose()
    assert [fate.worker for fate in fates[:2]] == [3, 5]
    assert sorted(fate.pid for fate in fates[2:]) == sorted(fate.pid for fate in fates[:2])
    assert {os.waitstatus_to_exitcode(fate.status or 0) for fate in fates[2:]} == {7}


async def test_a_killed_worker_is_seen_by_the_end_of_its_lane_and_the_next_one_is_there_at_once() -> None:
    with zygote() as made:
        end = made.fork(0)
        fates = made.fates()
        with trio.fail_after(5):
            born = await anext(fates)
            os.kill(born.pid, signal.SIGKILL)
            assert end.recv(1) == b""
            died = await anext(fates)
        assert (died.pid, os.waitstatus_to_exitcode(died.status or 0)) == (born.pid, -signal.SIGKILL)
        again = made.fork(0)
        again.send(b"y")
        assert again.recv(2) == b"y\x00"
        end.close()
        again.close()
        await fates.aclose()


@pytest.mark.parametrize(("ports", "count"), [(range(20_000, 30_000), 3), (range(20_001, 20_100), 4), (range(1, 9), 2)])
def test_shares_of_ports_are_whole_pairs_and_nobodys_twice(ports: range, count: int) -> None:
    shares = [part(ports, worker, count) for worker in range(count)]
    taken = [port for share in shares for port in share]
    assert len(taken) == len(set(taken)) > 0
    assert set(taken) <= set(ports)
    assert all(share.start % 2 == 0 == len(share) % 2 for share in shares)


def config(sip: str = "127.0.0.1:0") -> Config:
    return configuration.override(configuration.default(), sip=sip)


async def test_workers_are_named_after_their_node_and_have_no_web_face_of_their_own() -> None:
    house = House.open(config(), None, 2)
    one = house.config_of(1)
    assert (one.node, one.listen.web, one.listen.rtp) == ("a1.1", None, range(25_000, 30_000))
    assert len({address for worker in range(2) for address in house.addresses(worker).split(",")}) == 2
    house.close()


async def test_workers_take_the_ports_above_the_public_one_and_say_which_is_taken() -> None:
    port = three_free_ports()
    house = House.open(config(f"127.0.0.1:{port}"), None, 2)
    assert [house.addresses(worker) for worker in range(2)] == [f"127.0.0.1:{port + 1}", f"127.0.0.1:{port + 2}"]
    house.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port + 2))
        with pytest.raises(Unusable, match=rf"127\.0\.0\.1:{port + 2}: Address already in use; .*another public port"):
            House.open(config(f"127.0.0.1:{port}"), None, 2)


def test_a_start_before_any_loop_says_what_is_wrong_with_its_ports() -> None:
    first = three_free_ports()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 2))
        with pytest.raises(Unusable, match=rf"127\.0\.0\.1:{first + 2}: Address already in use"):
            House.open(config(f"127.0.0.1:{first}"), None, 2)
    with pytest.raises(Unusable, match=r"no UDP port is left above 127\.0\.0\.1:65534 for every worker"):
        House.open(config("127.0.0.1:65534"), None, 2)


def test_ports_that_a_killed_house_still_holds_are_waited_for() -> None:
    first = three_free_ports()
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", first + 1))
    leaving = Timer(0.3, other.close)
    leaving.start()
    House.open_patiently(config(f"127.0.0.1:{first}"), None, 2).close()
    leaving.join()


def test_a_zygote_whose_parent_goes_without_hearing_it_out_ends_in_peace() -> None:
    made = start_zygote(lambda worker, end: 0)
    with made.fork(0) as end:
        end.recv(1)  # it has told of a birth and, its worker gone, of a death
    made._control.close()
    assert os.waitpid(made.pid, 0) == (made.pid, 0)


def three_free_ports() -> int:
    """The first of three UDP ports in a row that nobody has at the moment."""
    while True:
        with ExitStack() as probes:
            first = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with suppress(OSError, OverflowError):
                for above in (port + 1, port + 2):
                    probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", above))
                return port


def test_too_few_rtp_ports_for_so_many_workers_is_said_at_the_start() -> None:
    listen = msgspec.structs.replace(config().listen, rtp=range(20_000, 20_100))
    narrow = msgspec.structs.replace(config(), listen=listen)
    with pytest.raises(Unusable, match="too few for 64 workers"):
        House.open(narrow, None, 64)


async def test_the_page_of_all_has_every_worker_that_answers_and_waits_for_none_too_long(
    autojump_clock: object,
) -> None:
    def ask(worker: int, number: int) -> None:
        if worker != 1:
            pages.take(worker, number, b"# TYPE x gauge\nx 1.0\n")

    pages = Pages(ask)
    began = trio.current_time()
    page = (await pages.all(lambda: [0, 1, 2], lambda: b"y 2.0\n")).decode()
    assert trio.current_time() - began == 1.0
    assert [line for line in page.splitlines() if line[0] != "#"] == [
        'x{worker="0"} 1.0',
        'x{worker="2"} 1.0',
        'y{worker="parent"} 2.0',
    ]
