"""Names as people give them: my name is Dana Reyes, it's Dana, for Dana, or just Dana when a name was asked for.

Names are what transcribers get wrong most: every name is read back before it is written anywhere.
"""

from __future__ import annotations

import re

from callactors.speech.mind.dates import MONTHS, WEEKDAYS
from callactors.speech.mind.words import MOST, STOPWORDS, TENS, UNITS, listed

STRONG = re.compile(
    r"\b(?:my (?:full |first )?name is|my name'?s|(?:the |her |his )?name is|name'?s|under the name(?: of)?|"
    r"the name of|i am called|call me|(?<!think )this is)\s+",
    re.IGNORECASE,
)
WEAK = re.compile(r"\b(?:it is|it'?s|i'm|i am|for|under|that'?s|to)\s+", re.IGNORECASE)
LEAD = re.compile(
    r"^(?:(?:yes|yeah|sure|okay|ok|um|uh|er|well|hi|hello|of course|certainly|please|so|oh|no|sorry|actually|"
    r"it is|it'?s|i'm|i am|that'?s|that is|for|under|name|the)\b[\s,.!-]*)+",
    re.IGNORECASE,
)
NO_NAME = (
    STOPWORDS
    | frozenset(WEEKDAYS)
    | frozenset(MONTHS)
    | frozenset(UNITS)
    | frozenset(TENS)
    | frozenset(
        listed(
            "no nope right correct fine great perfect sure thanks thank today tomorrow tonight morning afternoon "
            "evening noon number phone name calling speaking looking sorry cancel book booking appointment help now "
            "later wrong maybe nothing everything something anything all both not bye goodbye human person operator "
            "agent pm am oclock time day week"
        )
    )
) - {"may", "june", "april", "august"}
MOST_WORDS = 3


def find_name(text: str, expected: bool = False) -> str | None:
    """The name given, in capitals as names are written. `expected`: a name was asked for."""
    text = text[:MOST].replace("\u2019", "'")
    for match in STRONG.finditer(text):
        name = _name_at(text[match.end() :], capital=False)
        if name:
            return name
    for match in WEAK.finditer(text):
        name = _name_at(text[match.end() :], capital=not expected)
        if name:
            return name
    return _bare(text) if expected else None


def _bare(text: str) -> str | None:
    """A short answer that is nothing but a name."""
    rest = LEAD.sub("", text.strip())
    if len(re.findall(r"[^\W\d_]+", rest)) > MOST_WORDS + 2:
        return None
    return _name_at(rest, capital=False)


def _name_at(text: str, capital: bool) -> str | None:
    """Up to three words of a name at the beginning; `capital`: only those written with one."""
    letters = re.match(r"\s*((?:[A-Za-z][\s.-]+){2,}[A-Za-z])\b(?!')", text)
    if letters:  # spelled: D-A-N-A
        return "".join(re.findall(r"[A-Za-z]", letters[1])).capitalize()
    found: list[str] = []
    for match in re.finditer(r"([^\W\d_][\w'-]*)([\s,.!?;]*)", text):
        word, after = match.groups()
        if word.lower() in NO_NAME or (capital and not word[0].isupper()):
            break
        found.append(word if word[0].isupper() else word.capitalize())
        if re.search(r"[,.!?;]", after) or len(found) == MOST_WORDS:
            break
    starts = re.match(r"\s*[^\W\d_]", text)
    name = " ".join(found).removesuffix("'s").strip("'-")
    return name if starts and len(name) > 1 else None
