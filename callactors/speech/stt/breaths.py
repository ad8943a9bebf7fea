"""Where to cut a long speech: at its breaths. Given more than a window of speech, tiny.en often stops after a sentence.

Pure: int16 samples at 8 kHz in, slices of them out; nothing is dropped, and no slice is longer than LONGEST.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from callactors.speech.wave import Samples

RATE = 8_000
LONGEST = 9  # seconds of one slice: with a second to spare it fits the 10 s window
_SHORTEST = 4  # seconds before a cut is looked for
_BREATH = RATE // 5  # 200 ms


def slices(samples: Samples) -> Iterator[Samples]:
    """`samples` whole, or cut at the quietest 200 ms of each window's second half."""
    while len(samples) > LONGEST * RATE:
        cut = _quietest(samples[: LONGEST * RATE])
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def _quietest(window: Samples) -> int:
    """The middle of the quietest breath between _SHORTEST and the window's end."""
    power = np.square(window[_SHORTEST * RATE :].astype(np.float64))
    sums = np.concatenate(([0.0], np.cumsum(power)))
    return _SHORTEST * RATE + int(np.argmin(sums[_BREATH:] - sums[:-_BREATH])) + _BREATH // 2
