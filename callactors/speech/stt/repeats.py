"""Whisper's loops: on a short utterance the decoder may say it again and again until its budget ends. Pure.

Three words or more, said again at once, are said once; so is a tail that breaks off in the middle of them. Digits are
left alone: a telephone number may well repeat itself.
"""

from __future__ import annotations

import re

SHORTEST = 3  # words
_NOT_A_LETTER = re.compile(r"[^\w']+")


def without_repeats(text: str) -> str:
    """`text` with a phrase that ends it, and was said again and again, said once."""
    words = text.split()
    bare = [_NOT_A_LETTER.sub("", word).lower() for word in words]
    for length in range(SHORTEST, len(words) // 2 + 1):
        for start in range(len(words) - 2 * length + 1):
            phrase = bare[start : start + length]
            if _loops(bare[start + length :], phrase) and not any(map(str.isdigit, "".join(phrase))):
                return " ".join(words[: start + length])
    return text


def _loops(rest: list[str], phrase: list[str]) -> bool:
    """Whether `rest` is the phrase again at least once, to the end, where it may break off."""
    if len(rest) < len(phrase):
        return False
    return all(word == phrase[at % len(phrase)] for at, word in enumerate(rest))
