"""What the agents may be asked: sections of Markdown files, found by BM25 (SQLite's FTS5).

- A section is a heading and the text under it, up to the next heading. Loading a house replaces what it had.
- A question is words, never FTS5 syntax: each is quoted. Blocking and thread-safe: tools call it through offload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
from sqlalchemy import MetaData, text

from callactors.stores.sql import Engines, open_engines

WORDS = 32  # of a question that are looked for
LONGEST = 4000  # characters of one passage
_HEADING = re.compile(r"#{1,6}[ \t]+(.+?)[ \t#]*")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a am an and any are at be by can could did do does for from had has have how i if in is it me my of on or our"
        " please s so t that the their there they this to us was we what when where which who will with would you your",
    )
)


@attrs.frozen
class Passage:
    """A section that may answer; a higher score is a better match."""

    title: str
    text: str
    score: float


class Knowledge:
    """`Knowledge("sqlite:///data/stores.db")`; needs a SQLite with FTS5, as Python's own has."""

    def __init__(self, url: str, house: str = "main") -> None:
        self._engines: Engines = open_engines(url, MetaData())
        self._house = house
        if not self._engines.sqlite:
            raise ValueError(f"knowledge is kept in SQLite for now; {url.partition(':')[0]} cannot hold it")
        with self._engines.writer.begin() as db:
            db.exec_driver_sql(
                "CREATE VIRTUAL TABLE IF NOT EXISTS knowledge"
                " USING fts5(house UNINDEXED, title, body, tokenize='porter unicode61 remove_diacritics 2')"
            )

    def close(self) -> None:
        self._engines.close()

    def load(self, files: Iterable[Path]) -> int:
        """Take the house's sections from these Markdown files; returns how many. Raises OSError, UnicodeDecodeError."""
        found = [section for file in files for section in sections(file.read_text("utf-8"), file.stem)]
        rows = [{"house": self._house, "title": title, "body": body[:LONGEST]} for title, body in found]
        with self._engines.writer.begin() as db:
            db.execute(text("DELETE FROM knowledge WHERE house = :house"), {"house": self._house})
            if rows:
                db.execute(text("INSERT INTO knowledge (house, title, body) VALUES (:house, :title, :body)"), rows)
        return len(rows)

    def search(self, question: str, k: int = 3) -> list[Passage]:
        """The best `k` sections, best first; none when nothing matches."""
        wanted = terms(question)
        if not wanted:
            return []
        query = text(
            "SELECT title, body, -bm25(knowledge, 0, 3, 1) AS score FROM knowledge"
            " WHERE knowledge MATCH :terms AND house = :house ORDER BY score DESC LIMIT :k"
        )
        match = {"terms": " OR ".join(f'"{word}"' for word in wanted), "house": self._house, "k": max(0, min(k, 50))}
        with self._engines.reader.connect() as db:
            return [Passage(*row) for row in db.execute(query, match)]


def terms(question: str) -> list[str]:
    """The words worth looking for: letters and digits only, so nothing in them can be FTS5 syntax."""
    words = list(dict.fromkeys(re.findall(r"[^\W_]+", question[:2000].casefold())))
    return ([word for word in words if word not in _COMMON] or words)[:WORDS]


def sections(markdown: str, name: str) -> Iterator[tuple[str, str]]:
    """(heading, text) pairs; text before the first heading goes under the file's name."""
    title, lines, fenced = name.replace("_", " ").replace("-", " "), list[str](), False
    for line in markdown.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else _HEADING.fullmatch(line.strip()[:300])
        if heading is None:
            lines.append(line)
            continue
        yield from _section(title, lines)
        title, lines = heading[1], []
    yield from _section(title, lines)


def _section(title: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    body = "\n".join(lines).strip()
    if body:
        yield title, body
