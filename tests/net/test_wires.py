"""Wires over real loopback sockets: which connection carries what, and who is told when none can."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from callactors.net.streams import Patience
from callactors.net.wires import Caps, Listener, Wires
from callactors.sip.address import Address, Hop, Transport
from callactors.testing.stream_wire import stream_wire

MESSAGE = b"OPTIONS sip:desk@127.0.0.1 SIP/2.0\r\nContent-Length: 3\r\n\r\nabc"


class End:
    """A running wire, what it has lost, and what it hears."""

    def __init__(self, wire: Wires) -> None:
        self.wire = wire
        self.lost_in, self.lost = trio.open_memory_channel[tuple[Hop, bool]](100)
        wire.on_lost = lambda hop, broken: self.lost_in.send_nowait((hop, broken))
        self.address = wire.address

    def hop(self, transport: Transport = "tcp") -> Hop:
        return Hop(*self.address, transport)

    async def hear(self) -> tuple[bytes, Hop]:
        with trio.fail_after(3):
            (heard,) = await self.wire.receive()
        return heard

    async def lose(self) -> tuple[Hop, bool]:
        with trio.fail_after(3):
            return await self.lost.receive()


@asynccontextmanager
async def running(*wires: Wires) -> AsyncIterator[list[End]]:
    ends = [End(wire) for wire in wires]
    async with trio.open_nursery() as nursery:
        for wire in wires:
            await nursery.start(wire.run)
        yield ends
        nursery.cancel_scope.cancel()
    for wire in wires:
        wire.close()


def listening(transport: Transport = "tcp", host: str = "127.0.0.1", **settings: object) -> Wires:
    make: Callable[..., Wires] = Wires
    return make([Listener(transport, Address(host, 0))], **settings)


async def raw(end: End, host: str = "127.0.0.66") -> trio.SocketStream:
    return await trio.open_tcp_stream(*end.address, local_address=host)


async def closes(stream: trio.SocketStream, seconds: float = 3.0) -> bytes:
    """Everything read until the other end closes."""
    got = b""
    with trio.fail_after(seconds):
        try:
            while data := await stream.receive_some():
                got += data
        except trio.BrokenResourceError:
            return got
    return got


async def trickle(stream: trio.SocketStream, data: bytes) -> float:
    """Send it byte by byte until the other end hangs up; the seconds it took."""
    started = trio.current_time()
    with suppress(trio.BrokenResourceError):  # a reset: what came last was not read any more
        for byte in data:
            with trio.move_on_after(0.02):
                await stream.send_all(bytes([byte]))
                if not await stream.receive_some():
                    break
    return trio.current_time() - started


async def cut(stream: trio.SocketStream) -> None:
    """RST, not FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await trio.aclose_forcefully(stream)


async def test_an_error_of_ours_ends_one_connection_and_no_other() -> None:
    broken: list[Exception] = []

    async def contained(serve: Callable[[], Awaitable[None]]) -> None:
        try:
            await serve()
        except ZeroDivisionError as error:
            broken.append(error)

    def listed(host: str) -> bool:
        return host != "127.0.0.66" or bool(1 / 0)

    async with running(listening(listed=listed, contained=contained)) as (end,):
        stranger, stream = await raw(end), await raw(end, "127.0.0.2")
        assert await closes(stranger) == b""
        await stranger.aclose()
        await stream.send_all(MESSAGE)
        assert (await end.hear())[0] == MESSAGE
        assert (len(broken), end.wire.connections()) == (1, 1)
        await trio.aclose_forcefully(stream)


# -- which connection ------------------------------------------------------------------------------------------------


async def test_many_messages_to_one_neighbour_go_by_one_connection_and_answers_come_back_on_it() -> None:
    async with running(stream_wire("127.0.0.1"), stream_wire("127.0.0.2")) as (one, two):
        one.wire.send(MESSAGE, two.hop())
        one.wire.send(MESSAGE, two.hop())
        with trio.fail_after(3):
            heard = await two.wire.receive()
        source = heard[0][1]
        assert (source.host, source.transport) == ("127.0.0.1", "tcp")
        two.wire.send(MESSAGE, source)
        assert (await one.hear())[1][:3] == two.hop()[:3]
        assert one.wire.connections() == two.wire.connections() == 1


