"""Music on hold that owes nobody anything: broken chords, made here. One period, to be repeated."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from callactors.audio.g711 import Samples

RATE = 8000
NOTE = 400  # ms from one note to the next
LEVEL = 0.09  # of full scale: well under a voice
_FADE = 3.5  # how fast a note dies away, per second
_C, _D, _E, _F, _G, _A, _B = (-9, -7, -5, -4, -2, 0, 2)  # half-tones from A4
CHORDS = ((_C, _E, _G, _E), (_A - 12, _C, _E, _C), (_F - 12, _A - 12, _C, _A - 12), (_G - 12, _B - 12, _D, _B - 12))


@lru_cache(maxsize=1)
def melody() -> Samples:
    """int16 at 8 kHz, about six seconds that end where they begin. Not to be written to."""
    notes = [note for chord in CHORDS for note in chord]
    step = RATE * NOTE // 1000
    sound = np.zeros(len(notes) * step)
    for index, note in enumerate(notes):
        sound += np.roll(np.pad(_pluck(note, 3 * step), (0, len(sound) - 3 * step)), index * step)
    return np.asarray(np.rint(sound * LEVEL * 32767), dtype=np.int16)


def _pluck(note: int, samples: int) -> np.typing.NDArray[np.float64]:
    """A string: its tone and a softer octave, dying away; faded at both ends so that nothing clicks."""
    at = np.arange(samples) / RATE
    pitch = 440.0 * 2 ** (note / 12)
    sound = np.sin(2 * np.pi * pitch * at) + 0.3 * np.sin(4 * np.pi * pitch * at)
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) / 0.005)
    return np.asarray(sound * np.exp(-_FADE * at) * edge)
