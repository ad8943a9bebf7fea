"""Keys that come as tones in a leg's audio, and the audio without them. Rules of this file:

- Used only where the trunk says `dtmf: inband` or no telephone event was agreed on: everywhere else a tone is a sound.
- What is handed on lags LAG behind what came, so that a tone is known before it would be heard: the model gets silence
  in its place, from its beginning to its end.
"""

from __future__ import annotations

import attrs
import msgspec

from callactors.actors.messages import CallerAudio
from callactors.audio.dtmf import Detector
from callactors.audio.format import AudioFormat
from callactors.audio.linear import to_samples

LAG = 200  # positions, 25 ms


@attrs.define(eq=False)
class InbandDigits:
    """One leg's tones, out of its batches."""

    _format: AudioFormat | None = attrs.field(default=None, init=False)
    _detector: Detector = attrs.field(factory=Detector, init=False)
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    def hear(self, batch: CallerAudio) -> tuple[CallerAudio, str]:
        """What is heard now, LAG later than it came and without tones, and the keys that were recognised."""
        if batch.format is not self._format:
            self._format, self._detector, self._held = batch.format, Detector(batch.format.rate), bytearray()
        found = self._detector.hear(to_samples(batch.audio, batch.format))
        held = len(self._held)
        self._held += batch.audio
        for start, end in found.tones:
            self._mute(held + start * batch.format.width, held + end * batch.format.width, batch.format)
        ready = max(0, len(self._held) - LAG // 8 * batch.format.bytes_per_ms)
        audio = bytes(self._held[:ready])
        del self._held[:ready]
        place = batch.position - held * 8 // batch.format.bytes_per_ms
        return msgspec.structs.replace(batch, audio=audio, position=place), found.keys

    def _mute(self, start: int, end: int, format: AudioFormat) -> None:
        start, end = max(0, start), min(len(self._held), end)
        self._held[start:end] = format.silence * max(0, end - start)
