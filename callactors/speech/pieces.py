"""Text in the pieces it is spoken in: sentences, short ones first, so that something sounds soon and goes on. Pure."""

from __future__ import annotations

import re
import textwrap

_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bSt\.)(?<!\b[ap]\.m\.)\s+"
)
_LONGEST = 300  # characters of one synthesis: a barge-in waits for the one in hand
_LONG = 60  # characters; a longer first sentence begins with its first clause
_CLAUSE = re.compile(r"^.{12,60}?[,;:]\s+(?=.{16})")


def pieces(text: str) -> list[str]:
    """`text` cut at the ends of sentences, and a long one after its first clause where nothing long sounds before it.

    Joined with a space they are `text` again, spaces apart.
    """
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text.strip()) if sentence.strip()]
    found: list[str] = []
    for part in (part for sentence in sentences for part in textwrap.wrap(sentence, _LONGEST)):
        clause = _CLAUSE.match(part) if len(part) > _LONG and len("".join(found[-1:])) <= _LONG // 2 else None
        found += [part] if clause is None else [clause.group().strip(), part[clause.end() :]]
    return found
