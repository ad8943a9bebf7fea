"""Text in the pieces it is spoken in: sentences, the first one short so that the caller hears something soon. Pure."""

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
    """`text` cut at the ends of sentences, and its first sentence after its first clause when it is long.

    Joined with a space they are `text` again, spaces apart.
    """
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text.strip()) if sentence.strip()]
    found = [part for sentence in sentences for part in textwrap.wrap(sentence, _LONGEST)]
    if not found or len(found[0]) <= _LONG:
        return found
    clause = _CLAUSE.match(found[0])
    if clause is None:
        return found
    return [clause.group().strip(), found[0][clause.end() :], *found[1:]]
