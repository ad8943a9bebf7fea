"""Where speech is cut off, it ends on a slope of 5 ms instead of a click."""

from __future__ import annotations

import numpy as np

from callactors.audio import g711
from callactors.audio.format import AudioFormat

SLOPE_MS = 5


def cut_off(audio: bytes, format: AudioFormat) -> bytes:
    """As long as `audio`, of which the first SLOPE_MS are heard, fading; then silence."""
    kept = audio[: SLOPE_MS * format.bytes_per_ms]
    if format in g711.LAWS:
        return g711.encode(_falling(g711.decode(kept, format)), format) + format.silence * (len(audio) - len(kept))
    return _falling(np.frombuffer(kept, dtype="<i2")).astype("<i2").tobytes() + bytes(len(audio) - len(kept))


def _falling(samples: g711.Samples) -> g711.Samples:
    slope = 1 - (np.arange(len(samples)) + 0.5) / max(1, len(samples))
    return np.rint(samples * slope).astype(np.int16)
