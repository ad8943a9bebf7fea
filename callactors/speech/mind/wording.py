"""Wording: slots and values as a voice says them. Short sentences; the first one the shortest.

A description that ends in a question is that question; any other is asked as `What is ...?`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from callactors.speech.mind.choices import spoken
from callactors.speech.mind.picking import EXAMPLES, Job
from callactors.speech.mind.slots import Slot
from callactors.tools.aloud import day_aloud, either, phone_aloud, time_aloud

HOW_CAN_I_HELP = "How can I help?"
ANYTHING_ELSE = "Is there anything else?"
READ_BACK = "Let me read that back."
IS_THAT_RIGHT = "Is that right?"
WHAT_TO_CHANGE = "All right. What should I change?"
DROPPED = "All right. I'll leave that. Is there anything else?"
NOT_CAUGHT = "Sorry, I didn't catch that."
BROKE = "Sorry. That didn't work on my side."
TO_A_PERSON = "Of course."  # the call announces the transfer itself
GIVING_UP = "I'm sorry, I still don't understand."
BACK = "How else can I help?"  # the call has said that nobody took it
NOBODY_TO_REACH = "I'm sorry. There is nobody I can put you through to. Can I help with something else?"
GOODBYE = "Thank you for calling. Goodbye."
HELLO = "Hello. How can I help?"
WELCOME = "You're welcome. Is there anything else?"
AUTOMATED = "I'm an automated assistant."
GO_ON = "Go on."


def question(slot: Slot) -> str:
    """How to ask for a slot."""
    asked = re.search(r"([^.:?!]*\?)\s*$", slot.description)
    words = asked[1].strip() if asked else f"What is {_definite(slot.description)}?"
    if slot.kind == "choice" and len(slot.choices) <= 6:
        return f"{words} {_sentence_case(either(spoken(choice) for choice in slot.choices))}."
    return words[:1].upper() + words[1:]


def read_back(job: Job, values: Mapping[str, Any], today: date) -> str:
    """What is about to be written, and the question whether it is right."""
    what = EXAMPLES.split(job.description)[0].split(".")[0].strip() or spoken(job.name)
    facts = ", ".join(_facts(job, values, today))
    return f"{READ_BACK} {what}: {facts}. {IS_THAT_RIGHT}" if facts else f"{what}. {IS_THAT_RIGHT}"


def _facts(job: Job, values: Mapping[str, Any], today: date) -> list[str]:
    said: list[str] = []
    for slot in job.slots:
        if slot.name not in values:
            continue
        value = aloud(slot, values[slot.name], today)
        if slot.kind == "time" and said and any(other.kind == "date" for other in job.slots):
            said[-1] += f" at {value}"
        elif slot.kind == "name":
            said.append(f"for {value}")
        elif slot.kind == "phone":
            said.append(f"phone number {value}")
        else:
            said.append(value)
    return said


def aloud(slot: Slot, value: Any, today: date) -> str:
    """A slot's JSON value as it is spoken."""
    if slot.kind == "date":
        return day_aloud(date.fromisoformat(value), today)
    if slot.kind == "time":
        return time_aloud(time.fromisoformat(value))
    if slot.kind == "datetime":
        moment = datetime.fromisoformat(value)
        return f"{day_aloud(moment.date(), today)} at {time_aloud(moment.time())}"
    if slot.kind == "phone":
        return phone_aloud(str(value))
    if slot.kind == "boolean":
        return f"{slot.name.replace('_', ' ')} {'yes' if value else 'no'}"
    if slot.kind in ("integer", "number"):
        return f"{slot.name.replace('_', ' ')} {value}"
    return spoken(str(value)) if slot.kind == "choice" else str(value)


def shortened(text: str, most: int = 320) -> str:
    """As many whole sentences as fit; a listener keeps no more."""
    kept = ""
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
        if kept and len(kept) + len(sentence) > most:
            break
        kept = f"{kept} {sentence}".strip()
    return kept[: most * 2]


def _definite(description: str) -> str:
    plain = description.strip().rstrip(".:")
    first = plain.split(" ")[0].lower()
    plain = plain[:1].lower() + plain[1:]
    return plain if first in ("the", "a", "an", "your", "their", "his", "her") else f"the {plain}"


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]
