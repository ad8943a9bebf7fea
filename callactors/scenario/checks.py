"""What must hold inside a scenario (`within`), and between it, the configuration and the tools (`check`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice

from callactors.config.config import Config
from callactors.config.problems import MOST, did_you_mean, quoted
from callactors.config.schema import RecordingMode
from callactors.errors import ConfigError
from callactors.scenario.schema import Scenario, read_silence

# what a scenario has unasked
GENERATED = ("hand_over", "transfer_to_human", "answer_question", "end_call", "record_call")
NAMED = ("collect_digits",)  # generated too, for the agents that name it
MEEK_TO_BOLD: tuple[RecordingMode, ...] = ("off", "on_demand", "consent", "always")
_DISCLOSES = {
    "en": r"automat|virtual|artificial|\bAI\b|robot|computer|digital assistant",
    "de": r"automat|virtuell|künstlich|\bKI\b|digital",
    "fr": r"automati|virtuel|artificiel|\bIA\b|robot",
    "es": r"autom[aá]ti|virtual|artificial|\bIA\b|robot",
}


def within(scenario: Scenario) -> Iterator[ConfigError]:
    """Problems of the file alone."""
    if not scenario.languages:
        yield scenario.marks.error("languages", "is empty", 'as languages: {en: {greeting: "..."}}')
    yield from _agents(scenario)
    yield from _disclosure(scenario)
    yield from _silence(scenario)
    yield from _keys(scenario)
    yield from _conversations(scenario)


def check(scenario: Scenario, config: Config, tools: Collection[str]) -> list[ConfigError]:
    """Problems between a scenario, the configuration it runs under and the tools of its vertical, all of them.

    `tools` are the names agents/<scenario>/tools.py defines; the generated ones need not be among them.
    """
    parts = _tools(scenario, tools), _targets(scenario, config), _models(scenario, config), _policy(scenario, config)
    return list(islice(chain(*parts), MOST))


def recording_mode(scenario: Scenario, config: Config) -> RecordingMode:
    """The meeker of what the scenario and the configuration say."""
    wish = scenario.policies.recording or config.recording.mode
    return min(wish, config.recording.mode, key=MEEK_TO_BOLD.index)


def models_of(scenario: Scenario, config: Config) -> tuple[str, ...]:
    """The names of the models to try, in order."""
    return tuple(scenario.model) or tuple(config.models)


def _agents(scenario: Scenario) -> Iterator[ConfigError]:
    if scenario.start not in scenario.agents:
        yield _no_such(scenario, "start", "agent", scenario.start, scenario.agents)
        return
    for name, agent in scenario.agents.items():
        for index, other in enumerate(agent.handover):
            path = f"agents.{name}.handover[{index}]"
            if other == name:
                yield scenario.marks.error(path, "an agent cannot hand over to itself", "leave it out")
            elif other not in scenario.agents:
                yield _no_such(scenario, path, "agent", other, scenario.agents)
        for index, tool in enumerate(agent.tools):
            if tool in GENERATED:
                problem, remedy = f"{quoted(tool)} is there without being named", "leave it out"
                yield scenario.marks.error(f"agents.{name}.tools[{index}]", problem, remedy)
    for name in sorted(set(scenario.agents) - _reached(scenario)):
        remedy = "name it in somebody's handover, or leave it out"
        yield scenario.marks.error(f"agents.{name}", f"nobody reaches it from {scenario.start}", remedy)


def _reached(scenario: Scenario) -> set[str]:
    reached: set[str] = set()
    waiting: list[str] = [scenario.start]
    while waiting:
        name = waiting.pop()
        if name in scenario.agents and name not in reached:
            reached.add(name)
            waiting.extend(scenario.agents[name].handover)
    return reached


def _disclosure(scenario: Scenario) -> Iterator[ConfigError]:
    if scenario.disclosure != "required":
        return
    for name, language in scenario.languages.items():
        words = _DISCLOSES.get(name.partition("-")[0])
        if words and not re.search(words, language.greeting, re.IGNORECASE):
            remedy = 'say it, as "this is an automated assistant", or write disclosure: none'
            problem = "does not tell the caller that a machine answers"
            yield scenario.marks.error(f"languages.{name}.greeting", problem, remedy)


def _silence(scenario: Scenario) -> Iterator[ConfigError]:
    written = scenario.policies.silence
    if written is None:
        return
    try:
        then = read_silence(written).then if written else None
    except ValueError as error:  # Unreadable is one
        yield scenario.marks.error("policies.silence", str(error), "as [8, 8, handoff]")
        return
    if then == "handoff" and not scenario.handoff.targets:
        yield scenario.marks.error("policies.silence", "leads to a handoff without targets", "add handoff.targets")


def _keys(scenario: Scenario) -> Iterator[ConfigError]:
    """Whoever presses for a person is not asked whether they meant a recording."""
    key = scenario.policies.record_on_digit
    if key is not None and key == scenario.handoff.on_digit and scenario.handoff.targets:
        problem = f"{quoted(key)} leads to a person already, by handoff.on_digit"
        yield scenario.marks.error("policies.record_on_digit", problem, "name another key")


def _conversations(scenario: Scenario) -> Iterator[ConfigError]:
    used = {str(tool) for agent in scenario.agents.values() for tool in agent.tools} | set(GENERATED)
    for word in scenario.examples:
        if word not in used:
            yield _no_such(scenario, f"examples.{word}", "tool", word, used)
    for index, talk in enumerate(scenario.conversations):
        path = f"conversations[{index}]"
        for step, request in enumerate(talk.expect.tools):
            for word in request:
                if word not in used:
                    yield _no_such(scenario, f"{path}.expect.tools[{step}].{word}", "tool", word, used)
        if talk.language is not None and talk.language not in scenario.languages:
            yield _no_such(scenario, f"{path}.language", "language", talk.language, scenario.languages)
        if talk.expect.handoff is not None and talk.expect.handoff not in scenario.handoff.targets:
            path = f"{path}.expect.handoff"
            yield _no_such(scenario, path, "handoff target", talk.expect.handoff, scenario.handoff.targets)


def _tools(scenario: Scenario, tools: Collection[str]) -> Iterator[ConfigError]:
    for name, agent in scenario.agents.items():
        for index, tool in enumerate(agent.tools):
            if tool not in (*tools, *NAMED):
                yield _no_such(scenario, f"agents.{name}.tools[{index}]", "tool", tool, (*tools, *NAMED))


def _targets(scenario: Scenario, config: Config) -> Iterator[ConfigError]:
    for index, target in enumerate(scenario.handoff.targets):
        if target not in config.directory:
            where = f"name of `directory` in {config.marks.file or 'the configuration'}:"
            yield _no_such(scenario, f"handoff.targets[{index}]", where, target, config.directory)
    yield from _dialled(scenario, config)
    if scenario.handoff.on_digit is not None and not scenario.handoff.targets:
        yield scenario.marks.error("handoff.on_digit", "leads to nobody", "add handoff.targets")


def _dialled(scenario: Scenario, config: Config) -> Iterator[ConfigError]:
    """A way in which we dial the person ourselves needs a trunk that we can call."""
    kind = next((f"[{i}]: {kind}" for i, kind in enumerate(scenario.handoff.tries) if kind != "blind"), None)
    for target in scenario.handoff.targets if kind is not None else ():
        entry = config.directory.get(target)
        trunk = config.trunks.get(entry.trunk) if entry is not None and entry.trunk is not None else None
        if entry is not None and trunk is not None and not trunk.to:
            place, _, word = (kind or "").partition(": ")
            problem = f"{word} dials {target} ourselves, and trunks.{entry.trunk} has no address to call"
            yield scenario.marks.error(f"handoff.tries{place}", problem, f"give trunks.{entry.trunk} a `to`")


def _models(scenario: Scenario, config: Config) -> Iterator[ConfigError]:
    for index, model in enumerate(scenario.model):
        if model not in config.models:
            yield _no_such(scenario, f"model[{index}]", "model", model, config.models)


def _policy(scenario: Scenario, config: Config) -> Iterator[ConfigError]:
    wish = scenario.policies.recording
    if wish is not None and recording_mode(scenario, config) != wish:
        problem = f"{quoted(wish)} is more than the configuration's recording.mode, {config.recording.mode}"
        yield scenario.marks.error("policies.recording", problem, "a scenario may only narrow it")
    for index, entry in enumerate(config.numbers):
        if entry.scenario == scenario.scenario and entry.language not in (None, *scenario.languages):
            remedy = did_you_mean(str(entry.language), scenario.languages)
            problem = f"{scenario.scenario} does not speak {quoted(str(entry.language))}"
            yield config.marks.error(f"numbers[{index}].language", problem, remedy)


def _no_such(scenario: Scenario, path: str, what: str, name: str, known: Iterable[str]) -> ConfigError:
    return scenario.marks.error(path, f"there is no {what} {quoted(name)}", did_you_mean(name, known))
