"""Two sides of a call laid beside each other: left and right, int16, one scale of places. No file, no clock.

- Places are samples of the reel's own rate. Gaps are silence; what comes for a place already taken is cut off.
- `mute` spans are silence on both sides, also over what was laid before, as long as it has not been taken.
- Another format than the reel's is resampled piece by piece; a piece's length may waver by SNAP samples, closed here.
"""

from __future__ import annotations

import attrs
import numpy as np

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import LAWS, Samples
from callactors.audio.linear import to_samples

SIDES = 2
WIDTH = 2 * SIDES  # bytes of one sample of both sides
SNAP = 4  # samples
LINEAR = {format.rate: format for format in AudioFormat if format not in LAWS}


@attrs.define(eq=False)
class Side:
    """One side: samples from `base` on."""

    base: int = 0
    held: bytearray = attrs.field(factory=bytearray)

    @property
    def end(self) -> int:
        return self.base + len(self.held) // 2

    def lay(self, place: int, samples: Samples) -> None:
        """Put samples where they belong; what would fall before `base` is cut off."""
        late = max(0, self.base - place)
        samples, place = samples[late:], place + late
        if place > self.end:
            self.held.extend(bytes(2 * (place - self.end)))
        at = 2 * (place - self.base)
        self.held[at : at + 2 * len(samples)] = samples.astype("<i2", copy=False).tobytes()

    def take(self, until: int) -> Samples:
        """Remove and return everything before `until`, padded with silence."""
        count = until - self.base
        self.held.extend(bytes(max(0, 2 * count - len(self.held))))
        taken = np.frombuffer(bytes(self.held[: 2 * count]), dtype="<i2")
        del self.held[: 2 * count]
        self.base = until
        return taken.astype(np.int16, copy=False)


class Reel:
    """`lay` pieces of either side (0 left, 1 right) wherever they belong, `take` what can no longer change."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._sides = tuple(Side() for _ in range(SIDES))
        self._converters: dict[int, Converter] = {}
        self._ends = [0] * SIDES  # where the last resampled piece of each side ended

    @property
    def end(self) -> int:
        """The place behind the last sample of either side."""
        return max(side.end for side in self._sides)

    @property
    def taken(self) -> int:
        """Everything before this place has been taken."""
        return self._sides[0].base

    def lay(self, side: int, place: int, audio: bytes, format: AudioFormat) -> None:
        """A piece of one side."""
        if format.rate != self.rate:
            samples, place = self._resampled(side, place, audio, format)
        else:
            samples = to_samples(audio, format)
        self._sides[side].lay(place, samples)

    def _resampled(self, side: int, place: int, audio: bytes, format: AudioFormat) -> tuple[Samples, int]:
        converter = self._converters.get(side)
        goes_on = abs(place - self._ends[side]) <= SNAP
        if converter is None or converter.source is not format or not goes_on:
            converter = self._converters[side] = Converter(format, LINEAR[self.rate])
        elif goes_on:
            place = self._ends[side]
        samples = np.frombuffer(converter.feed(audio), "<i2")
        self._ends[side] = place + len(samples)
        return samples, place

    def take(self, until: int, muted: tuple[tuple[int, int], ...] = ()) -> bytes:
        """Interleaved samples of everything before `until`; `muted` are places from, and up to, which it is silent."""
        begin = self.taken
        both = np.stack([side.take(until) for side in self._sides], axis=1)
        for first, last in muted:
            both[max(0, first - begin) : max(0, last - begin)] = 0
        return both.astype("<i2", copy=False).tobytes()

    def skip(self, until: int) -> None:
        """Leave out what nobody has laid: everything before `end` must have been taken."""
        for side in self._sides:
            side.base = until
