"""What a stream sends while nothing is said: silence, or a sound over and over (music on hold, a ringing tone)."""

from __future__ import annotations

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.rtp.playout import FRAME


class Fill:
    """Frames without end, in the law last spoken."""

    def __init__(self) -> None:
        self._law, self._at = AudioFormat.PCMU, 0
        self._sound: Samples | None = None
        self._frames = [self._law.silence * FRAME]

    def play(self, sound: Samples | None) -> None:
        """Repeat this from its start (int16, 8 kHz; what is over whole frames is left out); None is silence."""
        self._sound, self._at = sound, 0
        self._encode()

    def speak(self, law: AudioFormat) -> None:
        """In this law from now on."""
        if law is not self._law:
            self._law = law
            self._encode()

    def take(self) -> bytes:
        """The next 20 ms."""
        frame = self._frames[self._at]
        self._at = (self._at + 1) % len(self._frames)
        return frame

    def _encode(self) -> None:
        sound = self._sound
        if sound is None or len(sound) < FRAME:
            self._frames = [self._law.silence * FRAME]
        else:
            audio = g711.encode(sound, self._law)
            self._frames = [audio[at : at + FRAME] for at in range(0, len(audio) - FRAME + 1, FRAME)]
        self._at %= len(self._frames)
