"""The RTP packet (RFC 3550 section 5.1), parse <-> bytes.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    |                           timestamp                           |
    |           synchronization source (SSRC) identifier            |
    |            contributing source (CSRC) identifiers             |

Padding, CSRC list and header extension are read past, never kept: nothing here uses them. We send none.
"""

from __future__ import annotations

import struct

import msgspec

from callactors.errors import MalformedPacket

HEADER = struct.Struct("!BBHII")
VERSION = 0x80
LIMIT = 1_500  # bytes; no packet of ours or theirs is longer


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """One packet. `payload` has neither padding nor header extension."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def to_bytes(self) -> bytes:
        """The datagram."""
        second = self.payload_type | (0x80 if self.marker else 0)
        return HEADER.pack(VERSION, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def parse(data: bytes) -> RtpPacket:
    """Read a datagram. Raises MalformedPacket: not version 2, cut short, or padding that is not there."""
    if len(data) < 12:
        raise MalformedPacket(f"{len(data)} bytes are no RTP packet")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first == VERSION:  # the usual: no padding, no extension, no CSRC
        return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, data[12:], second > 0x7F)
    payload = _payload(data, first)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, payload, second > 0x7F)


def _payload(data: bytes, first: int) -> bytes:
    """What is left after CSRC list, header extension (section 5.3.1) and padding."""
    if first >> 6 != 2:
        raise MalformedPacket(f"RTP version {first >> 6}")
    start, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if end < start + 4:
            raise MalformedPacket("header extension cut short")
        start += 4 + 4 * struct.unpack_from("!H", data, start + 2)[0]
    if first & 0x20:
        if not data[-1]:
            raise MalformedPacket("padding of 0 bytes")
        end -= data[-1]
    if start > end:
        raise MalformedPacket("cut short")
    return data[start:end]
