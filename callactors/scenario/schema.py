"""The shape of scenarios/<vertical>.yaml. One struct per mapping of the file; all are frozen. Times are seconds.

A scenario names things (tools, targets, models); what they dial, run or cost is in callactors.yaml, never here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import attrs
import msgspec

from callactors.config.problems import Marks
from callactors.config.schema import RecordingMode
from callactors.config.section import Section
from callactors.config.values import FileName, Name, Seconds, seconds

Digit = Annotated[str, msgspec.Meta(pattern=r"^[0-9*#]$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=600)]
Outcome = Literal["none", "crm_created", "booking_captured", "handed_off"]
AfterSilence = Literal["handoff", "goodbye"]


class Phrases(Section, frozen=True, kw_only=True):
    """What we say ourselves, without the model; cached as audio, so that a dead model cannot silence them."""

    filler: Text = "One moment, please."  # a tool is slow
    holding: Text = "Please hold the line, I will be right with you."  # the model is being reopened
    transfer: Text = "I am putting you through to a colleague. One moment, please."
    briefing: Text = "Hello. A caller would like to speak with you. I am connecting you now."  # to the person
    back: Text = "I am sorry, nobody could take your call just now. You are back with me."
    still_there: Text = "Are you still there?"
    consent: Text = "May I record this call? Please say yes or no."  # with recording: consent
    keys_only: Text = "Please type it with the keys of your telephone. I cannot take it by voice."  # digits in private
    goodbye: Text = "Thank you for calling. Goodbye."
    cut_off: Text = "I am sorry, we were cut off. I am back with you."  # a call we placed had to be dialled again
    model_lost: Text = "I am sorry, I have a technical problem and cannot go on."
    busy: Text = "I am sorry, all lines are busy. Please call again in a few minutes."
    emergency: Text = (
        "This line cannot put you through to the emergency services. Hang up, and dial them from another phone now."
    )


class Language(Section, frozen=True, kw_only=True):
    greeting: Text
    phrases: Phrases | None = None  # None: the scenario's


class Agent(Section, frozen=True, kw_only=True):
    """A specialist: a persona file of agents/<scenario>/, its tools, and whom it may hand the conversation to."""

    persona: FileName
    tools: tuple[Name, ...] = ()
    handover: tuple[Name, ...] = ()
    description: str = ""


class Handoff(Section, frozen=True, kw_only=True):
    """To a human. `targets` are names of `directory`, the first is the one a digit or silence leads to."""

    targets: tuple[Name, ...] = ()
    tries: tuple[Literal["blind", "attended", "bridged"], ...] = ("blind",)
    on_digit: Digit | None = None


@attrs.frozen
class Silence:
    """How long to wait for a silent caller, once per prompt, and what comes then."""

    waits: tuple[float, ...]
    then: AfterSilence


class Policies(Section, frozen=True, kw_only=True):
    """`silence` is as written: seconds, then `handoff` or `goodbye`; `Scenario.silence` is what it means.

    `record_on_digit` is the key that begins and ends a recording on demand, or is the consent to one.
    """

    max_length: Seconds | None = None
    silence: tuple[str, ...] | None = None
    recording: RecordingMode | None = None
    record_on_digit: Digit | None = None


class Expect(Section, frozen=True, kw_only=True):
    """What a conversation must lead to: tool requests in order (with some of their arguments), outcome, words said."""

    tools: tuple[dict[str, Any], ...] = ()
    outcome: Outcome | None = None
    handoff: Name | None = None
    says: tuple[str, ...] = ()


class Conversation(Section, frozen=True, kw_only=True):
    """A test of the scenario: what a caller says, turn by turn, and what must come of it."""

    name: Text
    say: tuple[Text, ...]
    language: str | None = None
    expect: Expect = Expect()


class ScenarioFile(Section, frozen=True, kw_only=True):
    """scenarios/<vertical>.yaml."""

    version: Literal["1"]
    scenario: Name
    languages: dict[str, Language]
    disclosure: Literal["required", "none"] = "required"
    model: tuple[Name, ...] = ()  # empty: the order of the configuration's `models`
    agents: dict[str, Agent]
    start: Name
    handoff: Handoff = Handoff()
    policies: Policies = Policies()
    knowledge: tuple[FileName, ...] = ()
    phrases: Phrases = Phrases()
    examples: dict[str, tuple[str, ...]] = msgspec.field(
        default_factory=dict
    )  # tool -> what callers say when they want it
    conversations: tuple[Conversation, ...] = ()


class Scenario(ScenarioFile, frozen=True, kw_only=True):
    """A loaded scenario, and where its parts stand in the file."""

    marks: Marks = Marks()

    @property
    def language(self) -> str:
        """The first language: the one spoken when a number names none."""
        return next(iter(self.languages))

    def greeting(self, language: str | None = None) -> str:
        """What the caller hears first. Raises KeyError for a language that is not the scenario's."""
        return self.languages[language or self.language].greeting

    def phrases_for(self, language: str | None = None) -> Phrases:
        return self.languages[language or self.language].phrases or self.phrases

    @property
    def silence(self) -> Silence | None:
        """None: a silent caller is left alone."""
        written = self.policies.silence
        return read_silence(written) if written else None


def read_silence(written: tuple[str, ...]) -> Silence:
    """`[8, 8, handoff]`. Raises Unreadable for a wait that is no duration, ValueError for another last word."""
    *waits, last = written
    if not waits or last not in ("handoff", "goodbye"):
        raise ValueError("seconds, then handoff or goodbye, are meant, as [8, 8, handoff]")
    then: AfterSilence = "handoff" if last == "handoff" else "goodbye"
    return Silence(tuple(seconds(wait) for wait in waits), then)
