"""Digits as telephone events (RFC 4733), both ways.

     0                   1                   2                   3
    +---------------+-+-+-----------+-------------------------------+
    |     event     |E|R| volume    |          duration             |

- In: one digit per RTP timestamp, told at its end; three end packets are one digit; a lost begin or lost ends still
  make one; a segment of a long event (section 2.5.1.3) is no new digit; events over 15 are ignored; a flood is capped.
- Out: constant timestamp, growing duration, three end packets, one a frame slot, so that sequence numbers have no gap.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

KEYS = "0123456789*#ABCD"  # event code is the index (section 3.2)
TONE = 100  # ms
PAUSE = 60  # ms of silence after each digit
ENDS = 3
VOLUME = 10  # -dBm0
LOST_END = 0.2  # seconds without a packet after which a digit counts as ended
OVERTAKEN = 2.0  # seconds a packet may be under way; one that seems older is of timestamps that jumped
BURST, PER_SECOND = 8.0, 10.0  # digits a person can press
_EVENT = struct.Struct("!BBH")
_SLOT = 160


class EventPacket(msgspec.Struct, frozen=True, gc=False):
    """What to send in one frame slot. `offset` is how far the event's timestamp lies before the slot's own."""

    payload: bytes
    marker: bool
    offset: int

    def scaled(self, ticks: int) -> bytes:
        """The payload by a clock of `ticks` times 8 kHz: beside Opus events count at 48 kHz (RFC 4733 section 2.1)."""
        code, flags, duration = _EVENT.unpack(self.payload)
        return _EVENT.pack(code, flags, min(duration * ticks, 0xFFFF))


def event_packets(digit: str) -> Iterator[EventPacket | None]:
    """The frame slots of one digit; None is a slot of silence. Raises ValueError for what is no key."""
    code, slots = KEYS.index(digit), TONE // 20
    for slot in range(slots):
        payload = _EVENT.pack(code, VOLUME, _SLOT * (slot + 1))
        yield EventPacket(payload, slot == 0, _SLOT * slot)
    for slot in range(ENDS):
        payload = _EVENT.pack(code, 0x80 | VOLUME, _SLOT * slots)
        yield EventPacket(payload, False, _SLOT * (slots + slot))
    yield from [None] * max(0, PAUSE // 20 - ENDS + 1)


class EventReceiver:
    """Digits out of telephone-event payloads. `ignored` counts what made none: floods, unknown events, scraps."""

    def __init__(self) -> None:
        self.ignored = 0
        self.pending = False  # an event has begun and not ended
        self._timestamp: int | None = None
        self._code = self._duration = 0
        self._last = 0.0
        self._allowance, self._filled = BURST, 0.0

    def receive(self, payload: bytes, timestamp: int, marker: bool, now: float) -> list[str]:
        """One packet; the digits that ended with it (none, one, or two when an end was lost before)."""
        if len(payload) < 4 or payload[0] > 15:
            self.ignored += 1
            return []
        code, flags, duration = _EVENT.unpack_from(payload)
        if self._overtaken(timestamp, now):
            return []
        digits: list[str] = []
        if timestamp != self._timestamp and not self._continues(code, timestamp, marker):
            digits = self.expire(now, force=True)
            self.pending = True
        self._timestamp, self._code, self._duration, self._last = timestamp, code, duration, now
        if flags & 0x80 and self.pending and duration:
            self.pending = False
            digits += self._admit(code, now)
        return digits

    def _overtaken(self, timestamp: int, now: float) -> bool:
        """Whether it is of an event before the one heard last."""
        if self._timestamp is None or now - self._last > OVERTAKEN:
            return False
        return (timestamp - self._timestamp) & 0xFFFFFFFF >= 1 << 31

    def another_source(self) -> None:
        """Timestamps begin anew (another SSRC, a jump): none is older than what was heard before."""
        self._timestamp = None

    def expire(self, now: float, *, force: bool = False) -> list[str]:
        """A digit whose end packets were all lost."""
        if not self.pending or not (force or now - self._last > LOST_END):
            return []
        self.pending = False
        return self._admit(self._code, now) if self._duration else []

    def _continues(self, code: int, timestamp: int, marker: bool) -> bool:
        """Section 2.5.1.3: the next segment begins where the last one's duration ended, without a marker."""
        if not self.pending or self._timestamp is None or marker or code != self._code:
            return False
        return 0xF000 <= (timestamp - self._timestamp) & 0xFFFFFFFF <= 0x10000

    def _admit(self, code: int, now: float) -> list[str]:
        self._allowance = min(BURST, self._allowance + (now - self._filled) * PER_SECOND)
        self._filled = now
        if self._allowance < 1:
            self.ignored += 1
            return []
        self._allowance -= 1
        return [KEYS[code]]
