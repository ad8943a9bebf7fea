"""The audio encodings that travel between actors. One meaning each; rates are samples per second, mono.

WIRE-FORMATS: G.711 is 8 kHz by definition; the Realtime API takes PCM16 at 24 kHz only.
"""

from __future__ import annotations

import enum


class AudioFormat(enum.StrEnum):
    """An encoding with its rate. The value is what configuration and records say."""

    PCMU = "pcmu"  # G.711 u-law, 8 kHz, one byte a sample
    PCMA = "pcma"  # G.711 A-law, 8 kHz, one byte a sample
    PCM16_8K = "pcm16_8k"  # s16le, 8 kHz
    PCM16_16K = "pcm16_16k"  # s16le, 16 kHz
    PCM16 = "pcm16"  # s16le, 24 kHz

    @property
    def rate(self) -> int:
        """Samples per second."""
        return {AudioFormat.PCM16: 24_000, AudioFormat.PCM16_16K: 16_000}.get(self, 8_000)

    @property
    def width(self) -> int:
        """Bytes per sample."""
        return 1 if self in (AudioFormat.PCMU, AudioFormat.PCMA) else 2

    @property
    def bytes_per_ms(self) -> int:
        return self.rate * self.width // 1000

    @property
    def silence(self) -> bytes:
        """One byte of silence; repeat it."""
        return {AudioFormat.PCMU: b"\xff", AudioFormat.PCMA: b"\xd5"}.get(self, b"\0")

    def ms(self, audio: bytes) -> int:
        """How long `audio` sounds, in whole milliseconds."""
        return len(audio) // self.bytes_per_ms
