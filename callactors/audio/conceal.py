"""What stands in for lost audio, as in ITU-T G.711 Appendix I: the last pitch period, over and over, fainter.

- The first WHOLE of a gap keep their level, then it falls to nothing at GONE. Nothing is held back for it: where the
  appendix delays everything to smooth the first edge, the step is taken out by a slope laid over the first samples.
- What comes after the gap fades in over what would have been said next, so no edge clicks.
- `Concealer` is one gap, in linear int16 samples; `Mended` a whole stream, in the bytes of any format. A clean stream
  costs an append here.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.linear import to_bytes, to_samples

HISTORY = 0.048  # seconds it looks at
SHORTEST, LONGEST = 0.005, 0.015  # seconds of a pitch period: 66 to 200 Hz
WHOLE, GONE = 0.010, 0.060  # seconds
EDGE = 0.005  # seconds that what comes after fades in for
KEPT = 6  # pieces of 10 ms or more

Floats = npt.NDArray[np.float64]


class Mended:
    """A stream in one format: tell it what is heard, in order, and ask it for what is missing."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._heard: deque[bytes] = deque(maxlen=KEPT)
        self._gap: Concealer | None = None

    def heard(self, audio: bytes) -> bytes:
        """The next piece; what follows a gap comes back with its edge smoothed."""
        if self._gap is not None:
            audio = to_bytes(self._gap.resume(to_samples(audio, self._format)), self._format)
            self._gap = None
        self._heard.append(audio)
        return audio

    def missing(self, size: int) -> bytes:
        """So many bytes of a gap."""
        if self._gap is None:
            history = to_samples(b"".join(self._heard), self._format)
            self._gap = Concealer(history, self._format.rate)
        if self._gap.gone:
            return self._format.silence * size
        made = to_bytes(self._gap.conceal(size // self._format.width), self._format)
        self._heard.append(made)
        return made

    @property
    def gone(self) -> bool:
        """Whether a gap lasts so long that nothing is left to say."""
        return not self._heard or (self._gap is not None and self._gap.gone)


class Concealer:
    """One gap: made from what was heard before it, asked for its audio, and for the edge behind it."""

    def __init__(self, history: Samples, rate: int = 8_000) -> None:
        self._rate, self._at = rate, 0
        self._period, self._step = _period(history[-round(HISTORY * rate) :].astype(np.float64), rate)

    def conceal(self, count: int) -> Samples:
        """The next `count` samples of the gap."""
        made = self._next(count)
        self._at += count
        return np.rint(made).astype(np.int16)

    @property
    def gone(self) -> bool:
        """Whether nothing but silence is left of it."""
        return self._at >= GONE * self._rate

    def resume(self, samples: Samples) -> Samples:
        """The first samples after the gap, faded in over what would have been concealed next."""
        count = min(len(samples), round(EDGE * self._rate))
        rising = (np.arange(count) + 0.5) / max(count, 1)
        edge = self._next(count) * (1 - rising) + samples[:count] * rising
        return np.concatenate([np.rint(edge).astype(np.int16), samples[count:]])

    def _next(self, count: int) -> Floats:
        at = np.arange(self._at, self._at + count)
        made = self._period[at % len(self._period)] * self._level(at)
        slope = np.clip(1 - at / (EDGE * self._rate), 0, 1)
        return np.clip(made + self._step * slope, -32768, 32767)

    def _level(self, at: npt.NDArray[np.int64]) -> Floats:
        whole, gone = WHOLE * self._rate, GONE * self._rate
        return np.clip((gone - at) / (gone - whole), 0, 1)


def _period(history: Floats, rate: int) -> tuple[Floats, float]:
    """One pitch period whose end runs on into its beginning, and the step from the last sample heard to it."""
    lag = _lag(history, rate)
    if not lag:
        return np.zeros(1), float(history[-1]) if len(history) else 0.0
    period = history[-lag:].copy()
    seam = min(lag // 4, len(history) - lag)
    rising = (np.arange(seam) + 0.5) / max(seam, 1)
    step = float(history[-1] - history[-lag - 1])
    period[lag - seam :] = period[lag - seam :] * (1 - rising) + history[len(history) - lag - seam : -lag] * rising
    return period, step


def _lag(history: Floats, rate: int) -> int:
    """Samples after which the end of the history repeats itself best; 0 when there is too little of it."""
    shortest = round(SHORTEST * rate)
    longest = min(round(LONGEST * rate), len(history) - shortest - 1)
    if longest < shortest or not history.any():
        return 0
    window = min(len(history) - longest - 1, round(0.020 * rate))
    recent = history[-window:]
    pieces = np.lib.stride_tricks.sliding_window_view(history, window)
    lags = np.arange(shortest, longest + 1)
    earlier = pieces[len(history) - window - lags]
    likeness = earlier @ recent / np.sqrt(np.einsum("ij,ij->i", earlier, earlier) + 1.0)
    return int(lags[int(np.argmax(likeness))])
