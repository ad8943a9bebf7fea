"""A tap on the loopback interface: every UDP datagram with the kernel's order and our arrival time. Needs root.

Nothing is asked of the programs under test: what is heard here is what was on the wire between them.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import trio

from callactors.audio.g711 import Samples, pcma_decode, pcmu_decode
from callactors.sip.address import Address
from callactors.testing.ears import loud

ETH_P_IP = 0x0800
BUFFER = 1 << 25  # bytes: what all tests of this machine say while this one waits for a core
# <linux/socket.h>, <linux/if_packet.h> and <linux/filter.h>, as far as Python's socket does not name them
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING = 263, 6, 23
UDP_ALONE = ((0x30, 0, 0, 9), (0x15, 0, 1, socket.IPPROTO_UDP), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
FRAME = 0.02  # seconds of audio in a packet


@attrs.frozen
class Packet:
    """One datagram; `at` is trio.current_time()."""

    at: float
    source: Address
    destination: Address
    data: bytes

    @property
    def is_rtp_audio(self) -> bool:
        """G.711 by its static payload type (RFC 3551), marker or not."""
        return len(self.data) > 12 and self.data[0] >> 6 == 2 and self.data[1] & 0x7F in (0, 8)

    @property
    def is_event(self) -> bool:
        """A telephone event (RFC 4733) of the payload type that everybody takes for it."""
        return len(self.data) == 16 and self.data[0] >> 6 == 2 and self.data[1] & 0x7F == 101

    @property
    def audio(self) -> Samples:
        decode = pcma_decode if self.data[1] & 0x7F == 8 else pcmu_decode
        return decode(self.data[12:])


@attrs.define(eq=False)
class Tap:
    """What has gone by so far. By the port it went to: `speech` has the times of the audible RTP packets, `law` the
    G.711 bytes of all of them, in the order they came.
    """

    packets: list[Packet] = attrs.field(factory=list)
    speech: dict[int, list[float]] = attrs.field(factory=lambda: defaultdict(list))
    law: dict[int, bytearray] = attrs.field(factory=lambda: defaultdict(bytearray))

    def add(self, packet: Packet) -> None:
        self.packets.append(packet)
        if packet.is_rtp_audio:
            self.law[packet.destination.port] += packet.data[12:]
            if loud(packet.audio):
                self.speech[packet.destination.port].append(packet.at)

    def sip(self, begins: bytes, *, to: Address) -> list[Packet]:
        """The SIP messages to an address that begin so, each once, however often it was sent."""
        first: dict[tuple[Address, bytes], Packet] = {}
        for packet in self.packets:
            if packet.destination == to and packet.data.startswith(begins):
                first.setdefault((packet.source, packet.data), packet)
        return list(first.values())

    def audio(self, to: int) -> Samples:
        """Everything said to a port, in the order it came."""
        heard = [p.audio for p in self.packets if p.destination.port == to and p.is_rtp_audio]
        return np.concatenate(heard) if heard else np.zeros(0, np.int16)


@asynccontextmanager
async def tapping() -> AsyncIterator[Tap]:
    """Listen to the loopback interface inside the block. What fails there says how many packets were not seen."""
    tap = Tap()
    raw = trio.socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    with raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)  # loopback shows everything twice
        _take_udp_alone(raw)
        await raw.bind(("lo", ETH_P_IP))
        async with trio.open_nursery() as listening:
            listening.start_soon(_listen, raw, tap)
            try:
                yield tap
            except BaseException as error:
                error.add_note(f"packets the tap did not see: {_missed(raw)}")
                raise
            listening.cancel_scope.cancel()


def _take_udp_alone(raw: trio.socket.SocketType) -> None:
    """The kernel leaves out what models and consoles say by TCP, far more than all calls (a classic BPF program)."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in UDP_ALONE))
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(UDP_ALONE), ctypes.addressof(program)))


def _missed(raw: trio.socket.SocketType) -> int:
    _, dropped = struct.unpack("=II", raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    return int(dropped)


async def _listen(raw: trio.socket.SocketType, tap: Tap) -> None:
    while True:
        packet = _read(await raw.recv(65_535))
        if packet is not None:
            tap.add(packet)


def _read(ip: bytes) -> Packet | None:
    """An IPv4 packet (RFC 791) that holds one whole UDP datagram (RFC 768)."""
    start = (ip[0] & 0xF) * 4
    if ip[9] != socket.IPPROTO_UDP or len(ip) < start + 8:
        return None
    source, destination, length = struct.unpack_from("!HHH", ip, start)
    return Packet(
        trio.current_time(),
        Address(socket.inet_ntoa(ip[12:16]), source),
        Address(socket.inet_ntoa(ip[16:20]), destination),
        ip[start + 8 : start + length],
    )
