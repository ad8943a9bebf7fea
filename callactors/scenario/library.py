"""The one place of this folder that opens files: scenarios, personas and knowledge, found by locate.places().

Blocking, for start-up and commands: nothing here is called during a call.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from callactors.config.problems import did_you_mean, quoted
from callactors.errors import ConfigError
from callactors.scenario.loader import load
from callactors.scenario.locate import Place, beside, places
from callactors.scenario.persona import persona
from callactors.scenario.schema import Scenario

LARGEST = 1024 * 1024  # bytes of one file


def read(path: Path) -> str:
    """The text of a file of ours (UTF-8). Raises ConfigError when it cannot be read or is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(str(path), 1, "", f"cannot be read: {error.strerror or error}") from None
    if len(data) > LARGEST:
        raise ConfigError(str(path), 1, "", f"is larger than {LARGEST // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(str(path), line, "", "is not UTF-8 text") from None


@attrs.frozen
class Library:
    """Everything that can be found by name. `Library.find(agents)` is how to get one."""

    places: tuple[Place, ...]

    @classmethod
    def find(cls, agents: Path | None = None) -> Library:
        """The shipped library, with the user's own (`--agents DIR`) in front of it."""
        return cls(places(agents))

    @classmethod
    def around(cls, file: Path, agents: Path | None = None) -> Library:
        """As `find`, with the folders beside a scenario file in front."""
        return cls((beside(file), *places(agents)))

    def names(self) -> list[str]:
        """Every scenario there is a file for."""
        folders = [place.scenarios for place in self.places if place.scenarios.is_dir()]
        return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})

    def scenario_file(self, name: str) -> Path:
        """The file of a scenario. Raises ConfigError."""
        for place in self.places:
            if place.scenario(name).is_file():
                return place.scenario(name)
        remedy = did_you_mean(name, self.names()) or f"{name}.yaml is looked for in scenarios/, beside agents/"
        raise ConfigError(str(self.places[0].scenarios), 1, "", f"there is no scenario {quoted(name)}", remedy)

    def scenario(self, name: str) -> Scenario:
        """A scenario by name, its file's `scenario` being the same. Raises ConfigError."""
        path = self.scenario_file(name)
        scenario = load(read(path), shown(path))
        if scenario.scenario != name:
            raise scenario.marks.error("scenario", f"{quoted(scenario.scenario)} in a file called {path.name}")
        return scenario

    def agents(self, vertical: str) -> Path:
        """The agents folder that has this vertical: what tools.load_tools takes. Raises ConfigError."""
        for place in self.places:
            if place.vertical(vertical).is_dir():
                return place.agents
        raise ConfigError(str(self.places[0].agents), 1, "", f"there is no folder {quoted(vertical)}", "")

    def persona(self, scenario: Scenario, agent: str) -> str:
        """The persona of one agent. Raises ConfigError at the scenario's line when the file is not there."""
        file = scenario.agents[agent].persona
        path = self.agents(scenario.scenario) / scenario.scenario / file
        if not path.is_file():
            raise scenario.marks.error(f"agents.{agent}.persona", f"there is no file {path}")
        return persona(read(path), shown(path))

    def knowledge(self, scenario: Scenario) -> list[Path]:
        """The files of `knowledge`, in order. Raises ConfigError at the scenario's line."""
        folder = self.agents(scenario.scenario) / scenario.scenario
        found: list[Path] = []
        for index, file in enumerate(scenario.knowledge):
            path = next((path for path in (folder / "knowledge" / file, folder / file) if path.is_file()), None)
            if path is None:
                raise scenario.marks.error(f"knowledge[{index}]", f"there is no file {folder / 'knowledge' / file}")
            found.append(path)
        return found


def shown(path: Path) -> str:
    """A path as messages show it: relative to where we are when it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
