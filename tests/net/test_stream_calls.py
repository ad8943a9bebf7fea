"""Whole endpoints over TCP and TLS: calls, attacks on the stream, and carriers whose connection goes away."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from callactors.net.sip_endpoint import SipEndpoint
from callactors.net.udp import UdpSocket, Wire
from callactors.net.wires import Listener, Wires
from callactors.sip.address import Address, Hop, Transport
from callactors.sip.events import Acked, Answered, Event, Failed, HungUp, Invited, Progressed
from callactors.sip.headers import name_addr
from callactors.sip.message import Response, parse
from callactors.sip.uri import SipUri
from callactors.testing.certificate import Authority
from callactors.testing.stream_wire import stream_wire

ME = name_addr("<sip:alice@127.0.0.1>")
E = TypeVar("E", bound=Event)
CARRIERS = ("127.0.0.1", "127.0.0.10", "::1")


class Phone:
    """An endpoint on a wire, and what it is told."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self.told_in, self.told = trio.open_memory_channel[Event](100)
        self.sent: list[tuple[bytes, Hop]] = []
        self.sip = SipEndpoint(
            *wire.address,
            node=f"n{seed}",
            trunk_of=lambda source: "carrier" if source.host in CARRIERS else None,
            on_invite=self._invited,
            random=random.Random(seed),
            tap=lambda way, data, peer: self.sent.append((data, peer)) if way == "out" else None,
            wire=wire,
        )

    def _invited(self, event: Invited) -> None:
        self.told_in.send_nowait(event)
        self.sip.subscribe(event.session, self.told_in.send_nowait)

    def dial(self, to: Hop) -> int:
        target = SipUri("sip", "desk", None, to.host, to.port)
        session = self.sip.invite(target, to=to, trunk="carrier", caller=ME, body=b"offer")
        self.sip.subscribe(session, self.told_in.send_nowait)
        return session

    async def hear(self, kind: type[E]) -> E:
        with trio.fail_after(3):
            while True:
                if isinstance(event := await self.told.receive(), kind):
                    return event


@asynccontextmanager
async def phones(*wires: Wire) -> AsyncIterator[list[Phone]]:
    made = [Phone(wire, seed) for seed, wire in enumerate(wires)]
    async with trio.open_nursery() as nursery:
        for phone in made:
            await nursery.start(phone.sip.run)
        yield made
        nursery.cancel_scope.cancel()


