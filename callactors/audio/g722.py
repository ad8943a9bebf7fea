"""G.722 at 64 kbit/s (RFC 3551 section 4.5.2): 16 kHz audio, a byte for two samples, and an RTP clock that says 8000.

- The codec is the G722 package, bit-exact to the ITU's; wheels for the usual machines. Without it G.722 is not offered.
- What is lost is concealed as for G.711: the standard's own way (Appendix IV) costs more than it gives.
"""

from __future__ import annotations

import numpy as np

from callactors.audio.conceal import Mended
from callactors.audio.format import AudioFormat

try:
    from G722 import G722 as Engine
except ImportError as problem:
    Engine, MISSING = None, f"the package G722 is not there ({problem})"
else:
    MISSING = ""

RATE, BITS = 16_000, 64_000
LONGEST = 960  # bytes in a payload: 120 ms


class G722:
    """One stream's. Raises RuntimeError where the package is missing: see MISSING."""

    name = "g722"
    format = AudioFormat.PCM16_16K
    clock_rate = 8_000
    width = 4
    plain = False

    def __init__(self) -> None:
        if Engine is None:
            raise RuntimeError(MISSING)
        self._decoder, self._encoder = Engine(RATE, BITS), Engine(RATE, BITS)
        self._mended = Mended(self.format)

    def duration(self, payload: bytes) -> int:
        return len(payload) if len(payload) <= LONGEST else 0

    def decode(self, payload: bytes) -> bytes:
        if not payload:
            return b""
        audio: bytes = self._decoder.decode(payload).tobytes()
        return self._mended.heard(audio)

    def conceal(self, positions: int, following: bytes | None) -> bytes:
        return self._mended.missing(positions * self.width)

    def silence(self, positions: int) -> bytes:
        return bytes(positions * self.width)

    def encode(self, audio: bytes) -> bytes:
        """An odd sample at the end is dropped: two make a byte."""
        return bytes(self._encoder.encode(np.frombuffer(audio[: len(audio) & ~3], np.int16)))
