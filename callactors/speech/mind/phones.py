"""Phone numbers as people say and transcribers write them: digit words, `double five`, `oh`, groups of digits.

A number is seven digits or more. Fewer count only when one was asked for, and then as a piece: the caller pauses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from callactors.speech.mind.words import TENS, UNITS, Found

WHOLE = 7  # digits
LONGEST = 15  # digits, E.164
ZEROS = frozenset(("oh", "o"))
TIMES = {"double": 2, "triple": 3, "treble": 3}
BETWEEN = frozenset(("dash", "hyphen", "then", "and", "area", "code"))  # said inside a number, meaning nothing
HOMOPHONES = {"for": "4", "to": "2", "too": "2", "ate": "8", "won": "1"}  # only between digits


def find_phone(words: Sequence[str], least: int = WHOLE) -> Found[str] | None:
    """The longest run of digits if it has at least `least`; its value is digits, with `+` when said or written."""
    best: Found[str] | None = None
    at = 0
    while at < len(words):
        run = _run(words, at)
        if run is None:
            at += 1
            continue
        if best is None or len(run.value) > len(best.value):
            best = run
        at = run.end
    if best is None or not least <= len(best.value.lstrip("+")) <= LONGEST:
        return None
    return best


def _run(words: Sequence[str], start: int) -> Found[str] | None:
    digits, at, end = "", start, start
    if words[at] == "plus":
        digits, at = "+", at + 1
    while at < len(words):
        piece, after = _piece(words, at, inside=bool(digits.strip("+")))
        if after == at:
            break
        at = after
        if piece:
            digits, end = digits + piece, after
    return Found(digits, start, end) if digits.strip("+") else None


def _piece(words: Sequence[str], at: int, inside: bool) -> tuple[str, int]:
    """The digits at `at` and where they end; (`""`, at) when the run is over."""
    word = words[at]
    if re.fullmatch(r"\+?\d+", word):
        return (word if not inside else word.lstrip("+")), at + 1
    if word in TIMES and at + 1 < len(words):
        digit, after = _piece(words, at + 1, inside)
        return (digit * TIMES[word], after) if len(digit) == 1 else ("", at)
    if word in TENS:
        unit = UNITS.get(words[at + 1], 0) if at + 1 < len(words) else 0
        return (str(TENS[word] + unit), at + 2) if 0 < unit < 10 else (str(TENS[word]), at + 1)
    if word in UNITS:
        return str(UNITS[word]), at + 1
    if word in ZEROS:
        return "0", at + 1
    if word == "hundred" and inside:
        return "00", at + 1
    if inside and word in BETWEEN:
        return "", at + 1
    if inside and word in HOMOPHONES and at + 1 < len(words) and _piece(words, at + 1, inside=False)[0]:
        return HOMOPHONES[word], at + 1
    return "", at
