"""From audio as it is spoken to packets: the outgoing half of one stream. Rules of this file:

- Audio comes in frames of 20 ms, one a slot; `at` is the slot's position. Packets hold ptime (10 to 60 ms) of it:
  what is short of that waits, what is over makes two packets of one slot.
- Timestamps are positions in the codec's clock, so what was skipped or not sent (DTX) is a gap in them, and never one
  in the sequence numbers. The first packet after a gap bears the marker (RFC 3551 section 4.1).
- Telephone events leave one a slot, whatever the ptime (RFC 4733 section 2.5.1.1).
"""

from __future__ import annotations

from random import Random

from callactors.audio.codec import POSITIONS, Codec
from callactors.rtp.packet import HEADER, VERSION
from callactors.rtp.playout import FRAME
from callactors.rtp.telephone_event import EventPacket

MARKER = 0x80
_pack = HEADER.pack


class Sender:
    """Makes the packets of one stream."""

    __slots__ = (
        "_base", "_codec", "_event_ticks", "_event_type", "_frame_size", "_held", "_marker", "_payload_type", "_plain",
        "_random", "_sequence", "_size", "_ticks", "octets", "sent", "ssrc", "whole",
    )  # fmt: skip

    def __init__(self, random: Random) -> None:
        self._random = random
        self.ssrc = random.getrandbits(32)
        self.sent = self.octets = 0  # packets and bytes of payload, for reports
        self._sequence, self._base = random.getrandbits(15), random.getrandbits(32)
        self._marker = MARKER
        self.whole = False  # whether a packet holds what a slot says, no more and no less
        self._plain = False  # whether it is its own audio, too
        self._held = b""
        self._codec: Codec | None = None
        self._payload_type, self._event_type = 0, -1
        self._ticks = self._event_ticks = self._size = self._frame_size = 1

    def agree(
        self, codec: Codec, payload_type: int, event_type: int | None, ptime: int, event_clock: int = POSITIONS
    ) -> None:
        """The formats from now on; another clock makes it another source (RFC 7160 section 4.1).

        Durations of events count by `event_clock`: there are peers that have but one clock for them.
        """
        ticks = codec.clock_rate // POSITIONS
        if self._codec is not None and ticks != self._ticks:
            self.ssrc = self._random.getrandbits(32)
        if self._codec is not codec:
            self._held = b""
        self._codec, self._payload_type = codec, payload_type
        self._event_type = -1 if event_type is None else event_type
        self._ticks, self._event_ticks = ticks, event_clock // POSITIONS
        self._size, self._frame_size = ptime * 8 * codec.width, FRAME * codec.width
        self.whole = self._size == self._frame_size
        self._plain = self.whole and codec.plain

    def renumber(self) -> None:
        """Somebody else has our SSRC (RFC 3550 section 8.2)."""
        self.ssrc = self._random.getrandbits(32)

    def rekeyed(self) -> None:
        """SRTP under a new key: where numbers may have passed 65535, another source begins (see Srtp.agree)."""
        if self.sent >= 0x8000:
            self.renumber()

    def gap(self) -> None:
        """Slots were skipped: what was held back is no longer worth sending."""
        self._held, self._marker = b"", MARKER

    def timestamp(self, at: int) -> int:
        """The RTP timestamp of a position."""
        return (self._base + at * self._ticks) & 0xFFFFFFFF

    def one(self, frame: bytes, at: int) -> bytes:
        """The datagram of a slot, where a packet is `whole`; empty when nothing need be sent."""
        assert self._codec is not None  # agree() came first
        payload = self._codec.encode(frame)
        if not payload:
            self._marker = MARKER
            return payload
        return self._packet(self._payload_type, at, payload)

    @property
    def steady(self) -> bool:
        """Whether the next packets can be made before their slots come, and not be sent after all."""
        return self._plain and not self._marker

    def several(self, audio: bytes, at: int) -> list[bytes]:
        """The datagrams of the slots from `at` on, while `steady`; those that do not leave are taken back."""
        size, count = self._frame_size, len(audio) // self._frame_size
        first, step = self._base + at * self._ticks, FRAME * self._ticks
        second, sequence, ssrc = self._payload_type, self._sequence, self.ssrc
        made = [
            _pack(VERSION, second, sequence + n & 0xFFFF, first + n * step & 0xFFFFFFFF, ssrc)
            + audio[n * size : n * size + size]
            for n in range(count)
        ]
        self._sequence = sequence + count & 0xFFFF
        self.sent += count
        self.octets += len(audio)
        return made

    def take_back(self, datagrams: list[bytes]) -> None:
        """These have been made and do not leave; what is made next has their numbers."""
        self._sequence = (self._sequence - len(datagrams)) & 0xFFFF
        self.sent -= len(datagrams)
        self.octets -= sum(len(data) - HEADER.size for data in datagrams)

    def audio(self, frame: bytes, at: int) -> list[bytes]:
        """The datagrams of a slot: none while a longer packet fills, or nothing need be sent."""
        codec = self._codec
        assert codec is not None  # agree() came first
        if not self.whole:
            return self._repacked(codec, frame, at)
        data = self.one(frame, at)
        return [data] if data else []

    def _repacked(self, codec: Codec, frame: bytes, at: int) -> list[bytes]:
        audio, begin = self._held + frame, at - len(self._held) // codec.width
        made: list[bytes] = []
        size = self._size
        while len(audio) >= size:
            payload = codec.encode(audio[:size])
            made += [self._packet(self._payload_type, begin, payload)] if payload else self._quiet()
            audio, begin = audio[size:], begin + size // codec.width
        self._held = audio
        return made

    def event(self, slot: EventPacket, at: int) -> list[bytes]:
        """The datagrams of a slot that says a digit, what was still held back of the speech before it too."""
        made: list[bytes] = []
        codec = self._codec
        if self._held and codec is not None:
            if payload := codec.encode(self._held):
                made = [self._packet(self._payload_type, at - len(self._held) // codec.width, payload)]
            self._held = b""
        self._marker = MARKER if slot.marker else 0
        payload = slot.payload if self._event_ticks == 1 else slot.scaled(self._event_ticks)
        return [*made, self._packet(self._event_type, at - slot.offset, payload)]

    def _quiet(self) -> list[bytes]:
        self._marker = MARKER
        return []

    def _packet(self, payload_type: int, at: int, payload: bytes) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF
        self.sent += 1
        self.octets += len(payload)
        second, self._marker = payload_type | self._marker, 0
        stamp = (self._base + at * self._ticks) & 0xFFFFFFFF
        return HEADER.pack(VERSION, second, sequence, stamp, self.ssrc) + payload
