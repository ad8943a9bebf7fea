"""What of play-out has left as RTP, told to the leg: frames together, utterances as they begin and end."""

from __future__ import annotations

from collections.abc import Callable

import trio

from callactors.audio.format import AudioFormat
from callactors.rtp.events import AudioSent, MediaEvent, UtteranceHeard, UtteranceStarted
from callactors.rtp.utterances import Began, Finished

TOGETHER = 5  # frames that left one by one are told in pieces of so many


class Spoken:
    """One stream's. Its facts go to `deliver`, which may be another one later."""

    __slots__ = ("_began", "_frames", "_position", "deliver")

    def __init__(self, deliver: Callable[[MediaEvent], None]) -> None:
        self.deliver = deliver
        self._frames: list[bytes] = []
        self._position = 0
        self._began: dict[str, float] = {}

    def add(self, frame: bytes, position: int, format: AudioFormat, now: float) -> None:
        """A frame that leaves; `position` is where on the stream's timeline."""
        if not self._frames:
            self._position = position
        self._frames.append(frame)
        if len(self._frames) >= TOGETHER:
            self.tell(format, now)

    def tell_run(self, audio: bytes, position: int, format: AudioFormat, now: float) -> None:
        """Some frames in one piece, of which the first was at `position`; all of them have left."""
        if audio:
            self.tell(format, now)
            self.deliver(AudioSent(at=now, format=format, audio=audio, position=position))

    def tell(self, format: AudioFormat, now: float) -> None:
        """Whatever has not been told yet."""
        if self._frames:
            audio, self._frames = b"".join(self._frames), []
            self.deliver(AudioSent(at=now, format=format, audio=audio, position=self._position))

    def notice(self, notices: list[Began | Finished], format: AudioFormat, now: float) -> None:
        """What play-out has noticed; the packets it speaks of have left."""
        for notice in notices:
            match notice:
                case Began(utterance):
                    self._began[utterance] = at = trio.current_time()
                    self.deliver(UtteranceStarted(at=at, utterance=utterance))
                case Finished(utterance, ms):
                    self.tell(format, now)
                    began = self._began.pop(utterance, now)
                    self.deliver(UtteranceHeard(at=now, utterance=utterance, ms=ms, first_rtp_at=began))

    def forget(self) -> None:
        """What has begun was cut off: it will not be heard to its end."""
        self._began.clear()
