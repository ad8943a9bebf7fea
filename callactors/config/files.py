"""The files a configuration names, beside callactors.yaml: which there are, and the numbers that stand in a CSV.

- This row opens no file: `read` is given, takes a path and returns text or raises ConfigError.
- A CSV of `numbers` has a head (number, trunk, scenario, language, when); a cell left empty is what the line with
  `file` says. Every problem names the CSV's own line.
"""

from __future__ import annotations

import csv
import os.path
import re
from collections.abc import Callable, Iterator

import attrs
import msgspec

from callactors.config import numbers
from callactors.config.config import Config, replace
from callactors.config.problems import MOST, ConfigErrors, Marks, did_you_mean, quoted
from callactors.errors import ConfigError
from callactors.routing.number import Number

Read = Callable[[str], str]
COLUMNS = ("number", "trunk", "scenario", "language", "when")
_PLACE = re.compile(r"numbers\[([0-9]+)\](.*)", re.DOTALL)


@attrs.frozen
class Named:
    """A file the configuration names: `path` says where it does, `secret` that it is a key or certificate."""

    path: str
    file: str
    secret: bool


def beside(config: Config, name: str) -> str:
    """The path of a file that is named relative to callactors.yaml."""
    return os.path.join(os.path.dirname(config.marks.file), name)


def named(config: Config) -> Iterator[Named]:
    """Every file that must be there when calls are taken."""
    for index, line in enumerate(config.numbers):
        if line.file is not None:
            yield Named(f"numbers[{index}].file", line.file, False)
    for path, name in (
        ("emergency.location", config.emergency.location if config.emergency else None),
        ("outbound.consent", config.outbound.consent),
        ("outbound.do_not_call", config.outbound.do_not_call),
    ):
        if name is not None:
            yield Named(path, name, False)
    yield from _keys(config)


def _keys(config: Config) -> Iterator[Named]:
    places: list[tuple[str, object, tuple[str, ...]]] = []
    places += [(f"listen.sip[{i}]", listener, ("cert", "key", "ca")) for i, listener in enumerate(config.listen.sip)]
    places += [(f"trunks.{name}.tls", trunk.tls, ("ca", "cert", "key")) for name, trunk in config.trunks.items()]
    places += [(f"trunks.{name}.identity", trunk.identity, ("key", "anchors")) for name, trunk in config.trunks.items()]
    places += [(f"models.{name}", model, ("ca",)) for name, model in config.models.items()]
    for path, section, words in places:
        for word in words:
            file = getattr(section, word, None)
            if file is not None:
                yield Named(f"{path}.{word}", file, True)


def with_numbers(config: Config, read: Read) -> Config:
    """The configuration with every line of `numbers` that names a file replaced by that file's. Raises ConfigErrors."""
    if all(line.file is None for line in config.numbers):
        return config
    found: list[Number] = []
    lines = {path: line for path, line in config.marks.lines.items() if not path.startswith("numbers[")}
    elsewhere: dict[str, tuple[str, int]] = {}
    problems: list[ConfigError] = []
    for index, line in enumerate(config.numbers):
        if line.file is None:
            lines |= _moved(config.marks, index, len(found))
            found.append(line)
            continue
        try:
            for row, place in imported(config, line, read):
                elsewhere[f"numbers[{len(found)}]"] = place
                found.append(row)
        except ConfigErrors as errors:
            problems += errors.problems
    if problems:
        raise ConfigErrors(problems[:MOST])
    return replace(config, numbers=tuple(found), marks=Marks(config.marks.file, lines, elsewhere))


def _moved(marks: Marks, old: int, new: int) -> dict[str, int]:
    """Where line `old` of `numbers` stands, under its new place."""
    matches = ((_PLACE.fullmatch(path), line) for path, line in marks.lines.items() if path.startswith("numbers["))
    return {f"numbers[{new}]{match[2]}": line for match, line in matches if match and int(match[1]) == old}


def imported(config: Config, line: Number, read: Read) -> list[tuple[Number, tuple[str, int]]]:
    """The numbers of one file, each with where it stands. Raises ConfigErrors with the file's own lines."""
    file = beside(config, line.file or "")
    rows: list[Number] = []
    marks: dict[str, int] = {}
    reader = csv.reader(read(file).splitlines())
    head = [cell.strip().lower() for cell in next(reader, [])]
    _headed(head, file)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            marks[f"numbers[{len(rows)}]"] = reader.line_num
            _fits(cells, head, file, reader.line_num)
            rows.append(_row(line, dict(zip(head, (cell.strip() for cell in cells), strict=False))))
    alone = replace(config, numbers=tuple(rows), marks=Marks(file, marks))
    found = [problem for index, row in enumerate(rows) for problem in numbers.entry(alone, index, row)]
    found += numbers.hidden(alone)
    if found:
        raise ConfigErrors([_of_csv(problem, marks) for problem in found[:MOST]])
    return [(row, (file, marks[f"numbers[{index}]"])) for index, row in enumerate(rows)]


def _headed(head: list[str], file: str) -> None:
    for word in head:
        if word not in COLUMNS:
            problem = f"there is no column {quoted(word)}"
            raise ConfigErrors([ConfigError(file, 1, "", problem, did_you_mean(word, COLUMNS))])
    if "number" not in head:
        remedy = f"the first line names the columns: {','.join(COLUMNS)}"
        raise ConfigErrors([ConfigError(file, 1, "", "there is no column number", remedy)])


def _fits(cells: list[str], head: list[str], file: str, line: int) -> None:
    if any(cells[len(head) :]):
        problem = f"has {len(cells)} cells under {len(head)} columns"
        raise ConfigErrors([ConfigError(file, line, "", problem, f"the columns are {','.join(head)}")])


def _row(line: Number, cells: dict[str, str]) -> Number:
    given = {word: cell for word, cell in cells.items() if cell and word != "number"}
    return msgspec.structs.replace(line, file=None, match=cells.get("number", ""), **given)


def _of_csv(error: ConfigError, marks: dict[str, int]) -> ConfigError:
    """In the CSV's own words: its columns, and its lines where another is spoken of."""
    path = re.sub(r"^numbers\[[0-9]+\]\.?", "", error.path).replace("match", "number")
    problem = re.sub(r"numbers\[[0-9]+\]", lambda place: f"line {marks[place[0]]}", error.problem)
    return ConfigError(error.file, error.line, path, problem, error.remedy)
