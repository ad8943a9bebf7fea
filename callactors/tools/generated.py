"""The tools every scenario has without writing them: made of the scenario's own names.

hand_over, transfer_to_human and end_call are performed by the call (their `run` is None); answer_question is a search
of the scenario's knowledge and runs like any tool. collect_digits is performed by the call too, and is there for the
agents that name it; record_call where a recording waits for a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from callactors.config.schema import RecordingMode
from callactors.tools.desk import Desk
from callactors.tools.tool import Tool

HAND_OVER, TRANSFER, ANSWER, END = "hand_over", "transfer_to_human", "answer_question", "end_call"
COLLECT, RECORD = "collect_digits", "record_call"
NAMES = (HAND_OVER, TRANSFER, ANSWER, END, COLLECT, RECORD)
PURPOSES = ("card_number", "security_code", "expiry_date", "pin", "account_number", "other")


def hand_over(specialists: Mapping[str, str]) -> Tool:
    """Swap to another specialist of the same call: `specialists` is name -> what they do (see `what_they_do`)."""
    listed = " ".join(f"{name}: {what.rstrip('.')}." for name, what in specialists.items())
    return Tool(
        name=HAND_OVER,
        description="Hand the caller over to the colleague whose work this is. Say nothing before; they carry on.",
        parameters=_object(to=_choice(list(specialists), f"The colleague. {listed}")),
    )


def transfer_to_human(targets: Sequence[str]) -> Tool:
    """Transfer the phone call to a person: a name of the scenario's handoff targets, never a number."""
    return Tool(
        name=TRANSFER,
        description="Put the caller through to a person, when they ask for one or you cannot help. Tell them first.",
        parameters=_object(target=_choice(list(targets), "Whom to put them through to.")),
        time_limit=60.0,
    )


def answer_question(topics: str = "") -> Tool:
    """Look something up in the scenario's knowledge. `topics` names what is in there, for the model's choice."""
    about = f" It knows about: {topics}." if topics else ""
    return Tool(
        name=ANSWER,
        description="Look up the answer to a general question in the house's own notes." + about,
        parameters=_object(question={"type": "string", "description": "The caller's question, in their own words."}),
        run=_answer,
        wants_desk=True,
    )


def end_call() -> Tool:
    """Hang up, politely: after the goodbye was heard."""
    return Tool(
        name=END,
        description="End the phone call, after you both said goodbye.",
        parameters=_object(),
    )


def collect_digits() -> Tool:
    """Have the caller type what must not be said: the model gets a token for it, and never the digits."""
    number = {"type": "integer"}
    schema = _object(
        purpose=_choice(list(PURPOSES), "What is typed."),
        digits={**number, "description": "How many digits at most, 1 to 32: a card number has 16, or 15."},
        terminator=_choice(["#", "*", "none"], "The key that ends it early; # unless told otherwise."),
        timeout={**number, "description": "Seconds to wait for the next key, 5 to 60; 15 unless told otherwise."},
    )
    return Tool(
        name=COLLECT,
        description=(
            "Have the caller type a card number, code or PIN on the keys of their telephone, in private: while they "
            "type you hear nothing of them, and nothing is recorded. Ask them to type it, and to end with the hash "
            "key, in the same answer in which you call this; never have them say it. You get a token, which other "
            "tools take in place of the number. You never see the digits, and cannot read them back."
        ),
        parameters={**schema, "required": ["purpose", "digits"]},
        time_limit=180.0,
    )


def record_call(mode: RecordingMode) -> Tool:
    """Begin or end the recording: with mode consent by the caller's answer, with on_demand whenever it is needed."""
    asked = "Pass on the caller's answer to whether this call may be recorded: true only for a clear yes."
    needed = "Begin or end the recording of this call, when the caller wants that. Tell them first."
    return Tool(
        name=RECORD,
        description=(asked if mode == "consent" else needed)
        + " Callers say: yes, you may record this call; no, do not record this call",
        parameters=_object(on={"type": "boolean", "description": "Whether the call is to be recorded from now on."}),
    )


def generated(
    *,
    specialists: Mapping[str, str],
    targets: Sequence[str],
    knowledge: bool,
    topics: str = "",
    recording: RecordingMode = "off",
) -> dict[str, Tool]:
    """All that apply: no hand_over without colleagues, no transfer without targets, no answers without knowledge."""
    tools = [end_call()]
    if specialists:
        tools.append(hand_over(specialists))
    if targets:
        tools.append(transfer_to_human(targets))
    if knowledge:
        tools.append(answer_question(topics))
    if recording in ("consent", "on_demand"):
        tools.append(record_call(recording))
    return {made.name: made for made in tools}


def with_examples(tool: Tool, examples: Sequence[str]) -> Tool:
    """The tool with a scenario's `examples` of what callers say when they want it, in its description."""
    if not examples:
        return tool
    return attrs.evolve(tool, description=f"{tool.description} Callers say: {'; '.join(examples)}")


def what_they_do(persona: str) -> str:
    """A persona's one-line description for its colleagues: the first line of its Markdown that says something.

    `# Booking: makes new appointments` -> `makes new appointments`.
    """
    for line in persona.splitlines():
        text = line.strip()
        if text.startswith("#"):
            text = text.lstrip("#").partition(":")[2].strip()
        if text:
            return text
    return ""


def _answer(desk: Desk, question: str) -> dict[str, Any]:
    passages = desk.knowledge.search(question, 1)
    if not passages:
        return {"ok": False, "say": "I don't have that in my notes. I can put you through to a person."}
    return {"ok": True, "say": " ".join(passages[0].text.split()), "source": passages[0].title}


def _choice(values: list[str], described: str) -> dict[str, Any]:
    return {"type": "string", "enum": values, "description": described}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


NAMED = {COLLECT: collect_digits()}  # for the agents that name them
