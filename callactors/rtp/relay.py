"""What one stream hears, kept for the other one to say: a short jitter buffer by RTP timestamps. Rules of this file:

- Frames leave DEPTH after they came: that is all the delay a bridge adds, and the jitter it takes. Where packets come
  later it grows to DEEPEST at most, in slots that have nothing to say anyway, and shrinks when none was late for CALM.
- Order is restored and doubles are dropped; what is lost is concealed, and after some of that there is nothing.
- Packets that come too late LATE times in a row, or lie more than ROOM ahead, move the place from which is read.
- What has piled up (we, or the sender, were late once) goes again, a frame every SPARE slots that did not need it.
- Audio is in the format of the stream that says it, `width` bytes a position; timestamps are positions too.
"""

from __future__ import annotations

from callactors.audio.codec import POSITIONS, Codec
from callactors.audio.codecs import make_codec
from callactors.audio.conceal import Mended
from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.rtp.packet import RtpPacket
from callactors.rtp.playout import FRAME

DEPTH = 2 * FRAME  # positions, 40 ms
DEEPEST = 10 * FRAME
CALM = 500  # slots: ten seconds
ROOM = 12 * FRAME  # positions that may be kept
LATE = 5
SPARE = 25  # slots: half a second
HALF = 1 << 31


class RelayBuffer:
    """One direction of a bridge. `put` as packets come, `take` once a frame slot."""

    def __init__(self, format: AudioFormat, width: int = 1) -> None:
        self.late = self.lost = 0
        self._format, self._width = format, width
        self._audio, self._there = bytearray(), bytearray()
        self._next: int | None = None  # the position that leaves next
        self._source: int | None = None
        self._mended = Mended(format)
        self._late_in_a_row = 0
        self._depth, self._lacking = DEPTH, 0  # positions; how much later frames should leave than they do
        self._calm = 0  # slots since a packet was late
        self._least, self._slots = ROOM, 0  # what was there at least, in so many slots

    def put(self, source: int, timestamp: int, audio: bytes) -> None:
        """One packet's audio; another `source` (SSRC) begins anew."""
        if self._next is None or source != self._source:
            self._begin(source, timestamp)
        at = self._ahead(timestamp)
        if at < 0:
            self._too_late(-at)
            if self._late_in_a_row < LATE:
                return
            at = self._begin(source, timestamp)
        elif at + len(audio) // self._width > ROOM:
            at = self._begin(source, timestamp)
        self._late_in_a_row = 0
        self._lay(at, audio[: (ROOM - at) * self._width])

    def take(self) -> bytes | None:
        """The next 20 ms; None when there is nothing to say."""
        if self._next is None:
            return None
        self._catch_up()
        if self._lacking > 0 and not self._there.count(1, 0, FRAME):
            self._lacking -= FRAME
            self._depth += FRAME
            return self._conceal()
        return self._frame()

    def _too_late(self, by: int) -> None:
        """Frames have to leave so much later, unless nobody would wait as long."""
        self.late += 1
        self._late_in_a_row += 1
        self._calm = 0
        if self._depth + by <= DEEPEST:
            self._lacking = max(self._lacking, -(-by // FRAME) * FRAME)

    def _frame(self) -> bytes | None:
        assert self._next is not None  # take() looked
        self._next = (self._next + FRAME) & 0xFFFFFFFF
        size = FRAME * self._width
        frame, there = bytes(self._audio[:size]), self._there.count(1, 0, FRAME)
        del self._audio[:size], self._there[:FRAME]
        if not there:
            return self._conceal()
        return self._mended.heard(frame + self._format.silence * (size - len(frame)))

    def _catch_up(self) -> None:
        """Leave out a frame after SPARE slots in which there was always more than the depth asks for."""
        self._calm += 1
        if self._calm >= CALM:
            self._depth, self._calm = max(DEPTH, self._depth - FRAME), 0
        self._least, self._slots = min(self._least, len(self._there)), self._slots + 1
        if self._slots < SPARE:
            return
        if self._least > self._depth + FRAME:
            self._frame()
        self._least, self._slots = ROOM, 0

    def _begin(self, source: int, timestamp: int) -> int:
        """Read from DEPTH before this packet; where it lies then."""
        self._source, self._next = source, (timestamp - DEPTH) & 0xFFFFFFFF
        self._depth, self._lacking = DEPTH, 0
        self._audio.clear()
        self._there.clear()
        self._late_in_a_row = 0
        return DEPTH

    def _ahead(self, timestamp: int) -> int:
        assert self._next is not None  # put() began
        return ((timestamp - self._next + HALF) & 0xFFFFFFFF) - HALF

    def _lay(self, at: int, audio: bytes) -> None:
        length, width = len(audio) // self._width, self._width
        missing = at + length - len(self._there)
        if missing > 0:
            self._audio.extend(self._format.silence * (missing * width))
            self._there.extend(bytes(missing))
        self._audio[at * width : (at + length) * width] = audio[: length * width]
        self._there[at : at + length] = b"\1" * length

    def _conceal(self) -> bytes | None:
        if self._mended.gone:
            return None
        self.lost += 1
        return self._mended.missing(FRAME * self._width)


class Relay:
    """One direction of a bridge between two codecs: packets of theirs in, frames in the format of ours out."""

    def __init__(self, ours: Codec) -> None:
        self._ours = ours.format
        self._buffer = RelayBuffer(ours.format, ours.width)
        self._theirs = ""
        self._last = (-1, -1)  # SSRC and number of the last packet: a copy would disturb a decoder with a memory
        self._decoder, self._converter = ours, Converter(ours.format, ours.format)

    def put(self, packet: RtpPacket, theirs: Codec) -> None:
        """A packet they spoke by this codec; its decoder's memory is the leg's, so a relay has one of its own."""
        if (packet.ssrc, packet.sequence) == self._last:
            return
        self._last = packet.ssrc, packet.sequence
        if theirs.name != self._theirs:
            self._theirs, self._decoder = theirs.name, make_codec(theirs.name)
            self._converter = Converter(theirs.format, self._ours)
        place = packet.timestamp // (theirs.clock_rate // POSITIONS)
        self._buffer.put(packet.ssrc, place, self._converter.feed(self._decoder.decode(packet.payload)))

    def take(self) -> bytes | None:
        """The next 20 ms; None when there is nothing to say."""
        return self._buffer.take()
