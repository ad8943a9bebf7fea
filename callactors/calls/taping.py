"""Who says whether a call is recorded, and from when: the caller's answer, an agent's tool, a key, or an order.

- Mode consent: the caller is asked after the greeting; nothing is recorded before they said yes, by the agent's
  record_call or by the scenario's digit. Nobody else can say it for them.
- Mode on_demand: record_call, the digit and an order (`Call.record_from_now`) begin and end it.
- Mode always: it runs from the start; whoever may begin a recording may end it too.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from callactors.actors.messages import RecordingWanted
from callactors.actors.parts.tape import Tape
from callactors.calls.record import CallRecord

NOT_ASKED = "nothing is recorded: that is not up to this call"
BEGUN = "the call is recorded from now on"
ENDED = "the call is not recorded"


@attrs.define(eq=False)
class Taping:
    """One call's."""

    tape: Tape
    record: CallRecord
    ask: Callable[[], object]  # say the scenario's question
    digit: str | None = None
    _wanted: bool = attrs.field(default=False, init=False)

    def greeted(self) -> None:
        """The greeting is on its way: the question comes behind it."""
        if self.tape.mode == "consent":
            self.ask()

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
        self._wanted = order.wanted
        return BEGUN if order.wanted else ENDED
