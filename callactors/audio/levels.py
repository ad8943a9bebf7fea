"""How loud, and of what pitch: what ears and gates measure on int16 samples."""

from __future__ import annotations

import math

import numpy as np

from callactors.audio.g711 import Samples

FLOOR = -96.0  # dBFS; what digital silence is said to be


def dbfs(samples: Samples) -> float:
    """RMS level against a full-scale square wave, in dB; FLOOR for silence or nothing."""
    if not len(samples):
        return FLOOR
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(FLOOR, 10 * math.log10(power / 32768**2)) if power else FLOOR


def strength(samples: Samples, frequency: float, *, rate: int = 8000) -> float:
    """The share of the power, 0 to 1, that lies at one frequency (one DFT bin over the whole of `samples`)."""
    total = float(np.sum(np.square(samples, dtype=np.float64)))
    if not total:
        return 0.0
    turn = np.exp(-2j * np.pi * frequency / rate * np.arange(len(samples)))
    return min(1.0, float(abs(np.dot(samples, turn)) ** 2) * 2 / len(samples) / total)


def loud(samples: Samples, *, threshold: float = -45.0, rate: int = 8000, window_ms: int = 20) -> list[bool]:
    """Window by window, whether it is above `threshold` dBFS; a short tail counts as a window."""
    size = rate * window_ms // 1000
    return [dbfs(samples[at : at + size]) > threshold for at in range(0, len(samples), size)]
