"""Personas, and the instructions a model gets."""

from __future__ import annotations

import pytest

from callactors import scenario
from callactors.errors import ConfigError
from callactors.scenario.persona import LONGEST, persona

TWO = scenario.load(
    """
version: 1
scenario: s
languages: {en: {greeting: an automated assistant}}
agents: {a: {persona: a.md, handover: [b]}, b: {persona: b.md, description: bookings}}
start: a
""",
    "s.yaml",
)


def test_a_persona_is_its_text_without_blank_edges() -> None:
    assert persona("\n# Ann\nkind\n\n", "a.md") == "# Ann\nkind"


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "a.md:1: the persona is empty"), ("x" * (LONGEST + 1), "longer than"), ("a\n\x00", "a.md:2: control")],
)
def test_a_persona_that_is_no_use_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        persona(text, "a.md")


def test_the_instructions_name_language_disclosure_and_colleagues() -> None:
    told = scenario.instructions("You are Ann.", TWO, "a")
    assert told.startswith("You are Ann.")
    assert all(
        word in told for word in ("Speak en", "automated assistant", "Hand over to b with hand_over for: bookings")
    )
