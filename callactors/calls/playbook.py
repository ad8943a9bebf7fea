"""A scenario made ready for calls: personas read, tools loaded, targets looked up. Built once, shared by all its calls.

A specialist is instructions and tools; handing over swaps both by session.update. The model sees names of targets,
never what they dial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from callactors.config.schema import RecordingMode
from callactors.routing.trunk import Target
from callactors.scenario.persona import instructions
from callactors.scenario.schema import Scenario
from callactors.tools.desk import Desk
from callactors.tools.generated import ANSWER, NAMED, answer_question, generated, what_they_do, with_examples
from callactors.tools.tool import Tool

NUMBER = re.compile(r"\+?[0-9*#() .-]{1,40}")  # a From header may say anything, and a model obeys what it reads

ASKED = (
    "The caller was asked whether this call may be recorded. As soon as they have said yes or no, call record_call "
    "with it, and carry on; do not press them, and do not ask again after a no."
)


@attrs.frozen
class Specialist:
    """One agent of the scenario, as a model session takes it."""

    name: str
    instructions: str
    tools: Mapping[str, Tool]

    def schemas(self) -> list[dict[str, Any]]:
        """The tools for session.update."""
        return [tool.schema() for tool in self.tools.values()]


@attrs.frozen
class Playbook:
    """Everything a call of one scenario needs that does not change from call to call."""

    scenario: Scenario
    personas: Mapping[str, str]
    tools: Mapping[str, Tool]
    targets: Mapping[str, Target]
    make_desk: Callable[[str], Desk]
    topics: str = ""
    now: Callable[[], datetime] = datetime.now
    placed: bool = False  # we call them, not they us
    recording: RecordingMode = "off"  # what scenario and configuration allow

    @property
    def runnable(self) -> Mapping[str, Tool]:
        """Every tool a function stands behind; which specialist may ask for which is the conductor's to check."""
        return {**self.tools, ANSWER: answer_question(self.topics)}

    def specialist(self, name: str, caller: str, language: str | None = None) -> Specialist:
        """The named agent for this caller."""
        agent = self.scenario.agents[name]
        examples = self.scenario.examples
        known = {**NAMED, **self.tools}
        own = {tool: with_examples(known[tool], examples.get(tool, ())) for tool in agent.tools}
        made = generated(
            specialists={other: self._work(other) for other in agent.handover},
            targets=list(self.targets),
            knowledge=bool(self.scenario.knowledge),
            topics=self.topics,
            recording=self.recording,
        )
        return Specialist(name, self._instructions(name, caller, language), own | made)

    def _work(self, name: str) -> str:
        return self.scenario.agents[name].description or what_they_do(self.personas[name])

    def _instructions(self, name: str, caller: str, language: str | None) -> str:
        today = f"{self.now():Today is %A, %d %B %Y; it is %H:%M.}"
        number = f"The caller's number is {caller}." if NUMBER.fullmatch(caller) else "The caller shows no number."
        if self.placed:
            number = f"You have called this person, at {caller}; they did not call you."
        asked = f" {ASKED}" if self.recording == "consent" else ""
        return f"{instructions(self.personas[name], self.scenario, name, language)}\n\n{today} {number}{asked}"
