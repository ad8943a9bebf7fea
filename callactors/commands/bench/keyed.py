"""A number keyed into speech: tone and quiet in cells of one packet, so that the ear at the other end knows who spoke.

A start cell (tone), 12 bits of the session's number, 4 of the utterance's count, one for even parity. It survives
G.711 and a resampler, and needs no clock but the packets' own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from callactors.audio.g711 import Samples, pcmu_decode

NUMBER_BITS, COUNT_BITS = 12, 4
CELLS = 1 + NUMBER_BITS + COUNT_BITS + 1
CELL = 0.02  # seconds
PITCH = 1_000  # Hz: whole periods in a cell, at every rate
LEVEL = 8_000
_LOUD = bytes(int(abs(int(sample)) > 2_000) for sample in pcmu_decode(bytes(range(256))))


def cells(number: int, count: int) -> list[bool]:
    """The cells of one utterance's beginning."""
    bits = [bool(number >> bit & 1) for bit in range(NUMBER_BITS)] + [
        bool(count >> bit & 1) for bit in range(COUNT_BITS)
    ]
    return [True, *bits, sum(bits) % 2 == 1]


def read(keyed: Sequence[bool]) -> tuple[int, int] | None:
    """Number and count; None where the start or the parity is wrong."""
    if len(keyed) != CELLS:
        return None
    start, *bits, parity = keyed
    if not start or parity != (sum(bits) % 2 == 1):
        return None
    number = sum(bit << place for place, bit in enumerate(bits[:NUMBER_BITS]))
    return number, sum(bit << place for place, bit in enumerate(bits[NUMBER_BITS:]))


def samples(keyed: Sequence[bool], rate: int) -> Samples:
    """The cells as sound."""
    size = round(CELL * rate)
    tone = np.sin(2 * np.pi * PITCH * np.arange(size) / rate) * LEVEL
    return np.concatenate([tone if cell else np.zeros(size) for cell in keyed]).astype(np.int16)


def loud(payload: bytes) -> bool:
    """Whether most of a PCMU packet is tone: a sine is above a quarter of its peak five sixths of the time."""
    return payload.translate(_LOUD).count(1) * 2 > len(payload)
