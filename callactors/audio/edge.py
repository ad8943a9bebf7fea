"""Where speech is cut off, it ends on a slope of 5 ms instead of a click."""

from __future__ import annotations

import numpy as np

from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.linear import to_bytes, to_samples

SLOPE_MS = 5


def cut_off(audio: bytes, format: AudioFormat) -> bytes:
    """As long as `audio`, of which the first SLOPE_MS are heard, fading; then silence."""
    kept = audio[: SLOPE_MS * format.bytes_per_ms]
    faded = to_bytes(_falling(to_samples(kept, format)), format)
    return faded + format.silence * (len(audio) - len(faded))


def _falling(samples: Samples) -> Samples:
    slope = 1 - (np.arange(len(samples)) + 0.5) / max(1, len(samples))
    return np.rint(samples * slope).astype(np.int16)
