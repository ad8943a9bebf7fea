"""DTMF found in sound (ITU-T Q.23, Q.24): pairs of tones that last, and speech that only resembles them.

- A window of 20 ms every 5 ms. It holds a key when two tones, one of each group, make up PURE of its power, neither
  TWIST weaker than the other, each where it should be within OFF: their phase from window to window says how far off
  they are, far more finely than a spectrum of 20 ms could.
- HITS windows in a row are a key: tones of 40 ms always make that many, tones of 23 ms never do. It is over after GAP
  windows without it, so that a dropout is not a second press.
- All windows of a batch are one matrix product.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from callactors.audio.g711 import Samples
from callactors.audio.tone import HIGH, KEYS, LOW

WINDOW, HOP = 20, 5  # ms
HITS, GAP = 4, 7  # windows
PURE = 0.85  # of the power
TWIST = 10 ** (10 / 10)  # in power
OFF = 0.025  # of the frequency: 1.5 % must be understood, 3.5 % must not
ASIDE = (-0.012, 0.0, 0.012)  # where else a tone is looked for
QUIET = 32768**2 * 10 ** (-36 / 10)  # power below which nothing is a key

Numbers = npt.NDArray[np.float32]


@attrs.frozen
class Found:
    """What a batch held: the keys that were recognised in it, and where tones are, as (from, to) in samples.

    Places count from the batch's first sample and may lie before it: a tone is known once it has lasted a window.
    """

    keys: str
    tones: tuple[tuple[int, int], ...]


class Detector:
    """Keys in one stream of samples at `rate`, fed in batches of any length."""

    def __init__(self, rate: int = 8000) -> None:
        self._size, self._hop = rate * WINDOW // 1000, rate * HOP // 1000
        self._tail: Numbers = np.zeros(self._size, dtype=np.float32)  # from the last window on: its phase is followed
        tones = np.array([*LOW, *HIGH], dtype=np.float64)
        places = np.concatenate([tones * (1 + aside) for aside in ASIDE])
        turns = np.exp(-2j * np.pi * np.outer(np.arange(self._size), places) / rate)
        self._turns = np.ascontiguousarray(np.hstack([turns.real, turns.imag]), dtype=np.float32)
        self._advance = np.exp(-2j * np.pi * tones * self._hop / rate)
        self._drift = 2 * np.pi * tones * OFF * self._hop / rate  # radians a hop
        self._press = _Press()

    def hear(self, samples: Samples) -> Found:
        """The next batch."""
        begin = -len(self._tail)
        sound = np.concatenate([self._tail, samples], dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(sound, self._size)[:: self._hop]
        self._tail = sound[(len(windows) - 1) * self._hop :]
        keys, tones = "", list[tuple[int, int]]()
        for index, key in enumerate(self._keys(windows), start=1):
            if key:
                at = begin + index * self._hop
                tones.append((at - self._hop, at + self._size + self._hop))
            keys += self._press.window(key)
        return Found(keys, tuple(tones))

    def _keys(self, windows: Numbers) -> list[str]:
        """The key each window but the first holds, "" for none."""
        none = [""] * (len(windows) - 1)
        total = np.einsum("ij,ij->i", windows, windows)
        if float(total.max()) < QUIET * self._size:
            return none
        both = windows @ self._turns  # real parts of every place, then imaginary ones
        squares = (both * both).reshape(len(windows), 2, len(ASIDE), -1).sum(axis=1)
        power = squares.max(axis=1)  # of each tone, wherever it is best
        one, other = power[:, :4].max(axis=1), power[:, 4:].max(axis=1)
        good = (one + other) * 2 > PURE * self._size * np.maximum(total, QUIET * self._size)
        if not good.any():
            return none
        good &= (one < TWIST * other) & (other < TWIST * one)
        low, high = power[:, :4].argmax(axis=1), 4 + power[:, 4:].argmax(axis=1)
        steady, rows = self._steady(both), np.arange(len(windows) - 1)
        good[1:] &= steady[rows, low[1:]] & steady[rows, high[1:]]
        return [KEYS[4 * low[row] + high[row] - 4] if good[row] else "" for row in range(1, len(windows))]

    def _steady(self, both: Numbers) -> npt.NDArray[np.bool_]:
        """Whether each tone turned from window to window as one of its frequency does."""
        parts = both.reshape(len(both), 2, len(ASIDE), -1)[:, :, len(ASIDE) // 2]
        nominal = parts[:, 0] + 1j * parts[:, 1]
        turned = np.angle(nominal[1:] * np.conj(nominal[:-1]) * self._advance)
        steady: npt.NDArray[np.bool_] = np.abs(turned) < self._drift
        return steady


@attrs.define
class _Press:
    """Window by window: when a key has been pressed."""

    key: str = ""
    run: int = 0
    misses: int = 0
    told: bool = False

    def window(self, key: str) -> str:
        """The key that this window makes sure of; "" for most."""
        if key and (key == self.key or not self.told):
            self.run = self.run + 1 if key == self.key else 1
            self.key, self.misses = key, 0
        else:
            self._missed()
        if self.told or self.run < HITS:
            return ""
        self.told = True
        return self.key

    def _missed(self) -> None:
        self.misses += 1
        if not self.told or self.misses >= GAP:
            self.key, self.run, self.misses, self.told = "", 0, 0, False
