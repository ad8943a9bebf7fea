"""Row 1: scenarios/<vertical>.yaml: schema, checks, personas, and where they lie. `load(text, file)`, `check(...)`.

Only library.py opens files; the rest is values and path arithmetic.
"""

from callactors.scenario.checks import check, models_of, recording_mode
from callactors.scenario.library import Library
from callactors.scenario.loader import load
from callactors.scenario.persona import instructions
from callactors.scenario.schema import Agent, Phrases, Scenario

__all__ = ["Agent", "Library", "Phrases", "Scenario", "check", "instructions", "load", "models_of", "recording_mode"]
