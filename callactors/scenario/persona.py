"""Personas: who an agent is, as Markdown for a model; and the instructions made of one for a call."""

from __future__ import annotations

from callactors.errors import ConfigError
from callactors.scenario.schema import Scenario

LONGEST = 32 * 1024  # characters


def persona(text: str, file: str) -> str:
    """The text of a persona file. Raises ConfigError when it is empty, too long or holds control characters."""
    if len(text) > LONGEST:
        raise ConfigError(file, 1, "", f"the persona is longer than {LONGEST // 1024} KiB", "models read it every turn")
    for number, line in enumerate(text.split("\n"), 1):
        if any((character < " " and character not in "\t\r") or character == "\x7f" for character in line):
            raise ConfigError(file, number, "", "control characters in a persona")
    if not text.strip():
        raise ConfigError(file, 1, "", "the persona is empty", "say who the agent is and how it works")
    return text.strip()


def instructions(text: str, scenario: Scenario, agent: str, language: str | None = None) -> str:
    """What the model is told for `agent`: the persona, then the rules every phone agent of the scenario has."""
    rules = [
        f"Speak {language or scenario.language}. This is a phone call: one or two short sentences at a time.",
        "Never invent facts: use the tools, and say so when something cannot be done.",
    ]
    if scenario.disclosure == "required":
        rules.append("You are an automated assistant; say so plainly whenever you are asked.")
    for name in scenario.agents[agent].handover:
        what = scenario.agents[name].description
        rules.append(f"Hand over to {name} with hand_over" + (f" for: {what}" if what else "."))
    return "\n".join([text, "", "# Rules of this call", *(f"- {rule}" for rule in rules)])
