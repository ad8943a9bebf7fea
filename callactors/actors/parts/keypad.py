"""A far end's keys on one leg, whatever way they come, and what is heard while they are pressed. Rules of this file:

- A key pressed once is told once, though it comes by several ways (telephone event, INFO, tone): the first is it.
- While `private` the caller's audio is silence to everybody behind the leg: what is typed has tones, and people say it
  as they type. It keeps its length, so that nobody's clock stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from callactors.actors.messages import CallerAudio
from callactors.actors.parts.inband_digits import InbandDigits
from callactors.audio.levels import dbfs
from callactors.audio.linear import to_samples

DigitWay = Literal["event", "info", "tone"]

TWIN = 1.0  # seconds between the ways of one key
LOUD = -38.0  # dBFS: somebody speaks
SPOKEN = 5  # batches in a row


class _Told(NamedTuple):
    """A key, when it came first, and by which ways it has come."""

    digit: str
    at: float
    ways: set[DigitWay]


class Keypad:
    """One leg's keys. `private`: what is typed and said is nobody's business."""

    def __init__(self) -> None:
        self.private = False
        self._told: list[_Told] = []
        self._tones: InbandDigits | None = None
        self._loud = 0

    def pressed(self, digit: str, way: DigitWay, now: float) -> bool:
        """A key came by this way; whether it is a key of its own."""
        self._told = [told for told in self._told if now - told.at <= TWIN]
        twin = next((told for told in self._told if told.digit == digit and way not in told.ways), None)
        if twin is not None:
            twin.ways.add(way)
            return False
        self._told.append(_Told(digit, now, {way}))
        return True

    def hear(self, batch: CallerAudio, *, tones: bool) -> tuple[CallerAudio, Sequence[str]]:
        """The batch as those behind the leg may have it, and the keys in it: where they come as `tones`."""
        if not (tones or self.private or self._tones):
            self._loud = 0
            return batch, ()
        digits: list[str] = []
        if tones and self._tones is None:
            self._tones = InbandDigits()
        if self._tones is not None:
            batch, heard = self._tones.hear(batch)
            digits = [digit for digit in heard if self.pressed(digit, "tone", batch.at)]
        if not self.private:
            self._loud = 0
            return batch, digits
        self._loud = self._loud + 1 if dbfs(to_samples(batch.audio, batch.format)) > LOUD else 0
        return msgspec.structs.replace(batch, audio=batch.format.silence * len(batch.audio)), digits

    def murmured(self) -> bool:
        """Whether somebody has spoken in private since this was asked last."""
        spoke = self._loud >= SPOKEN
        if spoke:
            self._loud = 0
        return spoke
