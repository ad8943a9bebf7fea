"""One call as the generator hears it: gaps, losses, and where keyed speech begins. Pure: packets and their times in.

Late is a packet that came more than 20 ms after its turn (RFC 3550 packets of 20 ms: a gap over 40 ms).
"""

from __future__ import annotations

import struct
from array import array

import attrs

from callactors.commands.bench import keyed
from callactors.commands.bench.facts import Sounded

LATE = 0.040  # seconds between two packets
QUIET = 8  # quiet packets in a row before speech can begin
_HEAD = struct.Struct("!BBHII")


@attrs.define(eq=False)
class Ear:
    """Counts between `since` and `until`; keyed speech is read all the time. `step` is a packet in timestamp units."""

    gaps: array[float]  # seconds; shared by all calls
    payload_type: int
    step: int
    since: float = float("inf")
    until: float = float("inf")
    received: int = 0
    late: int = 0
    sounded: list[Sounded] = attrs.field(factory=list)
    _sequence: int = -1
    _last: float = 0.0
    _quiet: int = QUIET
    _began: float = 0.0
    _first: int = 0  # timestamp of the start cell
    _cells: list[bool] | None = None

    def hears(self, packet: bytes, now: float) -> None:
        """A datagram that came at `now`; what is no packet of the stream is not counted."""
        if len(packet) < 13:
            return
        first, second, sequence, timestamp, _ = _HEAD.unpack_from(packet)
        if first >> 6 != 2 or second & 0x7F != self.payload_type:
            return
        ahead = (sequence - self._sequence) & 0xFFFF if self._sequence >= 0 else 1
        if 0 < ahead < 0x8000:
            if self.since <= now < self.until:
                self._count(now)
            self._sequence, self._last = sequence, now
        if self.payload_type == 0:
            self._read(keyed.loud(packet[12:]), timestamp, now)

    def _count(self, now: float) -> None:
        self.received += 1
        if self._last:
            gap = now - self._last
            self.gaps.append(gap)
            self.late += gap > LATE

    def _read(self, loud: bool, timestamp: int, now: float) -> None:
        if self._cells is not None:
            self._cell(loud, ((timestamp - self._first) & 0xFFFFFFFF) // self.step)
        elif loud and self._quiet >= QUIET:
            self._cells, self._began, self._first = [True], now, timestamp
        self._quiet = 0 if loud else self._quiet + 1

    def _cell(self, loud: bool, place: int) -> None:
        """Cells come in order; one that is missing spoils the number, and with it this utterance."""
        assert self._cells is not None  # asked for only while reading
        if place == len(self._cells):
            self._cells.append(loud)
        if place < keyed.CELLS - 1:
            return
        read = keyed.read(self._cells)
        if read is not None:
            self.sounded.append(Sounded(*read, self._began))
        self._cells = None
