"""What must hold of `numbers`: every line names a number, a trunk, a scenario and hours that exist, and is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callactors.config.config import Config
from callactors.config.problems import did_you_mean, quoted
from callactors.config.values import Unreadable, file_name
from callactors.config.values import name as read_name
from callactors.errors import ConfigError
from callactors.routing import number
from callactors.routing.number import Number

_EXACT = re.compile(r"\+?[0-9A-Za-z._-]{1,64}")
_SHOWN = 'as "+13125550100", "+13125550100-+13125550199", "+1312555xxxx" or "*"'


def entry(config: Config, index: int, line: Number) -> Iterator[ConfigError]:
    """Problems of one line; a line with a `file` may leave to it what its cells say."""
    path = f"numbers[{index}]"
    if line.file is not None:
        yield from _file(config, path, line)
    for word in () if line.file is not None else ("match", "trunk", "scenario"):
        if not getattr(line, word):
            yield config.marks.error(f"{path}.{word}", "is missing")
    if line.trunk and line.trunk not in config.trunks:
        remedy = did_you_mean(line.trunk, config.trunks)
        yield config.marks.error(f"{path}.trunk", f"there is no trunk {quoted(line.trunk)}", remedy)
    if line.match:
        yield from _match(config, f"{path}.match", line)
    if line.scenario:
        try:
            read_name(line.scenario)
        except Unreadable as error:
            yield config.marks.error(f"{path}.scenario", f"{quoted(line.scenario)} {error.problem}", error.remedy)
    yield from _when(config, f"{path}.when", line.when)


def _file(config: Config, path: str, line: Number) -> Iterator[ConfigError]:
    try:
        file_name(line.file or "")
    except Unreadable as error:
        yield config.marks.error(f"{path}.file", f"{quoted(line.file or '')} {error.problem}", error.remedy)
    if line.match:
        yield config.marks.error(f"{path}.match", "a line with a file has its numbers there", "leave it out")


def _match(config: Config, path: str, line: Number) -> Iterator[ConfigError]:
    trunk = config.trunks.get(line.trunk)
    if line.match == number.ANY:
        if trunk is not None and not trunk.is_loopback:
            remedy = "name the numbers; * is for trunks whose every `from` lies in 127.0.0.0/8 or is ::1"
            yield config.marks.error(path, '"*" would answer anything a carrier sends', remedy)
        return
    if trunk is not None and config.emergency_number(line.match, line.trunk) is not None:
        problem, remedy = f"{quoted(line.match)} is an emergency number: no scenario answers it", "leave it out"
        yield config.marks.error(path, problem, remedy)
        return
    if number.matcher(line.match) is None:
        if not _EXACT.fullmatch(number.plain(line.match)):
            yield config.marks.error(path, f"{quoted(line.match)} is not a number", _SHOWN)
        return
    many = number.width(line.match)
    if not many:
        remedy = "two numbers of the same length, the smaller one first"
        yield config.marks.error(path, f"{quoted(line.match)} is an empty range", remedy)
    elif many > number.WIDEST:
        remedy = f"name {number.WIDEST:,} numbers at most in one line"
        yield config.marks.error(path, f"{quoted(line.match)} would answer almost anything", remedy)


def _when(config: Config, path: str, when: str) -> Iterator[ConfigError]:
    name = when.removeprefix("not ").strip()
    if when != "always" and name not in config.hours:
        remedy = did_you_mean(name, [*config.hours, "always"])
        yield config.marks.error(path, f"there are no hours {quoted(name)}", remedy)


def hidden(config: Config) -> Iterator[ConfigError]:
    """Lines that an earlier one, holding at least as often, always answers for."""
    plan = config.plan()
    for index, line in enumerate(config.numbers):
        if not line.match or number.width(line.match) != 1:
            continue
        for first, other in plan.all(line.match, line.trunk) if line.match != number.ANY else _same(config, line):
            if first < index and other.when in ("always", line.when):
                yield config.marks.error(f"numbers[{index}]", f"is never reached: numbers[{first}] matches first", "")
                break


def _same(config: Config, line: Number) -> list[tuple[int, Number]]:
    lines = enumerate(config.numbers)
    return [(at, other) for at, other in lines if (other.match, other.trunk) == (line.match, line.trunk)]
