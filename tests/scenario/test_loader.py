"""A scenario from text: what loads, and how what does not is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors import config, scenario
from callactors.config import ConfigErrors
from callactors.errors import ConfigError
from callactors.scenario.schema import Scenario, Silence

SALON = """\
version: 1
scenario: salon
languages: {en: {greeting: "Shear Joy, this is an automated assistant."}}
agents:
  reception: {persona: reception.md, tools: [find_slot], handover: [booking]}
  booking: {persona: booking.md, tools: [book_slot], description: appointments}
start: reception
handoff: {targets: [front_desk], tries: [blind], on_digit: "0"}
policies: {max_length: 900, silence: [8, 8, handoff]}
conversations: [{name: books a cut, say: [I need a cut], expect: {tools: [{book_slot: {}}], outcome: booking_captured}}]
"""
TOOLS = ("find_slot", "book_slot")


def load(old: str = "", new: str = "") -> Scenario:
    assert old in SALON
    return scenario.load(SALON.replace(old, new, 1), "s.yaml")


def problem(old: str, new: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(old, new)
    (found,) = str(caught.value).splitlines()
    return found


def test_a_scenario_without_a_language_is_told() -> None:
    assert "languages: is empty" in problem(SALON.splitlines()[2], "languages: {}")


def against(old: str, new: str, more: str = "") -> list[str]:
    found = scenario.check(load(old, new), config.load(config.default_text() + more, "c.yaml", {}), TOOLS)
    return [str(error) for error in found]


def test_the_contracts_example_loads_and_fits_the_default() -> None:
    salon = load()
    assert (salon.start, salon.language, salon.handoff.on_digit) == ("reception", "en", "0")
    assert salon.silence == Silence((8.0, 8.0), "handoff")
    assert salon.greeting() == "Shear Joy, this is an automated assistant."
    assert scenario.check(salon, config.default(), TOOLS) == []


def test_phrases_have_defaults_and_a_language_may_have_its_own() -> None:
    salon = load("languages: {", "phrases: {goodbye: Bye}\nlanguages: {de: {greeting: KI, phrases: {goodbye: Ade}}, ")
    assert (salon.phrases_for("en").goodbye, salon.phrases_for("de").goodbye) == ("Bye", "Ade")
    assert salon.phrases.filler == "One moment, please."


def test_a_variable_is_plain_text_in_a_scenario() -> None:
    assert "${HOME}" in load("Shear Joy", "${HOME}").greeting()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "start: reception",
            "start: recepton",
            's.yaml:7: start: there is no agent "recepton"; did you mean reception?',
        ),
        ("[booking]", "[booking, boking]", 's.yaml:5: agents.reception.handover[1]: there is no agent "boking"'),
        ("[booking]", "[reception, booking]", "an agent cannot hand over to itself"),
        (", handover: [booking]", "", "s.yaml:6: agents.booking: nobody reaches it from reception"),
        ("[find_slot]", "[end_call]", '"end_call" is there without being named'),
        ("an automated assistant", "Mary", "s.yaml:3: languages.en.greeting: does not tell the caller that a machine"),
        ("[8, 8, handoff]", "[8, later]", "s.yaml:9: policies.silence: "),
        ("[8, 8, handoff]", "[soon, handoff]", "s.yaml:9: policies.silence: "),
        ("[{book_slot: {}}]", "[{book_slt: {}}]", "did you mean book_slot?"),
        ('on_digit: "0"', "on_digit: 10", "s.yaml:8: handoff.on_digit: "),
        ("silence: [8", 'record_on_digit: "0", silence: [8', 'policies.record_on_digit: "0" leads to a person'),
        ("persona: booking.md", "persona: ../../etc/passwd", "agents.booking.persona: "),
        ("targets: [front_desk], ", "", "policies.silence: leads to a handoff without targets"),
        ("say: [I need a cut]", "language: fr, say: [I need a cut]", "conversations[0].language: there is no language"),
        ("{tools: [", "{handoff: boss, tools: [", 'there is no handoff target "boss"; known here: front_desk'),
        ("start:", "examples: {book_slt: [a cut]}\nstart:", "examples.book_slt: there is no tool"),
        ("say: [I need a cut]", "say: I need a cut", "conversations[0].say: a list is meant, not a single value"),
        ("persona: booking.md", "persona: /etc/passwd", "agents.booking.persona: "),
        ("booking_captured", "booked", "conversations[0].expect.outcome: "),
        ("languages: {en: {greet", "languages: {}\nphrases: {en: {greet", "s.yaml:4: phrases.en: there is no such key"),
    ],
)
def test_each_mistake_is_told_with_line_path_and_remedy(old: str, new: str, told: str) -> None:
    assert told in problem(old, new)


def test_disclosure_may_be_waived_in_writing() -> None:
    assert load('an automated assistant."}}', 'Mary."}}\ndisclosure: none').disclosure == "none"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[front_desk]", "[front_dsk]", "s.yaml:8: handoff.targets[0]: there is no name of `directory`"),
        ("[blind]", "[blind, bridged]", "s.yaml:8: handoff.tries[1]: bridged dials front_desk ourselves, and trunks."),
        ("[find_slot]", "[find_slt]", 's.yaml:5: agents.reception.tools[0]: there is no tool "find_slt"; did you mean'),
        ("[find_slot]", "[colect_digits]", 's.yaml:5: agents.reception.tools[0]: there is no tool "colect_digits"; '),
        ("start:", "model: [ofline]\nstart:", 's.yaml:7: model[0]: there is no model "ofline"; did you mean offline?'),
    ],
)
def test_what_the_configuration_does_not_have_is_told(old: str, new: str, told: str) -> None:
    (found,) = against(old, new)
    assert found.startswith(told)


def test_a_digit_that_leads_to_nobody_is_told() -> None:
    nobody = SALON.replace("targets: [front_desk], ", "").replace(", silence: [8, 8, handoff]", "")
    (error,) = scenario.check(scenario.load(nobody, "s.yaml"), config.default(), TOOLS)
    assert str(error).startswith("s.yaml:8: handoff.on_digit: leads to nobody")


def test_a_silent_caller_is_left_alone_when_nothing_is_said_about_it() -> None:
    assert load(", silence: [8, 8, handoff]", "").silence is None


@pytest.mark.parametrize("written", ["off", '"off"'])
def test_a_scenario_that_says_off_is_not_recorded_whatever_the_configuration_says(written: str) -> None:
    meekest = load("max_length: 900", f"recording: {written}")
    assert meekest.policies.recording == "off"
    assert scenario.recording_mode(meekest, config.default()) == "off"


def test_a_scenario_may_only_narrow_the_recording() -> None:
    meeker = load("max_length: 900", "recording: consent")
    quiet = config.load(config.default_text().replace("mode: always", "mode: off"), "c.yaml", {})
    assert scenario.recording_mode(meeker, config.default()) == "consent"
    assert [error.path for error in scenario.check(meeker, quiet, TOOLS)] == ["policies.recording"]
    assert scenario.recording_mode(load(), quiet) == "off"


def test_a_number_may_only_ask_for_a_language_the_scenario_speaks() -> None:
    german = config.load(
        config.default_text().replace("scenario: salon", "scenario: salon, language: de"), "c.yaml", {}
    )
    (error,) = scenario.check(load(), german, TOOLS)
    assert (error.file, error.path) == ("c.yaml", "numbers[0].language")


def test_the_models_of_a_scenario_are_its_own_or_the_configurations() -> None:
    assert scenario.models_of(load(), config.default()) == ("offline",)


@given(st.integers(0, len(SALON)), st.integers(0, 40), st.text(max_size=8))
@settings(max_examples=80, deadline=1000)
def test_a_scenario_with_a_hole_in_it_loads_or_raises_a_config_error(at: int, gone: int, put: str) -> None:
    try:
        said = repr(scenario.load(SALON[:at] + put + SALON[at + gone :], "s.yaml"))
    except ConfigError as error:
        said = str(error)
    assert said.startswith(("s.yaml:", "Scenario("))
