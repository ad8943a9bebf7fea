"""Words: what a transcriber wrote, made even, so that the finders beside this file can read it.

`tokens` is the one normal form: lower case, no punctuation but `:` and `/` between digits and a leading `+`;
`p.m.` is `pm`, `3.30` is `3:30`, `o'clock` is `oclock`, `555-0142` is two tokens. Pure, bounded by MOST characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, TypeVar

import attrs


def listed(text: str) -> list[str]:
    """The words of a table written as text."""
    return text.split()


MOST = 600  # characters of one utterance that are read

UNITS = {
    word: value
    for value, word in enumerate(
        listed(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
            "seventeen eighteen nineteen"
        )
    )
}
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80}
TENS["ninety"] = 90
ORDINALS = {
    word: value
    for value, word in enumerate(
        listed(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
            "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        start=1,
    )
} | {"thirtieth": 30}

STOPWORDS = frozenset(
    listed(
        "a an the i i'd i'm i'll i've we you it it's is are am was be been do does did can could would will shall "
        "should have has had get got to of in on at for with from by and or but so if then that this these those "
        "there here my your our me us please like want need wanna gonna just um uh er ah oh well okay ok yes yeah "
        "hi hey hello good let's see some any one what which how when where who why about up out go make "
        "made next what's how's where's there's that's don't not very really also too as them they he she his her "
        "its"
    )
)

_T = TypeVar("_T")


@attrs.frozen
class Found(Generic[_T]):
    """A value read from tokens[start:end]."""

    value: _T
    start: int
    end: int


def tokens(text: str) -> list[str]:
    """The utterance in its one normal form."""
    even = text[:MOST].lower().replace("\u2019", "'").replace("\u2018", "'")
    even = re.sub(r"\b([ap])\.?\s?m\b\.?", r" \1m ", even)
    even = re.sub(r"\bo'?\s?clock\b", " oclock ", even)
    even = re.sub(r"\b(\d{1,2})[.](\d\d)\b(?![.\d-])", r"\1:\2", even)
    return re.findall(
        r"\+?\d+(?:[:/]\d+)*(?:st|nd|rd|th)?|[a-z]+(?:'[a-z]+)*", re.sub(r"(\d)(am|pm)\b", r"\1 \2", even)
    )


def cardinal(words: Sequence[str], at: int) -> Found[int] | None:
    """A whole number below 100 spoken or written at `at`: `7`, `seven`, `twenty five`."""
    if at >= len(words):
        return None
    word = words[at]
    if word.isascii() and word.isdigit() and len(word) <= 2:
        return Found(int(word), at, at + 1)
    if word in UNITS:
        return Found(UNITS[word], at, at + 1)
    if word in TENS:
        unit = UNITS.get(words[at + 1], 0) if at + 1 < len(words) else 0
        return Found(TENS[word] + unit, at, at + 2) if 0 < unit < 10 else Found(TENS[word], at, at + 1)
    return None


def ordinal(words: Sequence[str], at: int) -> Found[int] | None:
    """`5th`, `fifth`, `twenty first` at `at`."""
    if at >= len(words):
        return None
    word = words[at]
    if re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)", word):
        return Found(int(word[:-2]), at, at + 1)
    if word in ORDINALS:
        return Found(ORDINALS[word], at, at + 1)
    if word in TENS and at + 1 < len(words) and ORDINALS.get(words[at + 1], 99) < 10:
        return Found(TENS[word] + ORDINALS[words[at + 1]], at, at + 2)
    return None


def distance(one: str, other: str) -> int:
    """Levenshtein's edit distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def near(one: str, other: str) -> float:
    """How alike two words are, 0 to 1."""
    longest = max(len(one), len(other))
    return 1.0 - distance(one, other) / longest if longest else 0.0


def misheard(word: str, names: Sequence[str]) -> str | None:
    """The one of `names` this word is, one letter of a long word allowed to be wrong."""
    if word in names:
        return word
    if len(word) < 6:
        return None
    return next((name for name in names if abs(len(name) - len(word)) <= 1 and distance(word, name) == 1), None)


def holds(words: Sequence[str], phrase: str) -> bool:
    """Whether the phrase stands in the words, as whole words."""
    return f" {phrase} " in f" {' '.join(words)} "