async def test_when_a_flow_is_gone_a_new_connection_is_opened() -> None:
    async with running(stream_wire("127.0.0.1"), stream_wire("127.0.0.2")) as (one, two):
        stream = await raw(one)
        await stream.send_all(MESSAGE)
        source = (await one.hear())[1]
        await cut(stream)
        assert await one.lose() == (source, True)
        one.wire.send(MESSAGE, source._replace(host="127.0.0.2", port=two.address.port))
        assert (await two.hear())[0] == MESSAGE


async def test_a_connection_of_ours_leaves_from_the_listeners_own_address() -> None:
    async with running(stream_wire("127.0.0.7"), stream_wire("127.0.0.2")) as (one, two):
        one.wire.send(MESSAGE, two.hop())
        assert (await two.hear())[1].host == "127.0.0.7"


async def test_what_is_sent_before_the_wire_runs_leaves_once_it_does() -> None:
    early = stream_wire("127.0.0.1")
    async with running(stream_wire("127.0.0.2")) as (two,):
        early.send(MESSAGE, two.hop())
        async with running(early):
            assert (await two.hear())[0] == MESSAGE


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ipv6_is_spoken_like_ipv4(transport: Transport) -> None:
    async with running(listening(transport, "::1"), listening(transport, "::1")) as (one, two):
        one.wire.send(MESSAGE, two.hop(transport))
        data, source = await two.hear()
        assert (data, source.host) == (MESSAGE, "::1")
        two.wire.send(MESSAGE, source)
        assert (await one.hear())[1][:3] == two.hop(transport)[:3]


async def test_each_neighbour_is_told_the_listener_of_its_transport_and_family() -> None:
    listeners: list[tuple[Transport, str]] = [
        ("udp", "127.0.0.1"),
        ("udp", "::1"),
        ("tcp", "127.0.0.1"),
        ("tcp", "::1"),
    ]
    wire = Wires([Listener(transport, Address(host, 0)) for transport, host in listeners])
    told = [wire.local(Hop("::2" if ":" in host else "127.0.0.9", 5060, transport)) for transport, host in listeners]
    assert [address.host for address in told] == [host for _, host in listeners]
    assert len({address.port for address in told}) == 4
    assert wire.local(Hop("127.0.0.9", 5061, "tls")) == wire.address  # nothing listens there: the first one
    wire.close()


async def test_with_two_udp_listeners_the_one_that_was_asked_answers() -> None:
    pair = Wires([Listener("udp", Address("127.0.0.1", 0)), Listener("udp", Address("127.0.0.2", 0))])
    async with running(pair, listening("udp", "127.0.0.3")) as (both, peer):
        second = both.wire.local(Hop("127.0.0.3", 5060, "udp", 1))
        assert second.host == "127.0.0.2"
        peer.wire.send(MESSAGE, Hop(*second))
        source = (await both.hear())[1]
        assert both.wire.local(source) == second
        both.wire.send(MESSAGE, source)
        assert (await peer.hear())[1].address == second


# -- who is told -----------------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_told_at_once() -> None:
    async with running(stream_wire("127.0.0.1")) as (one,):
        nobody = Hop("127.0.0.3", 9, "tcp")
        one.wire.send(MESSAGE, nobody)
        hop, broken = await one.lose()
        assert (hop[:3], broken) == (nobody[:3], False)


async def test_a_connection_that_is_cut_and_one_that_is_closed_are_told_apart() -> None:
    async with running(stream_wire("127.0.0.1")) as (one,):
        first, second = await raw(one), await raw(one)
        await first.send_all(MESSAGE)
        one_flow = (await one.hear())[1]
        await second.send_all(MESSAGE)
        other_flow = (await one.hear())[1]
        await cut(first)
        assert await one.lose() == (one_flow, True)
        await second.aclose()
        assert await one.lose() == (other_flow, False)


async def test_a_udp_port_nobody_listens_on_is_told_by_icmp() -> None:
    async with running(listening("udp")) as (one,):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.3", 0))
            nobody = Hop(*probe.getsockname())
        one.wire.send(MESSAGE, nobody)
        with trio.fail_after(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.wire.receive)
                assert await one.lost.receive() == (nobody, False)
                nursery.cancel_scope.cancel()


async def test_a_refusal_of_one_datagram_does_not_swallow_the_next() -> None:
    async with running(listening("udp"), listening("udp", "127.0.0.2")) as (one, two):
        for _ in range(5):
            one.wire.send(MESSAGE, Hop("127.0.0.3", 9))
            one.wire.send(MESSAGE, two.hop("udp"))
            assert (await two.hear())[0] == MESSAGE


