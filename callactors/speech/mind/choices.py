"""One of several: an enum's value in an utterance, forgiving what a transcriber does to it.

`hair cut` is haircut, `cut` is haircut when no other choice ends so, `color` is colour, `hi lights` is highlights.
Two choices that fit equally well are none: the caller is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from callactors.speech.mind.words import STOPWORDS, Found, near

ALIKE = 0.75  # of letters, below which a word is another word
SHORTEST = 3  # letters of a part that may stand for the whole


def find_choice(words: Sequence[str], values: Sequence[str]) -> Found[str] | None:
    """The one choice the words name best, or None when none or two do."""
    best: list[tuple[float, Found[str]]] = []
    for value in values:
        fit = _fit(words, value)
        if fit:
            best.append(fit)
    if not best:
        return None
    best.sort(key=lambda scored: -scored[0])
    if len(best) > 1 and best[0][0] - best[1][0] < 0.01:
        return None
    return best[0][1]


def spoken(value: str) -> str:
    """A choice as it is said: `beard_trim` -> `beard trim`."""
    return value.replace("_", " ").replace("-", " ")


def _fit(words: Sequence[str], value: str) -> tuple[float, Found[str]] | None:
    """The best window of one to four words for this choice, with how well it fits (at most 1 and a bit)."""
    parts = spoken(value).lower().split()
    whole = "".join(parts)
    best: tuple[float, Found[str]] | None = None
    for start in range(len(words)):
        for end in range(start + 1, min(start + 4, len(words)) + 1):
            score = _score("".join(words[start:end]), words[start:end], parts, whole)
            if score and (best is None or score > best[0]):
                best = (score, Found(value, start, end))
    return best


def _score(said: str, window: Sequence[str], parts: Sequence[str], whole: str) -> float:
    if said == whole or said == whole + "s":
        return 1.0 + len(parts) / 100  # the longer of two exact choices
    if len(window) == 1:
        word = window[0]
        if word in STOPWORDS or len(word) < SHORTEST:
            return 0.0
        if word in parts or word.removesuffix("s") in parts:
            return 0.9
        if len(whole) > len(word) and (whole.endswith(word) or whole.startswith(word)):
            return 0.85
    alike = near(said, whole)
    return alike * 0.95 if len(whole) >= 5 and alike >= ALIKE else 0.0
