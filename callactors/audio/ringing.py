"""What a phone sounds like to the caller while it rings: one period of each country's tone (ITU-T E.180)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from callactors.audio.g711 import Samples
from callactors.audio.tone import silence, sine

LEVEL = -16.0  # dBFS of each frequency
Cadence = tuple[tuple[float, ...], tuple[int, ...]]  # frequencies in Hz; milliseconds on, off, on, off ...

ETSI: Cadence = ((425,), (1000, 4000))
_BRITISH = (400, 200, 400, 2000)
TONES: dict[str, Cadence] = {
    "US": ((440, 480), (2000, 4000)),
    "CA": ((440, 480), (2000, 4000)),
    "PR": ((440, 480), (2000, 4000)),
    "GB": ((400, 450), _BRITISH),
    "IE": ((400, 450), _BRITISH),
    "NZ": ((400, 450), _BRITISH),
    "AU": ((413, 438), _BRITISH),
    "IN": ((400, 425), _BRITISH),
    "FR": ((440,), (1500, 3500)),
    "ES": ((425,), (1500, 3000)),
    "BE": ((425,), (1000, 3000)),
    "AT": ((420,), (1000, 5000)),
    "SE": ((425,), (1000, 5000)),
    "IL": ((400,), (1000, 3000)),
    "JP": ((384, 416), (1000, 2000)),
}


@lru_cache(maxsize=32)
def ringing(country: str | None) -> Samples:
    """One period at 8 kHz, to be repeated; a country that is not listed rings as most do. Not to be written to."""
    frequencies, cadence = TONES.get(country or "", ETSI)
    parts = [
        silence(ms) if index % 2 else np.sum([sine(pitch, ms, level=LEVEL) for pitch in frequencies], axis=0)
        for index, ms in enumerate(cadence)
    ]
    return np.concatenate(parts).astype(np.int16)
