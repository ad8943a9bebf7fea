"""A frame said again, fainter: what stands in for lost audio where nothing better is known of it."""

from __future__ import annotations

import numpy as np

from callactors.audio import g711
from callactors.audio.format import AudioFormat

STEPS = len(g711.FADE)  # times a frame may be said again; then silence


def faded(audio: bytes, format: AudioFormat, step: int) -> bytes:
    """`audio` the `step`-th time over (from 0, below STEPS)."""
    law = g711.LAWS.get(format.value)
    if law is not None:
        return audio.translate(law.fades[step])
    samples = np.frombuffer(audio[: len(audio) & ~1], dtype="<i2")
    return np.rint(samples * g711.FADE[step]).astype("<i2").tobytes()
