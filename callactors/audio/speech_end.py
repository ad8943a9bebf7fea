"""When the caller was last heard, by level alone: what a listener would call the end of their speech.

- Batches are kept for KEPT_MS and looked at only when somebody asks: once a turn, not once a batch.
- A window of 10 ms is speech above -45 dBFS, or above the line's own noise; so the record and a listener of the
  recording mean the same moment.
- Positions are 1/8000 s. A batch's position is where its audio lies on the leg's timeline; the quickest batch kept says
  what the clock showed there.
"""

from __future__ import annotations

from collections import deque

import attrs
import numpy as np
import numpy.typing as npt

from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.linear import to_samples

KEPT_MS = 2_000
RATE = 8_000  # positions a second
THRESHOLD = -45.0  # dBFS
ABOVE_NOISE = 12.0  # dB
MOST = -25.0  # dBFS: no noise makes speech inaudible
_FLOOR = 10 ** (-96 / 10)


@attrs.define(eq=False)
class SpeechEnd:
    """The caller's latest batches."""

    _batches: deque[tuple[float, int, AudioFormat, bytes]] = attrs.field(factory=lambda: deque(maxlen=KEPT_MS // 60))

    def hears(self, at: float, position: int, format: AudioFormat, audio: bytes) -> None:
        """A batch that was complete at `at` and begins at `position`."""
        self._batches.append((at, position, format, audio))

    def last(self) -> float | None:
        """When the last loud window ended, on the clock of `at`; None when nothing kept is loud."""
        if not self._batches:
            return None
        opened = min(
            at - (position + _positions(format, audio)) / RATE for at, position, format, audio in self._batches
        )
        levels = [_levels(to_samples(audio, format), format.rate) for _, _, format, audio in self._batches]
        limit = _threshold(np.concatenate(levels))
        for (_, position, _, _), level in zip(reversed(self._batches), reversed(levels), strict=True):
            loud = np.flatnonzero(level > limit)
            if len(loud):
                return opened + position / RATE + (int(loud[-1]) + 1) * 0.010
        return None


def onset(audio: bytes, format: AudioFormat) -> float:
    """Seconds of quiet before the first loud window; all of it where none is."""
    loud = np.flatnonzero(_levels(to_samples(audio, format), format.rate) > THRESHOLD)
    return int(loud[0]) * 0.010 if len(loud) else format.ms(audio) / 1000


def _positions(format: AudioFormat, audio: bytes) -> int:
    return len(audio) * RATE // (format.rate * format.width)


def _levels(samples: Samples, rate: int) -> npt.NDArray[np.float64]:
    """dBFS of each whole window."""
    size = rate // 100
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.mean(np.square(windows, dtype=np.float64), axis=1) / 32768**2
    levels: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(power, _FLOOR))
    return levels


def _threshold(levels: npt.NDArray[np.float64]) -> float:
    noise = float(np.quantile(levels, 0.05)) if len(levels) else THRESHOLD
    return min(MOST, max(THRESHOLD, noise + ABOVE_NOISE))
