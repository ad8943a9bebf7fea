"""PCMU and PCMA as a stream speaks them: a payload is its own audio, untouched; only what is lost has to be made."""

from __future__ import annotations

from callactors.audio.conceal import Mended
from callactors.audio.format import AudioFormat


class G711:
    """One law. Lost audio is the last pitch period again (audio/conceal), and what follows it fades in."""

    clock_rate = 8_000
    width = 1
    plain = True

    def __init__(self, law: AudioFormat) -> None:
        self.name, self.format = law.value, law
        self._mended = Mended(law)
        self.decode = self._mended.heard  # a call less for every packet

    def duration(self, payload: bytes) -> int:
        return len(payload)

    def conceal(self, positions: int, following: bytes | None) -> bytes:
        """The law has no redundancy: what follows is of no help."""
        return self._mended.missing(positions)

    def silence(self, positions: int) -> bytes:
        return self.format.silence * positions

    def encode(self, audio: bytes) -> bytes:
        return audio