def wire_of(transport: Transport, folder: Path, host: str = "127.0.0.1", authority: Authority | None = None) -> Wire:
    if transport == "tcp":
        return stream_wire(host)
    authority = authority or Authority(folder)
    return stream_wire(host, "tls", certificate=authority.issue(host), ca=authority.ca)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_call_goes_by_the_transport_that_was_asked_for_from_first_to_last(
    transport: Transport, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    wires = [wire_of(transport, tmp_path, host, authority) for host in ("127.0.0.1", "127.0.0.10")]
    async with phones(*wires) as (caller, desk):
        session = caller.dial(Hop(*desk.sip.address, transport))
        invited = await desk.hear(Invited)
        desk.sip.answer(invited.session, b"answer")
        assert (await caller.hear(Answered)).body == b"answer"
        await desk.hear(Acked)
        desk.sip.finish(invited.session)
        assert (await caller.hear(HungUp)).session == session
        head = f"SIP/2.0/{transport.upper()} {desk.sip.address};branch"
        assert head in desk.sent[-1][0].decode()
        contact = f"<sip:callactors@{desk.sip.address};transport={transport}>"
        assert any(contact in data.decode() for data, _ in desk.sent)
        assert {peer.transport for _, peer in caller.sent + desk.sent} == {transport}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_over_ipv6_names_its_addresses_in_brackets(transport: Transport) -> None:
    one, other = (Wires([Listener(transport, Address("::1", 0))]) for _ in range(2))
    async with phones(one, other) as (caller, desk):
        session = caller.dial(Hop(*desk.sip.address, transport))
        desk.sip.answer((await desk.hear(Invited)).session, b"answer")
        await caller.hear(Answered)
        await desk.hear(Acked)
        caller.sip.finish(session)
        await desk.hear(HungUp)
        assert all(f"[::1]:{caller.sip.address.port}".encode() in data for data, _ in caller.sent)


# -- a carrier whose connection goes away ------------------------------------------------------------------------


@asynccontextmanager
async def carrier_that(*says: bytes) -> AsyncIterator[tuple[Hop, trio.MemoryReceiveChannel[trio.SocketStream]]]:
    """Takes one connection, reads the INVITE, sends its Via and the rest back under these status lines."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.10")
    opened_in, opened = trio.open_memory_channel[trio.SocketStream](1)

    async def take() -> None:
        stream = await listener.accept()
        invite = bytes(await stream.receive_some(9_000))
        copied = [line for line in invite.split(b"\r\n") if line.startswith((b"Via", b"From", b"To", b"Call", b"CSeq"))]
        for status in says:
            head = b"\r\n".join([b"SIP/2.0 " + status, *copied, b"Content-Length: 0"]) + b"\r\n\r\n"
            await stream.send_all(head.replace(b"\r\nFrom", b";x\r\nFrom"))
        await opened_in.send(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        host, port = listener.socket.getsockname()
        yield Hop(host, port, "tcp"), opened
        nursery.cancel_scope.cancel()
    await listener.aclose()


async def reset(stream: trio.SocketStream) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await trio.aclose_forcefully(stream)


async def test_a_carrier_that_resets_before_its_first_word_has_failed_at_once() -> None:
    async with carrier_that() as (hop, opened), phones(stream_wire("127.0.0.1")) as (phone,):
        session = phone.dial(hop)
        with trio.fail_after(3):
            await reset(await opened.receive())
        failed = await phone.hear(Failed)
        assert (failed.session, failed.status, failed.unreachable) == (session, 503, True)


async def test_a_carrier_that_resets_while_it_rings_has_failed_at_once() -> None:
    async with carrier_that(b"180 Ringing") as (hop, opened), phones(stream_wire("127.0.0.1")) as (phone,):
        phone.dial(hop)
        await phone.hear(Progressed)
        await reset(await opened.receive())
        assert (await phone.hear(Failed)).unreachable


async def test_a_carrier_that_closes_in_good_order_while_it_rings_may_still_answer() -> None:
    async with carrier_that(b"180 Ringing") as (hop, opened), phones(stream_wire("127.0.0.1")) as (phone,):
        phone.dial(hop)
        await phone.hear(Progressed)
        await (await opened.receive()).aclose()
        with trio.move_on_after(0.1) as patience:
            await phone.hear(Failed)
        assert patience.cancelled_caught


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_carrier_nobody_listens_for_has_failed_at_once(transport: Transport, tmp_path: Path) -> None:
    wire: Wire = UdpSocket("127.0.0.1", 0) if transport == "udp" else wire_of(transport, tmp_path)
    async with phones(wire) as (phone,):
        phone.dial(Hop("127.0.0.10", 9, transport))
        assert (await phone.hear(Failed)).unreachable


# -- attacks -----------------------------------------------------------------------------------------------------


def invite(number: str = "desk", *, lines: tuple[str, ...] = (), length: str = "Content-Length: 0") -> bytes:
    head = [
        f"INVITE sip:{number}@127.0.0.1 SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.10:5060;branch=z9hG4bKx;rport",
        "Max-Forwards: 70", "From: <sip:caller@127.0.0.10>;tag=a", "To: <sip:desk@127.0.0.1>", "Call-ID: one",
        "CSeq: 1 INVITE", "Contact: <sip:caller@127.0.0.10>", *lines, length,
    ]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n"


async def said(phone: Phone, data: bytes, host: str = "127.0.0.10") -> list[int]:
    """The statuses this peer is given before the connection is closed on it."""
    stream = await trio.open_tcp_stream(*phone.sip.address, local_address=host)
    await stream.send_all(data)
    got = b""
    with trio.fail_after(5):
        while more := await stream.receive_some():
            got += more
    await stream.aclose()
    answers = [parse(part + b"\r\n\r\n") for part in got.split(b"\r\n\r\n") if part]
    return [answer.status for answer in answers if isinstance(answer, Response)]


HIDDEN = invite("hidden").replace(b"Call-ID: one", b"Call-ID: hidden").replace(b"z9hG4bKx", b"z9hG4bKhidden")
LENGTHS = ["Content-Length: 5\r\nContent-Length: 0", "l: 0\r\nContent-Length: 9", "Content-Length: 1_000",
           "Content-Length: +5", "Content-Length: -1", f"Content-Length: {2**64}", "X: no length"]  # fmt: skip


@pytest.mark.parametrize("length", LENGTHS)
async def test_a_length_that_cannot_be_trusted_is_400_and_the_end_of_the_connection(length: str) -> None:
    async with phones(stream_wire("127.0.0.1")) as (phone,):
        assert await said(phone, invite(length=length) + HIDDEN + HIDDEN) == [400]
        assert phone.sip.entries() == 0
        assert phone.told.statistics().current_buffer_used == 0


async def test_a_body_of_100_megabytes_is_refused_unread() -> None:
    async with phones(stream_wire("127.0.0.1")) as (phone,):
        assert await said(phone, invite(length="Content-Length: 100000000") + b"x" * 10_000) == [513]


async def test_9000_short_headers_over_tcp_are_refused_by_their_number_of_bytes() -> None:
    async with phones(stream_wire("127.0.0.1")) as (phone,):
        assert await said(phone, invite(lines=tuple(f"X{n}: y" for n in range(9_000)))) == []
        assert phone.sip.entries() == 0


async def test_a_stranger_who_claims_to_be_a_trunk_is_not_answered_over_tcp_either() -> None:
    async with phones(stream_wire("127.0.0.1")) as (phone,):
        trusted = ("P-Asserted-Identity: <sip:caller@127.0.0.10>",)
        assert await said(phone, invite(lines=trusted) + b"\x00", "127.0.0.66") == []
        assert phone.sip.counters()["strangers"] == 1
        assert phone.sip.entries() == 0
