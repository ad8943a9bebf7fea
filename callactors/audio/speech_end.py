"""When the caller was last heard, by level alone: what a listener would call the end of their speech.

- Batches are kept for KEPT_MS and looked at only when somebody asks: once a turn, not once a batch.
- A window of 10 ms is speech above -45 dBFS, or above the line's own noise; so the record and a listener of the
  recording mean the same moment.
- A batch's position is where its audio lies on the leg's timeline; the quickest batch kept says what the clock showed
  there.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from callactors.audio.codec import POSITIONS
from callactors.audio.format import AudioFormat
from callactors.audio.levels import SPEECH, WINDOW, by_windows, speech_threshold
from callactors.audio.linear import to_samples

KEPT_MS = 2_000
NOISE_SHARE = 0.05  # of so short a stretch
SPEECH_POWER = 32768.0**2 * 10 ** (SPEECH / 10)  # of one sample, on average


class SpeechEnd:
    """The caller's latest batches."""

    def __init__(self) -> None:
        self._batches: deque[tuple[float, int, AudioFormat, bytes]] = deque(maxlen=KEPT_MS // 60)

    def hears(self, at: float, position: int, format: AudioFormat, audio: bytes) -> None:
        """A batch that was complete at `at` and begins at `position`."""
        self._batches.append((at, position, format, audio))

    def last(self) -> float | None:
        """When the last loud window ended, on the clock of `at`; None when nothing kept is loud."""
        if not self._batches:
            return None
        opened = min(
            at - (position + _positions(format, audio)) / POSITIONS for at, position, format, audio in self._batches
        )
        levels = [by_windows(to_samples(audio, format), format.rate) for _, _, format, audio in self._batches]
        limit = speech_threshold(np.concatenate(levels), NOISE_SHARE)
        for (_, position, _, _), level in zip(reversed(self._batches), reversed(levels), strict=True):
            loud = np.flatnonzero(level > limit)
            if len(loud):
                return opened + position / POSITIONS + (int(loud[-1]) + 1) * WINDOW
        return None


def onset(audio: bytes, format: AudioFormat) -> float:
    """Seconds of quiet before the first loud window; all of it where none is."""
    samples, size = to_samples(audio, format), round(WINDOW * format.rate)
    for start in range(0, len(samples) - size + 1, size):
        window = samples[start : start + size].astype(np.float32)
        if np.dot(window, window) > SPEECH_POWER * size:  # most begin at once: cheaper than the levels of all windows
            return start / format.rate
    return format.ms(audio) / 1000


def _positions(format: AudioFormat, audio: bytes) -> int:
    return len(audio) * POSITIONS // (format.rate * format.width)
