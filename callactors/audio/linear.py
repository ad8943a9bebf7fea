"""Audio of any format as int16 samples at that format's own rate, for what only measures it."""

from __future__ import annotations

import numpy as np

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples


def linear(audio: bytes, format: AudioFormat) -> Samples:
    """The samples of whole batches; half a sample at the end is left out."""
    if format in (AudioFormat.PCMU, AudioFormat.PCMA):
        return g711.decode(audio, format)
    return np.frombuffer(audio[: len(audio) & ~1], dtype="<i2")
