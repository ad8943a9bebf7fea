"""What is wrong with a file of ours: collected in one pass, then raised at once.

- A problem is a ConfigError: file, line, path, what is wrong, what was meant.
- A value that is known but not built yet is a NotAvailable: a ConfigError one can tell apart.
- Hostile files cost bounded memory: what is quoted is cut short, and the list of problems ends at MOST.
"""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterable, Mapping

import attrs

from callactors.errors import ConfigError

MOST = 100  # problems reported of one file
QUOTED = 60  # characters of a value or key shown in a message


class NotAvailable(ConfigError):
    """A value the schema knows and this version does not do."""


class ConfigErrors(ConfigError):
    """Everything that is wrong with a file, in the order of its lines: `problems`. `str()` is one line each."""

    def __init__(self, problems: Iterable[ConfigError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        first = self.problems[0]
        super().__init__(first.file, first.line, first.path, first.problem, first.remedy)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@attrs.frozen
class Marks:
    """Where each path of a file stands, so that later checks can name the line too."""

    file: str = ""
    lines: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    elsewhere: Mapping[str, tuple[str, int]] = attrs.field(factory=dict, repr=False)  # what stands in another file

    def line(self, path: str) -> int:
        """The line of `path`, or of the nearest thing around it that was written."""
        return self._place(path)[1]

    def _place(self, path: str) -> tuple[str, int]:
        while path and path not in self.lines and path not in self.elsewhere:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.elsewhere.get(path) or (self.file, self.lines.get(path, 1))

    def error(self, path: str, problem: str, remedy: str = "") -> ConfigError:
        return ConfigError(*self._place(path), path, problem, remedy)

    def not_available(self, path: str, value: str, remedy: str) -> NotAvailable:
        """The contract's words for a value that is not built yet; `remedy` says what to write instead."""
        shown = f"{quoted(value)} is" if value else "is"
        return NotAvailable(self.file, self.line(path), path, f"{shown} not available in this version", remedy)


class Problems:
    """Collects; nothing is raised until everything was looked at."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[ConfigError] = []

    def add(self, line: int, path: str, problem: str, remedy: str = "") -> None:
        if not self.full:
            self.found.append(ConfigError(self.file, line, path, problem, remedy))

    @property
    def full(self) -> bool:
        """No more are kept: looking for them can end."""
        return len(self.found) >= MOST

    def raise_any(self) -> None:
        if self.found:
            raise ConfigErrors(self.found)


def quoted(value: str) -> str:
    """A value as a message shows it: in double quotes, on one line, cut short."""
    cut = value if len(value) <= QUOTED else value[:QUOTED] + "..."
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy: the known word nearest to `word`, or the list of them."""
    names = sorted(itertools.islice(known, MOST))
    same = [name for name in names if name.lower() == word.lower()]
    near = same or difflib.get_close_matches(word[:QUOTED], names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(names[:20])}" if names else ""


def below(path: str, key: str) -> str:
    """The path of `key` inside `path`."""
    word = key if len(key) <= QUOTED and key.isprintable() else quoted(key)
    return f"{path}.{word}" if path else word
