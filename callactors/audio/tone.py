"""Tones: sines for tests and ears, DTMF pairs (ITU-T Q.23) for peers without telephone-event."""

from __future__ import annotations

import numpy as np

from callactors.audio.g711 import Samples

LOW = (697, 770, 852, 941)
HIGH = (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"  # row by row
_RAMP_MS = 2  # faded in and out, so that the edges do not click


def sine(frequency: float, ms: int, *, rate: int = 8000, level: float = -10.0, start: int = 0) -> Samples:
    """A sine of `ms` milliseconds at `level` dBFS; `start` continues the phase at that sample."""
    amplitude = 32767 * 10 ** (level / 20)
    at = np.arange(start, start + rate * ms // 1000)
    return np.asarray(np.rint(amplitude * np.sin(2 * np.pi * frequency * at / rate)), dtype=np.int16)


def silence(ms: int, *, rate: int = 8000) -> Samples:
    """Zeros."""
    return np.zeros(rate * ms // 1000, dtype=np.int16)


def dtmf(digit: str, ms: int = 100, *, rate: int = 8000, level: float = -10.0) -> Samples:
    """The two tones of a key, each at `level`. Raises ValueError for what is no key."""
    row, column = divmod(KEYS.index(digit.upper()), 4)
    both = sine(LOW[row], ms, rate=rate, level=level) + sine(HIGH[column], ms, rate=rate, level=level)
    ramp = np.linspace(0.0, 1.0, min(len(both) // 2, rate * _RAMP_MS // 1000))
    shape = np.ones(len(both))
    shape[: len(ramp)], shape[len(both) - len(ramp) :] = ramp, ramp[::-1]
    return np.asarray(np.rint(both * shape), dtype=np.int16)
