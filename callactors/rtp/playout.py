"""What is queued to play on one stream, and what of it was truly heard. Rules of this file:

- One bytearray in the format of the codec, so that barge-in is a clear; frames of 20 ms are taken from its front.
- Heard is counted from frames taken, never from the wall clock.
- An utterance begins on a frame of its own. Its name is used once: after a flush, later audio of it is ignored.
"""

from __future__ import annotations

import collections
from collections.abc import Callable

from callactors.audio.edge import cut_off
from callactors.audio.format import AudioFormat
from callactors.errors import PlayoutFull
from callactors.rtp.utterances import Began, Finished, Heard

FRAME = 160  # positions (1/8000 s) in 20 ms; of G.711 as many samples and bytes
PER_MS = 8  # positions
CAP = 90_000 * PER_MS  # positions
PATIENCE = 2  # frames to wait for the rest of a started frame before it is padded
REMEMBERED = 256  # names of flushed utterances kept


class _Utterance:
    __slots__ = ("ended", "name", "queued", "sent")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queued = self.sent = 0
        self.ended = False


class Playout:
    """The play-out queue of one stream, in `format`.

    `take()` once per frame slot; then look at `notices` (and clear it) for utterances begun and finished.
    """

    __slots__ = (
        "_audio", "_cap", "_drained", "_edge", "_flushed", "_format", "_frame", "_per_ms", "_queue", "_waited",
        "notices",
    )  # fmt: skip

    def __init__(self, format: AudioFormat = AudioFormat.PCMU) -> None:
        self._speak(format)
        self.notices: list[Began | Finished] = []
        self._audio = bytearray()
        self._queue: collections.deque[_Utterance] = collections.deque()
        self._drained: dict[str, _Utterance] = {}  # sent whole so far, passed by the next one, not yet ended
        self._flushed: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._waited = 0
        self._edge = b""  # the slope on which speech ends that was cut off

    def play(self, utterance: str, audio: bytes) -> None:
        """Queue audio of an utterance; of a flushed one it is dropped. Raises PlayoutFull past 90 s queued."""
        if utterance in self._flushed or not audio:
            return
        if len(self._audio) + len(audio) > self._cap:
            raise PlayoutFull(f"more than {CAP // PER_MS // 1000} s are queued behind {utterance!r}")
        mark, offset = self._place(utterance)
        mark.queued += len(audio)
        self._audio[offset:offset] = audio

    def end(self, utterance: str) -> None:
        """No more of this utterance comes. One that is already sent whole is reported Finished now."""
        if utterance in self._flushed:
            return
        mark = self._drained.pop(utterance) if utterance in self._drained else self._find(utterance)
        if mark is None:
            self.notices.append(Finished(utterance, 0))
            return
        mark.ended = True
        if not mark.queued:
            if mark in self._queue:
                self._queue.remove(mark)
            self.notices.append(Finished(utterance, mark.sent // self._per_ms))

    def take(self) -> bytes | None:
        """The next 20 ms to send, padded with silence at an utterance's end; None when nothing is to be heard."""
        if self._edge:
            frame, self._edge = self._edge, b""
            return frame
        if not self._queue:
            return None
        mark = self._queue[0]
        if mark.queued > self._frame and mark.sent:  # the usual: in the middle of an utterance
            size, self._waited = self._frame, 0
            mark.queued -= size
            mark.sent += size
            frame = bytes(self._audio[:size])
            del self._audio[:size]
            return frame
        return self._take_end()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say in the next slots, as far as is known."""
        return not self._audio and not self._edge

    def take_several(self, most: int) -> bytes:
        """Some frames at once, where they are the middle of an utterance of which more is queued; else nothing."""
        if self._edge or not self._queue or not self._queue[0].sent:
            return b""
        mark = self._queue[0]
        size = min(most, (mark.queued - 1) // self._frame) * self._frame
        if size <= 0:
            return b""
        mark.queued -= size
        mark.sent += size
        self._waited = 0
        audio = bytes(self._audio[:size])
        del self._audio[:size]
        return audio

    def give_back(self, audio: bytes) -> None:
        """The last of what `take_several` gave has not left. Nothing else has been taken since."""
        mark = self._queue[0]
        mark.queued += len(audio)
        mark.sent -= len(audio)
        self._audio[:0] = audio

    def _take_end(self) -> bytes | None:
        """A frame with which an utterance begins or ends, or that is not whole."""
        mark = self._sounding()
        if mark is None or not self._ready(mark):
            return None
        size = min(self._frame, mark.queued)
        frame = bytes(self._audio[:size])
        del self._audio[:size]
        self._count(mark, size)
        return frame if size == self._frame else frame + self._format.silence * (self._frame - size)

    def flush(self) -> Heard:
        """Drop all that is queued; say what was sounding and how much of it was heard. Queued later ones: 0 ms.

        What was sounding fades out in one more frame, which nobody counts as heard.
        """
        heard = self.heard()
        if heard.ms:
            self._edge = cut_off(bytes(self._audio[: min(self._frame, self._queue[0].queued)]), self._format)
            self._edge += self._format.silence * (self._frame - len(self._edge))
        for name in (*self._drained, *(mark.name for mark in self._queue)):
            self._flushed[name] = None
        while len(self._flushed) > REMEMBERED:
            self._flushed.popitem(last=False)
        self._queue.clear()
        self._drained.clear()
        self._audio.clear()
        self._waited = 0
        return heard

    def heard(self) -> Heard:
        """The utterance sounding now (or next, at 0 ms) and how much of it has been heard."""
        mark = self._sounding()
        return Heard(None, 0) if mark is None else Heard(mark.name, mark.sent // self._per_ms)

    def queued_ms(self) -> int:
        """How long what is queued will sound."""
        return len(self._audio) // self._per_ms

    def recode(self, convert: Callable[[bytes], bytes], format: AudioFormat) -> None:
        """A re-offer changed the codec: what is queued is converted, utterance by utterance."""
        old, at, audio = self._per_ms, 0, self._audio
        self._speak(format)
        self._edge, self._audio = b"", bytearray()
        for mark in self._queue:
            queued = convert(bytes(audio[at : at + mark.queued]))
            at += mark.queued
            self._audio += queued
            mark.queued, mark.sent = len(queued), mark.sent // old * self._per_ms
        for mark in self._drained.values():
            mark.sent = mark.sent // old * self._per_ms

    # -- inside --------------------------------------------------------------------------------------------------

    def _speak(self, format: AudioFormat) -> None:
        self._format, self._per_ms = format, format.bytes_per_ms
        self._frame, self._cap = FRAME // PER_MS * self._per_ms, CAP // PER_MS * self._per_ms

    def _find(self, utterance: str) -> _Utterance | None:
        return next((mark for mark in self._queue if mark.name == utterance), None)

    def _place(self, utterance: str) -> tuple[_Utterance, int]:
        """The utterance's mark, made when new, and where in the buffer its next audio goes."""
        offset = 0
        for mark in self._queue:
            offset += mark.queued
            if mark.name == utterance:
                return mark, offset
        mark = self._drained.pop(utterance) if utterance in self._drained else _Utterance(utterance)
        self._queue.append(mark)
        return mark, len(self._audio)

    def _sounding(self) -> _Utterance | None:
        """The front of the queue; one that is drained but not ended gives way as soon as another waits behind it."""
        while self._queue:
            mark = self._queue[0]
            if mark.queued or len(self._queue) == 1:
                return mark
            self._drained[mark.name] = self._queue.popleft()
        return None

    def _ready(self, mark: _Utterance) -> bool:
        """A whole frame, or the tail of an utterance; a short piece of one still coming waits a little."""
        if mark.queued >= self._frame or (mark.queued and (mark.ended or self._waited >= PATIENCE)):
            self._waited = 0
            return True
        self._waited += 1 if mark.queued else 0
        return False

    def _count(self, mark: _Utterance, size: int) -> None:
        if not mark.sent:
            self.notices.append(Began(mark.name))
        mark.sent += size
        mark.queued -= size
        if mark.ended and not mark.queued:
            self._queue.popleft()
            self.notices.append(Finished(mark.name, mark.sent // self._per_ms))
