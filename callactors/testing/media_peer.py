"""A far end for the media plane: real sockets on loopback, no SIP. Public, for tests of legs and planes.

`laid()` gives a running plane with one open stream, what it tells, and a `Peer` to talk to it; on virtual time too.
"""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from callactors.net.media_plane import MediaPlane, MediaStream
from callactors.rtp import rtcp
from callactors.rtp.events import AudioArrived, MediaEvent
from callactors.rtp.packet import RtpPacket, parse
from callactors.rtp.srtp import Security, Srtp
from callactors.sdp.description import Description, Origin
from callactors.sdp.formats import ENCODINGS, CodecName
from callactors.sdp.offer import Agreement, Direction
from callactors.sip.address import Address

E = TypeVar("E", bound=MediaEvent)
PORTS = range(21_000, 21_400)
PEER_PORTS = range(23_000, 24_000, 2)


class Peer:
    """A far end: an RTP socket, the RTCP socket above it, and a script of what it sends."""

    def __init__(self, host: str = "127.0.0.10") -> None:
        self.rtp, self.rtcp = _pair(host)
        self.address = Address(*self.rtp.getsockname())
        self.sequence = 0
        self.ssrc = 77
        self.srtp: Srtp | None = None  # what it speaks through

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()

    def packet(self, payload: bytes, *, kind: int = 0, timestamp: int | None = None, marker: bool = False) -> bytes:
        self.sequence += 1
        stamp = self.sequence * 160 if timestamp is None else timestamp
        packet = RtpPacket(kind, self.sequence, stamp, self.ssrc, payload, marker).to_bytes()
        return packet if self.srtp is None else self.srtp.protect(packet)

    async def talk(self, to: MediaStream, frames: int, fill: int = 1) -> None:
        """One packet each 20 ms."""
        begin = trio.current_time()
        for index in range(frames):
            await trio.sleep_until(begin + 0.02 * (index + 1) - 0.0001)
            self.rtp.sendto(self.packet(bytes([fill]) * 160), to.address)

    def received(self) -> list[RtpPacket]:
        opened = bytes if self.srtp is None else self.srtp.unprotect
        return [parse(opened(data)) for data in _drain(self.rtp)]

    def reports(self) -> list[rtcp.Report | rtcp.Goodbye]:
        opened = bytes if self.srtp is None else self.srtp.unprotect_rtcp
        return [packet for data in _drain(self.rtcp) for packet in rtcp.parse(opened(data))]


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    for port in PEER_PORTS:
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        try:
            for offset, udp in enumerate(pair):
                udp.setblocking(False)
                udp.bind((host, port + offset))
        except OSError:
            for udp in pair:
                udp.close()
        else:
            return pair[0], pair[1]
    raise AssertionError("no free port pair for a peer")


def _drain(udp: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            found.append(udp.recv(2048))
        except BlockingIOError:
            return found


class Table:
    """A running plane with one stream, its events, and a peer."""

    def __init__(self, plane: MediaPlane) -> None:
        self.plane = plane
        self.events: list[MediaEvent] = []
        self.stream = plane.open(self.events.append)
        self.peer = Peer()
        self.strangers: list[Peer] = []

    def start(
        self,
        peer: Peer | MediaStream | None = None,
        *,
        allowed: Callable[[str], bool] = lambda host: False,
        codec: CodecName = "pcmu",
        event: int | None = 101,
        direction: Direction = "sendrecv",
        security: Security | None = None,
        ptime: int = 20,
        parameters: str = "",
    ) -> None:
        remote = (peer or self.peer).address
        number = ENCODINGS[codec].number
        agreement = Agreement(
            local=Description(Origin(1, 1, "127.0.0.1"), ()),
            codec=codec,
            payload_type=number,
            remote_payload_type=number,
            telephone_event=event,
            remote=remote,
            remote_rtcp=Address(remote.host, remote.port + 1),
            direction=direction,
            remote_telephone_event=event,
            security=security,
            ptime=ptime,
            parameters=parameters,
            event_clock=ENCODINGS[codec].clock,
        )
        self.stream.start(agreement, allowed=allowed)

    def another(self, host: str) -> Peer:
        self.strangers.append(Peer(host))
        return self.strangers[-1]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def heard(self) -> bytes:
        return b"".join(event.audio for event in self.of(AudioArrived))


@asynccontextmanager
async def laid(*, ports: range = PORTS) -> AsyncIterator[Table]:
    async with trio.open_nursery() as nursery:
        plane = MediaPlane("127.0.0.1", ports, random.Random(4))
        await nursery.start(plane.run)
        table = Table(plane)
        try:
            yield table
        finally:
            for peer in (table.peer, *table.strangers):
                peer.close()
            nursery.cancel_scope.cancel()
