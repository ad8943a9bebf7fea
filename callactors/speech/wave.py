"""Whole pieces of sound as numpy arrays: int16 mono, resampled in one go by FFT, and trimmed.

For finished utterances and sentences only; live streams go through audio/resample. Pure, no I/O.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]

_FULL_SCALE = 32768.0


def to_floats(samples: Samples) -> Floats:
    """int16 to -1.0 .. 1.0."""
    return samples.astype(np.float32) / np.float32(_FULL_SCALE)


def to_samples(sound: Floats) -> Samples:
    """-1.0 .. 1.0 to int16, clipped."""
    samples: Samples = np.clip(sound * _FULL_SCALE, -32768, 32767).astype(np.int16)
    return samples


def resample(sound: Floats, source: int, target: int) -> Floats:
    """The whole of `sound` from `source` to `target` samples per second, band-limited by FFT.

    Silence is put around it first, so that nothing wraps from its end to its beginning.
    """
    if source == target or not len(sound):
        return sound
    pad = source // 50
    block = -(-(len(sound) + 2 * pad) // source) * source  # whole seconds: both lengths are then integers
    padded = np.zeros(block, np.float32)
    padded[pad : pad + len(sound)] = sound
    spectrum = np.fft.rfft(padded)
    length = block // source * target
    kept = np.zeros(length // 2 + 1, np.complex128)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    start = round(pad * target / source)
    whole = np.fft.irfft(kept, length) * (target / source)
    return whole[start : start + round(len(sound) * target / source)].astype(np.float32)


def trim(sound: Floats, rate: int, *, floor: float = 0.01, keep_ms: int = 20) -> Floats:
    """`sound` without the silence around what is above `floor`, but for `keep_ms` on each side."""
    loud = np.flatnonzero(np.abs(sound) > floor)
    if not len(loud):
        return sound[:0]
    keep = rate * keep_ms // 1000
    return sound[max(0, int(loud[0]) - keep) : int(loud[-1]) + 1 + keep]
