"""What the demo's caller wants, and how they answer: from the words they heard alone, as a person would.

Pure: text in, text out. Ears may mishear, so a question is known by a word or two, and what is not understood is met by
saying the last thing again.
"""

from __future__ import annotations

import re

import attrs

NAME = "Dana"
PHONE = "555-0142"
WISHES = (
    "I'd like to book a haircut for tomorrow at three.",
    "How much is a haircut?",
    "I would like to speak to a person, please.",
)

ENOUGH = 12  # words of a read-back after which a missing question is the ears' fault
_YES = re.compile(r"\b(is that right|is that correct|shall i|should i|correct\?|right\?)", re.IGNORECASE)
_READ_BACK = re.compile(r"\bread (that|it) back\b", re.IGNORECASE)
_MORE = re.compile(r"\b(anything else|something else|what else|booked|how can i help|dollars|welcome)\b", re.IGNORECASE)
_TAKEN = re.compile(r"can'?t be had|cannot be had|can not be had|could do|not open|is taken", re.IGNORECASE)
_HOUR = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))?\s*(a\.?m|p\.?m|o'?clock)?", re.IGNORECASE)
_ASKED = (
    (re.compile(r"\bphone|\bnumber", re.IGNORECASE), f"{PHONE}."),
    (re.compile(r"\bname\b", re.IGNORECASE), f"It's {NAME}."),
    (re.compile(r"\b(what|which) (time|hour)|\btime\b.*\?", re.IGNORECASE), "At three."),
    (re.compile(r"\b(what|which) day|\bday\b.*\?", re.IGNORECASE), "Tomorrow."),
    (re.compile(r"have done|which service|what service|kind of", re.IGNORECASE), "A haircut, please."),
)


@attrs.define(eq=False)
class Customer:
    """One caller on their way through `wishes`, the last of which asks for a person."""

    wishes: tuple[str, ...] = WISHES
    _next: int = 0
    _last: str = ""

    @property
    def asked_for_person(self) -> bool:
        """Whether the last wish has been said."""
        return self._next >= len(self.wishes)

    def reply(self, heard: str) -> str:
        """What to say to what was heard; "" is a silence."""
        self._last = self._answer(heard)
        return self._last

    def _answer(self, heard: str) -> str:
        if not self._last:
            return self._wish()
        if _YES.search(heard) or (_READ_BACK.search(heard) and len(heard.split()) > ENOUGH):
            return "Yes, please."
        if _TAKEN.search(heard) and (other := _offered(heard)):
            return other
        for question, answer in _ASKED:
            if question.search(heard):
                return answer
        return self._wish() if _MORE.search(heard) and not self.asked_for_person else self._last

    def _wish(self) -> str:
        self._next += 1
        return self.wishes[self._next - 1]


def _offered(heard: str) -> str:
    """The first time on offer after "could do", as an answer; "" when none was understood."""
    found = _HOUR.search(heard.lower().partition("could do")[2])
    if found is None:
        return ""
    hour, minutes, half = found.groups()
    word = "AM" if half and half.startswith("a") else "PM"
    return f"At {hour}:{minutes} {word}." if minutes and minutes != "00" else f"At {hour} {word}."
