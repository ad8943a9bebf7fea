"""Any format as int16 samples at its own rate, and back. An odd byte at the end of linear audio is dropped."""

from __future__ import annotations

import numpy as np

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples


def to_samples(audio: bytes, format: AudioFormat) -> Samples:
    """What the bytes sound like."""
    if format in g711.LAWS:
        return g711.decode(audio, format)
    return np.frombuffer(audio[: len(audio) & ~1], dtype="<i2").astype(np.int16, copy=False)


def to_bytes(samples: Samples, format: AudioFormat) -> bytes:
    """The samples as this format has them."""
    return g711.encode(samples, format) if format in g711.LAWS else samples.astype("<i2", copy=False).tobytes()
