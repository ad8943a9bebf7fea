"""What becomes of utterances in the play-out queue."""

from __future__ import annotations

import attrs


@attrs.frozen
class Heard:
    """An utterance, and how many milliseconds of it left as RTP. `utterance` is None when nothing sounds."""

    utterance: str | None
    ms: int


@attrs.frozen
class Began:
    """The frame just taken is the first of this utterance."""

    utterance: str


@attrs.frozen
class Finished:
    """The last frame of an ended utterance was taken."""

    utterance: str
    ms: int
