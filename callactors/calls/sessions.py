"""The model's side of one call: one session after the other, in the configured order, until none is left to try.

- Each lives in a scope of its own; whatever it dies of is a ModelLost, and the next one hears the conversation so far.
- Each line is tried twice, one that failed for good never again. A session that held for STEADY seconds was no failed
  try: a long call may outlive many connections.
"""

from __future__ import annotations

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import Message, ModelLost
from callactors.calls.conductor import Conductor
from callactors.calls.contain import contain
from callactors.calls.models import ModelLine, Wiring
from callactors.calls.record import CallRecord
from callactors.calls.terms import DESK, Mailboxes, Terms
from callactors.realtime.events import ClientEvent

STEADY = 60.0  # seconds


@attrs.define(eq=False)
class Sessions:
    """The sessions of one call, as the conductor is told of them."""

    terms: Terms
    boxes: Mailboxes
    record: CallRecord
    conductor: Conductor
    _number: int = attrs.field(default=0, init=False)
    _replay: tuple[ClientEvent, ...] = attrs.field(default=(), init=False)  # the conversation so far

    async def run(self) -> None:
        """Until no line is left; the conductor knows then."""
        lines = [line for line in self.terms.models for _ in range(2)]
        while lines:
            line, began = lines.pop(0), trio.current_time()
            lost = await self._live(line)
            self.record.event("model_lost", model=line.name, code=lost.code)
            self.terms.tell("model_lost", model=line.name, code=lost.code)
            if trio.current_time() - began >= STEADY and not lost.fatal:
                lines.insert(0, line)
            if lost.fatal:
                lines = [other for other in lines if other is not line]
            if lines and self.conductor.answered:
                self.conductor.say(self.conductor.phrases.holding)
        self.conductor.model_exhausted()

    async def _live(self, line: ModelLine) -> ModelLost:
        """One session in a nursery of its own; how it was lost."""
        self._number += 1
        mailbox: Mailbox[Message] = Mailbox(DESK)
        boxes, conductor = self.boxes, self.conductor
        wiring = Wiring(self._number, boxes.to_model, mailbox, boxes.voice, boxes.desk)
        format_ = line.format_for(conductor.line.format)
        self.record.event("model_session", model=line.name, session=self._number)
        session = line.session(wiring, format_, conductor.specialist, conductor.language, self._replay)
        conductor.session_opened(self._number, mailbox)
        self.terms.meter.model = line.name

        async def live() -> ModelLost:
            await session.run()
            return await conductor.lost.receive()

        try:
            lost = await contain("model", live, self._crashed)
        finally:
            conductor.session_closed()
            for turn in session.unfinished():
                conductor.decide(turn)
        self._replay = session.so_far()
        return lost

    def _crashed(self, error: Exception) -> ModelLost:
        return ModelLost(at=trio.current_time(), session=self.conductor.session, code=type(error).__name__, fatal=False)
