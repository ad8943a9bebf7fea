"""Where scenarios, personas and knowledge lie: path arithmetic alone, nothing is opened here (library.py does).

A wheel carries agents/ and scenarios/ inside the package; a checkout, editable or not, has them beside it. They are
never looked up in site-packages by name: an editable install leaves a stale copy there.
"""

from __future__ import annotations

from pathlib import Path

import attrs

PACKAGE = Path(__file__).parent.parent


@attrs.frozen
class Place:
    """A folder of verticals and the folder of their scenarios."""

    agents: Path
    scenarios: Path

    def scenario(self, name: str) -> Path:
        return self.scenarios / f"{name}.yaml"

    def vertical(self, name: str) -> Path:
        return self.agents / name


def places(agents: Path | None = None, package: Path = PACKAGE) -> tuple[Place, ...]:
    """Where to look, in order: `--agents DIR` (scenarios beside it), in the package (wheel), beside it (checkout)."""
    roots = (package, package.parent)
    shipped = tuple(Place(root / "agents", root / "scenarios") for root in roots)
    return shipped if agents is None else (Place(agents, agents.absolute().parent / "scenarios"), *shipped)


def beside(file: Path) -> Place:
    """The place a scenario file given by its path belongs to: DIR/scenarios/x.yaml has DIR/agents."""
    scenarios = file.absolute().parent
    return Place(scenarios.parent / "agents", scenarios)
