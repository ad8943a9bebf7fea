"""`check`: are this configuration and these scenarios fit to answer calls? One line a problem; editors can jump to it.

A file with a `scenario` key is a scenario; one with `trunks`, `numbers` or `models` is configuration. A scenario is
checked against the configuration given with it, else callactors.yaml of this folder, else the embedded default.
"""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import attrs
import typer

from callactors import config as configuration
from callactors import scenario as scenarios
from callactors.calls.rules import read_rules
from callactors.config import Config, ConfigErrors, NotAvailable, files, tree
from callactors.config.problems import Problems
from callactors.config.warnings import warn
from callactors.errors import ConfigError
from callactors.scenario.library import Library, read, shown
from callactors.tools.loading import load_tools

HERE = Path("callactors.yaml")
EMBEDDED = configuration.default().marks.file


@attrs.define
class Report:
    """What was looked at, everything found wrong with it, and what is only worth a warning."""

    looked_at: list[str] = attrs.Factory(list)
    problems: list[ConfigError] = attrs.Factory(list)
    warnings: list[ConfigError] = attrs.Factory(list)

    def note(self, error: ConfigError) -> None:
        """Takes an error apart; the same problem is reported once."""
        known = {str(problem) for problem in self.problems}
        found = error.problems if isinstance(error, ConfigErrors) else (error,)
        self.problems += [problem for problem in found if str(problem) not in known]

    def looked(self, name: str) -> None:
        if name not in self.looked_at:
            self.looked_at.append(name)


def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Configuration and scenario files.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    agents: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A folder of your own verticals.")
    ] = None,
) -> None:
    """Say what is wrong with configuration and scenarios, with file, line and remedy.

    Without files: callactors.yaml of this folder and its scenarios, or else the embedded default and every scenario.

    Example: python -m callactors check callactors.yaml scenarios/salon.yaml
    """
    missing = [file for file in files or () if not file.is_file()]
    for file in missing:
        typer.echo(f"{file}: there is no such file", err=True)
    if missing:
        raise typer.Exit(2)
    report = look(files or [], os.environ, agents)
    typer.echo(_as_json(report) if json else _as_lines(report))
    raise typer.Exit(1 if report.problems else 0)


def look(files: list[Path], environ: Mapping[str, str], agents: Path | None = None) -> Report:
    """Everything `check` does, without a terminal. Files must exist."""
    report = Report()
    kinds = [(file, _kind(file, report)) for file in files]
    config_files = [file for file, kind in kinds if kind == "configuration"]
    loaded = [config for file in config_files if (config := _config(file, environ, report)) is not None]
    against = loaded[0] if loaded else _surroundings(environ, report, alone=not files)
    if not files:
        library = Library.find(agents)
        _scenarios_of(against, library, report)
        for name in library.names() if against.marks.file == EMBEDDED else ():
            _named(name, library, against, report)
    for config in loaded:
        _scenarios_of(config, Library.find(agents), report)
    for file in (file for file, kind in kinds if kind == "scenario"):
        _scenario_file(file, Library.around(file, agents), against, report)
    return report


def _kind(file: Path, report: Report) -> str:
    """What the file is by its keys; "" after reporting that it is neither, or no YAML."""
    report.looked(shown(file))
    try:
        root = tree.read(read(file), Problems(shown(file)))
    except ConfigError as error:
        report.note(error)
        return ""
    keys = set(root.entries) if isinstance(root, tree.Table) else set()
    if "scenario" in keys:
        return "scenario"
    if keys & {"trunks", "numbers", "models"}:
        return "configuration"
    remedy = "a scenario has the key `scenario`, a configuration `trunks`, `numbers` or `models`"
    report.note(ConfigError(shown(file), 1, "", "is neither a configuration nor a scenario", remedy))
    return ""


def _config(file: Path, environ: Mapping[str, str], report: Report) -> Config | None:
    try:
        config = files.with_numbers(configuration.load(read(file), shown(file), environ), lambda path: read(Path(path)))
    except ConfigError as error:
        report.note(error)
        return None
    report.warnings += warn(config)
    _files_of(config, report)
    return config


