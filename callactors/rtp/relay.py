"""What one stream hears, kept for the other one to say: a short jitter buffer by RTP timestamps. Rules of this file:

- Frames leave DEPTH after they came: that is all the delay a bridge adds, and all the jitter it takes.
- Order is restored and doubles are dropped; what is lost is the last frame repeated and faded, then nothing.
- Packets that come too late LATE times in a row, or lie more than ROOM ahead, move the place from which is read.
- What has piled up (we, or the sender, were late once) goes again, a frame every SPARE slots that did not need it.
- One byte a sample, in the law of the stream that says it.
"""

from __future__ import annotations

from callactors.audio.g711 import Law
from callactors.rtp.playout import FRAME

DEPTH = 2 * FRAME  # samples, 40 ms
ROOM = 12 * FRAME  # samples that may be kept
LATE = 5
SPARE = 25  # slots: half a second
HALF = 1 << 31


class RelayBuffer:
    """One direction of a bridge. `put` as packets come, `take` once a frame slot."""

    def __init__(self, law: Law) -> None:
        self.late = self.lost = 0
        self._law = law
        self._audio, self._there = bytearray(), bytearray()
        self._next: int | None = None  # the timestamp of the next sample to leave
        self._source: int | None = None
        self._last, self._missed = b"", len(law.fades)
        self._late_in_a_row = 0
        self._least, self._slots = ROOM, 0  # what was there at least, in so many slots

    def put(self, source: int, timestamp: int, audio: bytes) -> None:
        """One packet's audio; another `source` (SSRC) begins anew."""
        if self._next is None or source != self._source:
            self._begin(source, timestamp)
        at = self._ahead(timestamp)
        if at < 0:
            self.late += 1
            self._late_in_a_row += 1
            if self._late_in_a_row < LATE:
                return
            at = self._begin(source, timestamp)
        elif at + len(audio) > ROOM:
            at = self._begin(source, timestamp)
        self._late_in_a_row = 0
        self._lay(at, audio[: ROOM - at])

    def take(self) -> bytes | None:
        """The next 20 ms; None when there is nothing to say."""
        if self._next is None:
            return None
        self._catch_up()
        return self._frame()

    def _frame(self) -> bytes | None:
        assert self._next is not None  # take() looked
        self._next = (self._next + FRAME) & 0xFFFFFFFF
        frame, there = bytes(self._audio[:FRAME]), self._there.count(1, 0, FRAME)
        del self._audio[:FRAME], self._there[:FRAME]
        if not there:
            return self._conceal()
        self._last, self._missed = frame + self._law.silence * (FRAME - len(frame)), 0
        return self._last

    def _catch_up(self) -> None:
        """Leave out a frame after SPARE slots in which there was always more than the depth asks for."""
        self._least, self._slots = min(self._least, len(self._audio)), self._slots + 1
        if self._slots < SPARE:
            return
        if self._least > DEPTH + FRAME:
            self._frame()
        self._least, self._slots = ROOM, 0

    def _begin(self, source: int, timestamp: int) -> int:
        """Read from DEPTH before this packet; where it lies then."""
        self._source, self._next = source, (timestamp - DEPTH) & 0xFFFFFFFF
        self._audio.clear()
        self._there.clear()
        self._late_in_a_row = 0
        return DEPTH

    def _ahead(self, timestamp: int) -> int:
        assert self._next is not None  # put() began
        return ((timestamp - self._next + HALF) & 0xFFFFFFFF) - HALF

    def _lay(self, at: int, audio: bytes) -> None:
        missing = at + len(audio) - len(self._audio)
        if missing > 0:
            self._audio.extend(self._law.silence * missing)
            self._there.extend(bytes(missing))
        self._audio[at : at + len(audio)] = audio
        self._there[at : at + len(audio)] = b"\1" * len(audio)

    def _conceal(self) -> bytes | None:
        if self._missed >= len(self._law.fades):
            return None
        faded = self._last.translate(self._law.fades[self._missed])
        self._missed += 1
        self.lost += 1
        return faded
