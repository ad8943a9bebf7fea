"""What a person hears, as numbers: where speech is in a channel, and how long the other side took to answer.

- Pure functions on int16 samples; positions are samples, times are milliseconds.
- Speech is judged in windows of 10 ms by level alone, so the same words give the same edges on a wire and on tape.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from callactors.audio.g711 import Samples
from callactors.audio.levels import SPEECH, dbfs, strength

RATE = 8000
WINDOW = 80  # samples: 10 ms
PAUSE = 0.7  # seconds of quiet that end a stretch of speech


@attrs.frozen
class Stretch:
    """Speech from sample `start` to sample `end` (exclusive)."""

    start: int
    end: int


@attrs.frozen
class Response:
    """One answer: the asker's last loud sample, the answerer's first, and the time between."""

    asked: int
    answered: int

    @property
    def ms(self) -> int:
        return round((self.answered - self.asked) * 1000 / RATE)


def loud(samples: Samples) -> bool:
    """Whether any window of a piece is speech."""
    return bool(_loud_windows(samples).size)


def last_loud(samples: Samples) -> int:
    """The end of the last window of speech; 0 when there is none."""
    windows = _loud_windows(samples)
    return min(int(windows[-1] + 1) * WINDOW, len(samples)) if windows.size else 0


def first_loud(samples: Samples) -> int | None:
    """The beginning of the first window of speech."""
    windows = _loud_windows(samples)
    return int(windows[0]) * WINDOW if windows.size else None


def hears(samples: Samples, pitch: float) -> bool:
    """Whether any 100 ms of it are mostly a tone of that pitch (Hz)."""
    step = RATE // 10
    return any(
        strength(samples[at : at + step], pitch) > 0.5 for at in range(0, max(1, len(samples) - step), step // 2)
    )


def stretches(samples: Samples, pause: float = PAUSE) -> list[Stretch]:
    """Every stretch of speech; pauses shorter than `pause` seconds belong to it."""
    found: list[Stretch] = []
    for window in _loud_windows(samples).tolist():
        start, end = window * WINDOW, min((window + 1) * WINDOW, len(samples))
        if found and start - found[-1].end < pause * RATE:
            found[-1] = Stretch(found[-1].start, end)
        else:
            found.append(Stretch(start, end))
    return found


def responses(asker: Samples, answerer: Samples, pause: float = PAUSE) -> list[Response]:
    """Of a recording's two channels: each end of the asker's speech, and the answer that follows before they go on."""
    asked = stretches(asker, pause)
    answers = _loud_windows(answerer) * WINDOW
    found: list[Response] = []
    for number, stretch in enumerate(asked):
        until = asked[number + 1].start if number + 1 < len(asked) else len(answerer)
        within = answers[(answers >= stretch.end) & (answers < until)]
        if within.size:
            found.append(Response(stretch.end, int(within[0])))
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` (0 to 1) of all values do not exceed, by nearest rank; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, int(np.ceil(share * len(ordered))) - 1))]


def _loud_windows(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The numbers of the windows that are speech."""
    if not np.any(np.abs(samples.astype(np.int32)) > 32):  # the usual: idle, or u-law's idle noise
        return np.zeros(0, dtype=np.int64)
    numbers = [n for n in range(-(-len(samples) // WINDOW)) if dbfs(samples[n * WINDOW : (n + 1) * WINDOW]) > SPEECH]
    return np.array(numbers, dtype=np.int64)
