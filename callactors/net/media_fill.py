"""What a stream sends while nothing is said: silence, or a sound over and over (music on hold, a ringing tone)."""

from __future__ import annotations

from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.rtp.playout import FRAME


class Fill:
    """Frames without end, in the format last spoken."""

    def __init__(self) -> None:
        self._format, self._at = AudioFormat.PCMU, 0
        self._sound: Samples | None = None
        self._frames: list[bytes] = []
        self._encode()

    def play(self, sound: Samples | None) -> None:
        """Repeat this from its start (int16, 8 kHz; what is over whole frames is left out); None is silence."""
        self._sound, self._at = sound, 0
        self._encode()

    def speak(self, format: AudioFormat) -> None:
        """In this format from now on."""
        if format is not self._format:
            self._format = format
            self._encode()

    @property
    def silent(self) -> bool:
        """Whether it is silence that leaves."""
        return self._sound is None

    def take(self) -> bytes:
        """The next 20 ms."""
        frame = self._frames[self._at]
        self._at = (self._at + 1) % len(self._frames)
        return frame

    def _encode(self) -> None:
        sound, size = self._sound, FRAME // 8 * self._format.bytes_per_ms
        if sound is None or len(sound) < FRAME:
            self._frames = [self._format.silence * size]
        else:
            audio = convert(sound.astype("<i2").tobytes(), AudioFormat.PCM16_8K, self._format)
            self._frames = [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]
        self._at %= len(self._frames)
