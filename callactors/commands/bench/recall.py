"""How many of the words that were said were heard, and how sure that is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from random import Random

import attrs

_WORD = re.compile(r"[a-z0-9']+")
_RESAMPLES = 2_000


@attrs.frozen
class Heard:
    """One utterance: how many words it has, and how many of them were heard without and with a rough network."""

    said: str
    words: int
    clean: int
    rough: int


@attrs.frozen
class Recall:
    """Shares of all words (0 to 1); `relative` is rough to clean, `low` and `high` its 95 % bootstrap interval."""

    clean: float
    rough: float
    relative: float
    low: float
    high: float


def matched(said: str, heard: str) -> int:
    """How many words of `said` are in `heard`, each as often as it is there."""
    return sum((Counter(_WORD.findall(said.lower())) & Counter(_WORD.findall(heard.lower()))).values())


def count(said: str) -> int:
    return len(_WORD.findall(said.lower()))


def recall(heard: Sequence[Heard], random: Random) -> Recall:
    """Of at least one utterance. The interval is of utterances drawn anew, with replacement."""
    drawn = sorted(_relative(random.choices(heard, k=len(heard))) for _ in range(_RESAMPLES))
    words = sum(one.words for one in heard)
    return Recall(
        clean=sum(one.clean for one in heard) / words,
        rough=sum(one.rough for one in heard) / words,
        relative=_relative(heard),
        low=drawn[round(0.025 * (_RESAMPLES - 1))],
        high=drawn[round(0.975 * (_RESAMPLES - 1))],
    )


def _relative(heard: Sequence[Heard]) -> float:
    return sum(one.rough for one in heard) / max(1, sum(one.clean for one in heard))
