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
PURE = 0.78  # of the power
TWIST = 10 ** (9 / 10)  # in power
OFF = 0.025  # of the frequency: 1.5 % must be understood, 3.5 % must not
ASIDE = (-0.012, 0.0, 0.012)  # where else a tone is looked for
QUIET = 32768**2 * 10 ** (-36 / 10)  # power below which nothing is a key

Numbers = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complex128]


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
        self._tail = np.zeros(self._size)  # from the last window on: the next one's phase has something to follow
        tones = np.array([*LOW, *HIGH], dtype=np.float64)
        places = np.concatenate([tones * (1 + aside) for aside in ASIDE])
        turns = np.exp(-2j * np.pi * np.outer(np.arange(self._size), places) / rate)
        self._turns = np.ascontiguousarray(np.hstack([turns.real, turns.imag]))
        self._advance = np.exp(-2j * np.pi * tones * self._hop / rate)
        self._drift = 2 * np.pi * tones * OFF * self._hop / rate  # radians a hop
        self._press = _Press()

    def hear(self, samples: Samples) -> Found:
        """The next batch."""
        begin = -len(self._tail)
        sound = np.concatenate([self._tail, samples])
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
        if len(windows) < 2:
            return []
        spectrum = self._spectrum(windows)
        power = np.max(np.abs(spectrum) ** 2, axis=1)  # of each tone, wherever it is best
        low, high = np.argmax(power[:, :4], axis=1), np.argmax(power[:, 4:], axis=1)
        rows = np.arange(len(windows))
        one, other = power[rows, low], power[rows, 4 + high]
        total = np.einsum("ij,ij->i", windows, windows)
        pure = (one + other) * 2 > PURE * self._size * np.maximum(total, QUIET * self._size)
        steady = self._steady(spectrum[:, len(ASIDE) // 2])
        good = pure & (one < TWIST * other) & (other < TWIST * one)
        good[1:] &= steady[rows[1:] - 1, low[1:]] & steady[rows[1:] - 1, 4 + high[1:]]
        return [KEYS[4 * low[row] + high[row]] if good[row] else "" for row in rows[1:]]

    def _spectrum(self, windows: Numbers) -> Spectrum:
        """(windows, places aside, tones)."""
        both = windows @ self._turns
        half = both.shape[1] // 2
        spectrum: Spectrum = both[:, :half] + 1j * both[:, half:]
        return spectrum.reshape(len(windows), len(ASIDE), -1)

    def _steady(self, nominal: Spectrum) -> npt.NDArray[np.bool_]:
        """Whether each tone turned from window to window as one of its frequency does."""
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
