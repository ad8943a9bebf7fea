"""A scenario from text. It knows no environment: `${NAME}` is plain text here, secrets belong to callactors.yaml."""

from __future__ import annotations

from itertools import islice

from callactors.config import tree
from callactors.config.build import Builder
from callactors.config.problems import MOST, ConfigErrors, Marks, Problems
from callactors.scenario import checks
from callactors.scenario.schema import Scenario, ScenarioFile


def load(text: str, file: str) -> Scenario:
    """A Scenario from the text of scenarios/<vertical>.yaml; `file` is what messages call it.

    Raises ConfigErrors (a ConfigError) with every problem that can be found in one pass.
    """
    problems = Problems(file)
    builder = Builder(problems)
    built = builder.struct(tree.read(text, problems), ScenarioFile)
    problems.raise_any()
    assert built is not None  # the builder reports whenever it returns None
    fields = {name: getattr(built, name) for name in built.__struct_fields__}
    scenario = Scenario(**fields, marks=Marks(file, builder.lines))
    if found := list(islice(checks.within(scenario), MOST)):
        raise ConfigErrors(found)
    return scenario
