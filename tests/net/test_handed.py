"""A worker's wire: who is answered by which socket, and what the parent hands over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from callactors.net.handed import MOST_WAITING, FrontWire, HandedWire
from callactors.net.udp import UdpSocket
from callactors.net.wires import Listener, Wires
from callactors.sip.address import Address, Hop, Transport

HOST = "127.0.0.1"


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    yield made
    made.close()


class Worker:
    """A worker's wire beside a public socket, a phone, and what went to the parent."""

    def __init__(self) -> None:
        self.phone, self.public, self.own = (UdpSocket(HOST, 0) for _ in range(3))
        self.passed: list[tuple[bytes, Hop]] = []
        connected: list[tuple[Transport, Address]] = [("tcp", Address(HOST, 5080)), ("tls", Address(HOST, 5081))]
        self.wire = HandedWire([self.own], [self.public], connected, lambda data, hop: self.passed.append((data, hop)))
        self.at_public = Hop(*self.phone.address, flow=-1)
        self.at_own = Hop(*self.phone.address)

    def close(self) -> None:
        for one in (self.phone, self.public, self.own):
            one.close()

    async def heard_by_phone(self) -> tuple[bytes, Address]:
        with trio.fail_after(2):
            [(data, source)] = await self.phone.receive()
        return data, source.address


async def test_a_datagram_is_answered_by_the_socket_it_came_to(worker: Worker) -> None:
    worker.wire.send(b"to the public one", worker.at_public)
    assert await worker.heard_by_phone() == (b"to the public one", worker.public.address)
    worker.wire.send(b"to our own", worker.at_own)
    assert await worker.heard_by_phone() == (b"to our own", worker.own.address)


async def test_via_and_contact_name_our_own_port_whichever_socket_is_used(worker: Worker) -> None:
    assert worker.wire.local(worker.at_public) == worker.wire.local(worker.at_own) == worker.own.address
    assert worker.wire.local(Hop(HOST, 9, "tls", 7)) == Address(HOST, 5081)
    assert worker.wire.local(Hop(HOST, 9, "tcp", 7)) == Address(HOST, 5080)


async def test_what_goes_over_a_connection_goes_to_the_parent(worker: Worker) -> None:
    hop = Hop(HOST, 9, "tls", 7)
    worker.wire.send(b"x", hop)
    assert worker.passed == [(b"x", hop)]


async def test_messages_of_the_parent_and_of_our_own_port_are_received_with_their_names(worker: Worker) -> None:
    hop = Hop(HOST, 9, "tls", 7)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.wire.run)
        worker.wire.hand(b"handed", hop, ("sip.example",))
        assert await worker.wire.receive() == [(b"handed", hop)]
        assert worker.wire.names(7) == ("sip.example",)
        worker.phone.send(b"direct", Hop(*worker.own.address))
        with trio.fail_after(2):
            assert await worker.wire.receive() == [(b"direct", worker.at_own)]
        nursery.cancel_scope.cancel()


async def test_a_flood_nobody_reads_is_counted_and_not_kept(worker: Worker) -> None:
    for _ in range(MOST_WAITING + 5):
        worker.wire.hand(b"x", worker.at_public)
    assert len(await worker.wire.receive()) == MOST_WAITING
    assert worker.wire.counters["dropped"] == 5


async def test_a_family_we_have_no_socket_of_is_lost_and_told(worker: Worker) -> None:
    lost: list[Hop] = []
    worker.wire.on_lost = lambda hop, broken: lost.append(hop)
    worker.wire.send(b"x", Hop("::1", 9))
    assert lost == [Hop("::1", 9)]


async def test_a_closed_wire_says_so_to_whoever_receives(worker: Worker) -> None:
    worker.wire.close()
    with pytest.raises(trio.ClosedResourceError):
        await worker.wire.receive()


async def test_the_parent_keeps_what_is_claimed_and_reads_the_rest() -> None:
    claimed: list[tuple[bytes, Hop]] = []

    def claims(data: bytes, source: Hop) -> bool:
        if data == b"theirs":
            claimed.append((data, source))
        return data == b"theirs"

    wires = Wires([Listener("udp", Address(HOST, 0))])
    front, phone = FrontWire(wires, claims, lambda hop, broken: None), UdpSocket(HOST, 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(front.run)
        for data in (b"theirs", b"ours"):
            phone.send(data, Hop(*front.address))
        with trio.fail_after(2):
            [(data, source)] = await front.receive()
        assert (data, [data for data, _ in claimed]) == (b"ours", [b"theirs"])
        assert front.handed(source) == Hop(*phone.address, flow=-1)
        nursery.cancel_scope.cancel()
    front.close()
    phone.close()
