"""Ogg pages (RFC 3533) with Opus in them (RFC 7845): two sides of a call as two mono streams, nothing shared.

- Mapping family 1, two streams, none coupled: what one side says is never heard on the other, as it is in joint stereo.
- A packet holds one packet of each stream, the first self-delimited (RFC 6716 appendix B).
- Granule positions count 48 kHz samples, the pre-skip included. Packets in, bytes of the file out; reading back checks
  every page.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import attrs

from callactors.errors import Theirs

GRANULES = 48_000  # a second
PAGE = 48_000  # granules of one page at most: a second
_PAGE = struct.Struct("<4sBBqIIIB")
FIRST, LAST = 2, 4  # flags of a page
_SEGMENTS = 255
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class MalformedOgg(Theirs):
    """A file that is no Ogg, or is damaged."""


def checksum(data: bytes) -> int:
    """CRC-32 as of RFC 3533: most significant bit first, from 0, not inverted. zlib has its mirror image."""
    mirrored = zlib.crc32(data.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def page(serial: int, number: int, granule: int, packets: list[bytes], flags: int = 0) -> bytes:
    """One page of whole packets; they must fit into its 255 segments."""
    lacing = b"".join(bytes([255]) * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = _PAGE.pack(b"OggS", 0, flags, granule, serial, number, 0, len(lacing)) + lacing
    body = b"".join(packets)
    return head[:22] + struct.pack("<I", checksum(head + body)) + head[26:] + body


def opus_head(streams: int, pre_skip: int, rate: int) -> bytes:
    """The identification header: `streams` mono streams, one a channel; `rate` is what it was recorded at."""
    family = 1 if streams > 1 else 0
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, streams, pre_skip, rate, 0, family)
    return head + (bytes([streams, 0, *range(streams)]) if family else b"")


def opus_tags(vendor: str, comments: tuple[str, ...] = ()) -> bytes:
    """The comment header: `NAME=value` each."""
    fields = [vendor.encode(), *(text.encode() for text in comments)]
    listed = [struct.pack("<I", len(field)) + field for field in fields]
    return b"OpusTags" + listed[0] + struct.pack("<I", len(comments)) + b"".join(listed[1:])


def self_delimited(packet: bytes) -> bytes:
    """A packet of one frame (code 0) with its length inside. Raises ValueError for others."""
    if not packet or packet[0] & 3:
        raise ValueError("a packet of one frame is meant")
    size = len(packet) - 1
    length = bytes([size]) if size < 252 else bytes([252 + (size & 3), (size - 252 - (size & 3)) // 4])
    return packet[:1] + length + packet[1:]


@attrs.define
class OpusWriter:
    """`begin`, then `packet` after packet, then `end`: each returns what the file goes on with."""

    serial: int
    streams: int
    pre_skip: int  # granules
    rate: int
    _number: int = attrs.field(default=0, init=False)
    _granule: int = attrs.field(default=0, init=False)
    _waiting: list[bytes] = attrs.field(factory=list, init=False)
    _laced: int = attrs.field(default=0, init=False)
    _begun: int = attrs.field(default=0, init=False)  # the granule the waiting packets begin at

    def begin(self, vendor: str, comments: tuple[str, ...] = ()) -> bytes:
        """The two headers, on pages of their own."""
        head = self._page([opus_head(self.streams, self.pre_skip, self.rate)], 0, FIRST)
        return head + self._page([opus_tags(vendor, comments)], 0)

    def packet(self, parts: list[bytes], granules: int) -> bytes:
        """One packet of every stream, all of the same duration."""
        packet = b"".join(self_delimited(part) for part in parts[:-1]) + parts[-1]
        full = self._laced + len(packet) // 255 + 1 > _SEGMENTS or self._granule - self._begun >= PAGE
        made = self._flush(self._granule) if full else b""
        self._waiting.append(packet)
        self._laced += len(packet) // 255 + 1
        self._granule += granules
        return made

    def end(self, granules: int) -> bytes:
        """The last page. `granules` is how long the sound is: what was encoded beyond it is not played."""
        return self._flush(min(self._granule, self.pre_skip + granules), LAST)

    def _flush(self, granule: int, flags: int = 0) -> bytes:
        made = self._page(self._waiting, granule, flags)
        self._waiting, self._laced, self._begun = [], 0, self._granule
        return made

    def _page(self, packets: list[bytes], granule: int, flags: int = 0) -> bytes:
        self._number += 1
        return page(self.serial, self._number - 1, granule, packets, flags)


def pages(data: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
    """(flags, granule, packets) of every page of whole packets. Raises MalformedOgg."""
    at = number = 0
    while at < len(data):
        if len(data) < at + 27 or data[at : at + 5] != b"OggS\0":
            raise MalformedOgg(f"there is no page at byte {at}")
        _, _, flags, granule, _, found, crc, segments = _PAGE.unpack_from(data, at)
        lacing = data[at + 27 : at + 27 + segments]
        end = at + 27 + segments + sum(lacing)
        whole = data[at : at + 22] + bytes(4) + data[at + 26 : end]
        if end > len(data) or found != number or checksum(whole) != crc:
            raise MalformedOgg(f"page {number}, at byte {at}, is damaged")
        yield flags, granule, _packets(data[at + 27 + segments : end], lacing)
        at, number = end, number + 1


def _packets(body: bytes, lacing: bytes) -> list[bytes]:
    packets, at, size = [], 0, 0
    for segment in lacing:
        size += segment
        if segment < 255:
            packets.append(body[at : at + size])
            at, size = at + size, 0
    return packets