async def test_a_family_without_a_listener_is_told_as_unreachable() -> None:
    async with running(listening("udp")) as (one,):
        one.wire.send(MESSAGE, Hop("::1", 5060))
        assert await one.lose() == (Hop("::1", 5060), False)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_name_is_never_looked_up(transport: Transport) -> None:
    async with running(listening("tcp")) as (one,):
        one.wire.send(MESSAGE, Hop("localhost", 5060, transport))
        assert await one.lose() == (Hop("localhost", 5060, transport), False)


async def test_why_a_connection_of_ours_could_not_be_made_is_said() -> None:
    said: list[str] = []
    async with running(listening(trouble=lambda hop, problem: said.append(f"{hop}: {problem}"))) as (one,):
        one.wire.send(MESSAGE, Hop("127.0.0.3", 9, "tcp"))
        await one.lose()
    (problem,) = said
    assert problem.endswith("Connection refused")


async def test_a_peer_that_does_not_read_loses_its_connection() -> None:
    async with running(stream_wire("127.0.0.1")) as (one,):
        stream = await raw(one)
        await stream.send_all(MESSAGE)
        source = (await one.hear())[1]
        for _ in range(100):
            one.wire.send(b"x" * 60_000, source)
        assert await one.lose() == (source, True)
        await stream.aclose()


# -- patience --------------------------------------------------------------------------------------------------------


async def test_a_ping_is_answered_with_one_line_end() -> None:
    async with running(stream_wire("127.0.0.1")) as (one,):
        stream = await raw(one)
        await stream.send_all(b"\r\n\r\n")
        with trio.fail_after(3):
            assert await stream.receive_some() == b"\r\n"
        await stream.aclose()


async def test_a_quiet_connection_of_ours_is_kept_alive_by_pings() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.4")
    host, port = listener.socket.getsockname()
    async with running(listening(patience=Patience(keepalive=0.02))) as (one,):
        one.wire.send(MESSAGE, Hop(host, port, "tcp"))
        stream = await listener.accept()
        got = b""
        with trio.fail_after(3):
            while not got.endswith(b"\r\n\r\n\r\n\r\n"):
                got += await stream.receive_some()
        await stream.aclose()
        await listener.aclose()


async def test_a_message_that_comes_byte_by_byte_must_still_end_in_time() -> None:
    async with running(listening(patience=Patience(message=0.3))) as (one,):
        slow, good = await raw(one), await raw(one, "127.0.0.1")
        assert 0.2 < await trickle(slow, MESSAGE[:-1] + MESSAGE * 100) < 2.0
        await good.send_all(MESSAGE)
        assert (await one.hear())[0] == MESSAGE
        await trio.aclose_forcefully(slow)
        await good.aclose()


async def test_a_stranger_who_says_nothing_is_not_waited_for_as_long_as_a_trunk() -> None:
    patience = Patience(first=0.1, idle=30.0)
    async with running(listening(patience=patience, listed=lambda host: host == "127.0.0.10")) as (one,):
        stranger, carrier = await raw(one), await raw(one, "127.0.0.10")
        assert await closes(stranger) == b""
        await carrier.send_all(MESSAGE)
        assert (await one.hear())[1].host == "127.0.0.10"
        await carrier.aclose()
        await stranger.aclose()


async def test_200_idle_connections_of_strangers_leave_room_for_a_trunk() -> None:
    caps = Caps(each_stranger=8, all_strangers=12)
    async with running(listening(caps=caps, listed=lambda host: host == "127.0.0.10")) as (one,):
        strangers = [await raw(one, f"127.0.0.{66 + n % 4}") for n in range(200)]
        carrier = await raw(one, "127.0.0.10")
        await carrier.send_all(MESSAGE)
        assert (await one.hear())[1].host == "127.0.0.10"
        assert one.wire.connections() <= 13
        assert one.wire.counters["refused_connections"] >= 188
        for stream in [*strangers, carrier]:
            await trio.aclose_forcefully(stream)


async def test_what_is_no_sip_is_hung_up_on_without_a_word() -> None:
    async with running(stream_wire("127.0.0.1")) as (one,):
        stream = await raw(one)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await closes(stream) == b""
        await stream.aclose()


async def test_a_port_that_is_taken_is_an_oserror_and_nothing_stays_bound() -> None:
    taken = listening()
    listeners = [Listener("udp", Address("127.0.0.1", 0)), Listener("tcp", taken.address)]
    with pytest.raises(OSError, match="in use"):
        Wires(listeners)
    taken.close()
