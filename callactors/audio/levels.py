"""How loud, and of what pitch: what ears and gates measure on int16 samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from callactors.audio.g711 import Samples

FLOOR = -96.0  # dBFS; what digital silence is said to be
WINDOW = 0.010  # seconds
SPEECH = -45.0  # dBFS: softer than this nobody calls it speech
ABOVE_NOISE = 12.0  # dB that speech rises above its channel's noise
LOUDEST_NOISE = -25.0  # dBFS: no noise makes speech inaudible

Levels = npt.NDArray[np.float64]


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


def by_windows(samples: Samples, rate: int) -> Levels:
    """dBFS of each whole window of WINDOW seconds, FLOOR at the least; a rest that fills no window is left out."""
    size = round(WINDOW * rate)
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    powers = [np.mean(np.square(some, dtype=np.float64), axis=1) for some in _minutes(windows)]
    power = np.concatenate(powers) / 32768**2 if powers else np.zeros(0)
    levels: Levels = 10 * np.log10(np.maximum(power, 10 ** (FLOOR / 10)))
    return levels


def _minutes(windows: Samples) -> Iterator[Samples]:
    """A minute at a time: an hour as float64 would not fit everywhere."""
    step = round(60 / WINDOW)
    for at in range(0, len(windows), step):
        yield windows[at : at + step]


def speech_threshold(levels: Levels, share: float) -> float:
    """Above what a window is speech: SPEECH, or what rises clear of the noise, which is the softest `share` of them."""
    noise = float(np.quantile(levels, share)) if len(levels) else SPEECH
    return min(LOUDEST_NOISE, max(SPEECH, noise + ABOVE_NOISE))
