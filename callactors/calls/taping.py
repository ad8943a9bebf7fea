"""Who says whether a call is recorded, and from when: the caller's answer, an agent's tool, a key, or an order.

- Mode consent: the caller is asked after the greeting; nothing is recorded before they said yes: in words that leave no
  doubt and nothing else, by the agent's record_call, or by the scenario's digit. Nobody else can say it for them.
- Mode on_demand: record_call, the digit and an order (`Call.record_from_now`) begin and end it.
- Mode always: it runs from the start; whoever may begin a recording may end it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import trio

from callactors.actors.messages import RecordingWanted
from callactors.actors.parts.tape import Tape
from callactors.calls.record import CallRecord

NOT_ASKED = "nothing is recorded: that is not up to this call"
BEGUN = "the call is recorded from now on"
ENDED = "the call is not recorded"


_WORDS = {  # the whole of what somebody says: yes, and no
    "en": (
        r"(yes|yeah|yep|sure|of course|okay|ok|go ahead|you may)( please| you may| thats fine| of course| go ahead)?",
        r"(no|nope)( thanks| thank you| please dont| you may not)?",
    ),
    "de": (r"(ja|jawohl|klar|gerne|okay|ok)( bitte| gerne| klar)?", r"(nein|nö)( danke| bitte nicht)?"),
    "fr": (r"(oui|daccord|bien sûr|ok)( bien sûr| daccord)?", r"non( merci)?"),
    "es": (r"(sí|si|claro|de acuerdo|vale|ok)( claro| por favor)?", r"no( gracias)?"),
}


@attrs.define(eq=False)
class Taping:
    """One call's."""

    tape: Tape
    record: CallRecord
    ask: Callable[[], object]  # say the scenario's question
    language: str = "en"
    digit: str | None = None
    _wanted: bool = attrs.field(default=False, init=False)
    _asked: bool = attrs.field(default=False, init=False)  # and not answered yet

    def greeted(self) -> None:
        """The greeting is on its way: the question comes behind it."""
        if self.tape.mode == "consent" and not self._asked:
            self._asked = True
            self.ask()

    def heard(self, words: str) -> None:
        """What the caller said first after the question: a plain yes or no is their answer, whatever the agent does."""
        if not (self._asked and words):
            return
        self._asked = False
        said = " ".join(re.sub(r"[^\w ]", "", words.lower()).split())
        for pattern, wanted in zip(_WORDS.get(self.language.partition("-")[0], ()), (True, False), strict=False):
            if re.fullmatch(pattern, said):
                self.decide(RecordingWanted(at=trio.current_time(), wanted=wanted, by="words"))

    def takes(self, digit: str) -> bool:
        """Whether this key is the one that begins and ends a recording; it has then done so."""
        if digit != self.digit or self.tape.mode not in ("consent", "on_demand"):
            return False
        self.decide(RecordingWanted(at=trio.current_time(), wanted=not self._wanted, by="digit"))
        return True

    def requested(self, arguments: dict[str, object]) -> str:
        """The agent's tool: what it is told."""
        return self.decide(RecordingWanted(at=trio.current_time(), wanted=arguments.get("on") is True, by="tool"))

    def decide(self, order: RecordingWanted) -> str:
        """Begin, or end, if that may be; the words are for whoever asked."""
        allowed = self.tape.tell(order)
        kind = "recording_consent" if self.tape.mode == "consent" else "recording_wanted"
        self.record.event(kind if allowed else "recording_refused", wanted=order.wanted, by=order.by)
        if not allowed:
            return NOT_ASKED
        self._wanted, self._asked = order.wanted, False
        return BEGUN if order.wanted else ENDED
