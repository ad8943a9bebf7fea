"""RTCP (RFC 3550 section 6): sender and receiver reports, SDES CNAME, BYE; written as compounds, read with suspicion.

    SR  V=2 RC PT=200 length | SSRC | NTP timestamp 64 | RTP timestamp | packets | octets | report blocks
    RR  V=2 RC PT=201 length | SSRC | report blocks
    block: SSRC | fraction lost 8 | cumulative lost 24 | highest seq 32 | jitter | last SR | delay since last SR

A compound begins with a report (section 6.1). Unknown packet types are read past; the interval is 5 s, randomised.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import msgspec

from callactors.errors import MalformedPacket

SR, RR, SDES, BYE = 200, 201, 202, 203
INTERVAL = 5.0  # seconds, times 0.5 to 1.5 (section 6.3.1)
NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
LIMIT = 1_500
_HEADER = struct.Struct("!BBH")
_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIII")


class ReportBlock(msgspec.Struct, frozen=True, gc=False):
    """What somebody received of one source. `jitter` in timestamp units, `delay` in 1/65536 s."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_sr: int
    delay: int

    def to_bytes(self) -> bytes:
        lost = max(-0x800000, min(0x7FFFFF, self.lost)) & 0xFFFFFF
        jitter = min(self.jitter, 0xFFFFFFFF)
        highest, delay = self.highest & 0xFFFFFFFF, min(self.delay, 0xFFFFFFFF)
        return _BLOCK.pack(self.ssrc, self.fraction << 24 | lost, highest, jitter, self.last_sr, delay)


class SenderInfo(msgspec.Struct, frozen=True, gc=False):
    """What a sender says of itself; `ntp` is 64 bit fixed point."""

    ntp: int
    timestamp: int
    packets: int
    octets: int


class Report(msgspec.Struct, frozen=True, gc=False):
    """A sender report, or a receiver report when `sender` is None."""

    ssrc: int
    sender: SenderInfo | None = None
    blocks: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        body = struct.pack("!I", self.ssrc)
        if self.sender is not None:
            info = self.sender
            fields = (info.timestamp & 0xFFFFFFFF, info.packets & 0xFFFFFFFF, info.octets & 0xFFFFFFFF)
            body += _SENDER.pack(info.ntp >> 32 & 0xFFFFFFFF, info.ntp & 0xFFFFFFFF, *fields)
        body += b"".join(block.to_bytes() for block in self.blocks)
        return _packet(RR if self.sender is None else SR, len(self.blocks), body)


class Goodbye(msgspec.Struct, frozen=True, gc=False):
    """BYE: these sources leave."""

    ssrcs: tuple[int, ...]

    def to_bytes(self) -> bytes:
        return _packet(BYE, len(self.ssrcs), struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs))


class Description(msgspec.Struct, frozen=True, gc=False):
    """SDES with one CNAME (section 6.5.1): random, never a user or host name (RFC 7022)."""

    ssrc: int
    cname: str

    def to_bytes(self) -> bytes:
        name = self.cname.encode("ascii", "replace")[:255]
        chunk = struct.pack("!IBB", self.ssrc, 1, len(name)) + name
        return _packet(SDES, 1, chunk + bytes(4 - len(chunk) % 4))


Rtcp = Report | Goodbye | Description


def compound(packets: Iterable[Rtcp]) -> bytes:
    """One datagram; the first packet must be a report."""
    return b"".join(packet.to_bytes() for packet in packets)


def parse(data: bytes) -> list[Report | Goodbye]:
    """Read a compound; descriptions and unknown types are left out. Raises MalformedPacket."""
    found: list[Report | Goodbye] = []
    at = 0
    while at < len(data):
        kind, count, body, at = _next(data, at)
        if kind in (SR, RR):
            found.append(_report(kind, count, body))
        elif kind == BYE:
            if len(body) < 4 * count:
                raise MalformedPacket("BYE cut short")
            found.append(Goodbye(struct.unpack_from(f"!{count}I", body)))
    if not found:
        raise MalformedPacket("no report in an RTCP packet")
    return found


def middle(ntp: int) -> int:
    """The 32 bits of an NTP timestamp that reports echo."""
    return ntp >> 16 & 0xFFFFFFFF


def ntp(seconds: float) -> int:
    """Seconds (of any one clock) as NTP fixed point."""
    return int((seconds + NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def round_trip(block: ReportBlock, now: int) -> float | None:
    """Seconds there and back, from a block about us; `now` is `middle(ntp(...))`. None when they never heard our SR."""
    if not block.last_sr:
        return None
    spent = (now - block.last_sr - block.delay) & 0xFFFFFFFF
    return spent / 65536 if spent < 1 << 31 else 0.0


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _next(data: bytes, at: int) -> tuple[int, int, bytes, int]:
    if len(data) - at < 4:
        raise MalformedPacket("RTCP cut short")
    first, kind, words = _HEADER.unpack_from(data, at)
    end = at + 4 + 4 * words
    if first >> 6 != 2 or end > len(data):
        raise MalformedPacket("no RTCP, or cut short")
    body = data[at + 4 : end]
    if first & 0x20:
        if not body or not body[-1] or body[-1] > len(body):
            raise MalformedPacket("RTCP padding that is not there")
        body = body[: -body[-1]]
    return kind, first & 0x1F, body, end


def _report(kind: int, count: int, body: bytes) -> Report:
    start = 24 if kind == SR else 4
    if len(body) < start + 24 * count:
        raise MalformedPacket("report cut short")
    sender = None
    if kind == SR:
        high, low, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
        sender = SenderInfo(high << 32 | low, timestamp, packets, octets)
    blocks = tuple(_block(body, start + 24 * index) for index in range(count))
    return Report(struct.unpack_from("!I", body)[0], sender, blocks)


def _block(body: bytes, at: int) -> ReportBlock:
    ssrc, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at)
    cumulative = lost & 0xFFFFFF
    cumulative -= 1 << 24 if cumulative & 0x800000 else 0
    return ReportBlock(ssrc, lost >> 24, cumulative, highest, jitter, last_sr, delay)