def _files_of(config: Config, report: Report) -> None:
    """Files that are named and not there; a key may be on the machine that will run this, and not here."""
    for name in files.named(config):
        path = Path(files.beside(config, name.file))
        if not path.is_file():
            error = config.marks.error(name.path, f"there is no file {shown(path)}")
            if name.secret:
                report.warnings.append(error)
            else:
                report.note(error)
        elif not name.secret:
            try:
                _read_whole(config, name.path, path)
            except ConfigError as error:
                report.note(error)


def _read_whole(config: Config, named: str, path: Path) -> None:
    """A file that is there must be what it is named for. Raises ConfigError."""
    if named == "emergency.location":
        try:
            ElementTree.fromstring(read(path))
        except ElementTree.ParseError as error:
            raise ConfigError(
                shown(path), error.position[0], "", "is no XML", "a PIDF-LO is meant (RFC 6442)"
            ) from None
    elif named.startswith("outbound."):
        read_rules(config)


def _surroundings(environ: Mapping[str, str], report: Report, *, alone: bool) -> Config:
    """The configuration scenarios are checked against when none was given; its own problems count when alone."""
    if HERE.is_file():
        own = report if alone else Report()
        own.looked(shown(HERE))
        return _config(HERE, environ, own) or configuration.default()
    embedded = configuration.default()
    if alone:
        report.looked(embedded.marks.file)
    return embedded


def _scenarios_of(config: Config, library: Library, report: Report) -> None:
    """The scenarios the numbers of a configuration name."""
    done: set[str] = set()
    for index, entry in enumerate(config.numbers):
        if entry.scenario in done:
            continue
        done.add(entry.scenario)
        try:
            library.scenario_file(entry.scenario)
        except ConfigError as error:
            report.note(config.marks.error(f"numbers[{index}].scenario", error.problem, error.remedy))
        else:
            _named(entry.scenario, library, config, report)


def _named(name: str, library: Library, config: Config, report: Report) -> None:
    report.looked(shown(library.scenario_file(name)))
    try:
        scenario = library.scenario(name)
    except ConfigError as error:
        report.note(error)
    else:
        _whole(scenario, library, config, report)


def _scenario_file(file: Path, library: Library, config: Config, report: Report) -> None:
    try:
        scenario = scenarios.load(read(file), shown(file))
    except ConfigError as error:
        report.note(error)
    else:
        _whole(scenario, library, config, report)


def _whole(scenario: scenarios.Scenario, library: Library, config: Config, report: Report) -> None:
    """A loaded scenario with everything it names: tools, targets, models, personas, knowledge."""
    for error in _around(scenario, library, config):
        report.note(error)


def _around(scenario: scenarios.Scenario, library: Library, config: Config) -> Iterator[ConfigError]:
    try:
        tools = load_tools(library.agents(scenario.scenario), scenario.scenario)
    except ConfigError as error:
        yield error
        return
    yield from scenarios.check(scenario, config, tools)
    for agent in scenario.agents:
        try:
            library.persona(scenario, agent)
        except ConfigError as error:
            yield error
    try:
        library.knowledge(scenario)
    except ConfigError as error:
        yield error


def _as_lines(report: Report) -> str:
    wrong = {problem.file for problem in report.problems}
    fine = [f"{name}: fine" for name in report.looked_at if name not in wrong]
    doubts = [f"warning: {doubt}" for doubt in report.warnings]
    return "\n".join([*(str(problem) for problem in report.problems), *doubts, *fine])


def _as_json(report: Report) -> str:
    problems = [_fact(problem, "wrong") for problem in report.problems]
    doubts = [_fact(doubt, "warning") for doubt in report.warnings]
    whole = {"ok": not problems, "files": report.looked_at, "problems": problems, "warnings": doubts}
    return json_module.dumps(whole, ensure_ascii=False)


def _fact(problem: ConfigError, kind: str) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "path": problem.path,
        "problem": problem.problem,
        "remedy": problem.remedy,
        "kind": "not_available" if isinstance(problem, NotAvailable) else kind,
    }
