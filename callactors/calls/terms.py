"""What one call runs under, and everything its actors read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import CallerAudio, Message, ToolRequested
from callactors.actors.parts.tape import Tape
from callactors.calls.models import ModelLine
from callactors.calls.money import Meter, Purse
from callactors.calls.voice import Cached
from callactors.config.schema import Answer, Timers

DESK = 512  # messages that may wait for the call


@attrs.frozen
class Terms:
    """What one call runs under, from the configuration and the process around it."""

    answer: Answer
    timers: Timers
    models: Sequence[ModelLine]
    cached: Cached
    writes: trio.Nursery
    tell: Callable[..., None]  # one line a call event: tell(event, **facts)
    meter: Meter = attrs.field(factory=lambda: Meter(Purse()))


@attrs.define(eq=False)
class Mailboxes:
    """Everything one call's actors read from."""

    desk: Mailbox[Message] = attrs.field(factory=lambda: Mailbox(DESK))
    from_leg: Mailbox[CallerAudio] = attrs.field(factory=lambda: Mailbox(16))  # 1 s of batches
    to_model: Mailbox[CallerAudio] = attrs.field(factory=lambda: Mailbox(16))
    voice: Mailbox[Message] = attrs.field(factory=lambda: Mailbox(512))
    tools: Mailbox[ToolRequested] = attrs.field(factory=lambda: Mailbox(64))
    handoff: Mailbox[Message] = attrs.field(factory=lambda: Mailbox(64))
    tape: Tape = attrs.field(factory=Tape)

    def dropped(self) -> dict[str, int]:
        """How many messages each full mailbox has dropped; those that dropped none are not in it."""
        boxes = {name: getattr(self, name) for name in attrs.fields_dict(type(self))}
        return {name: box.dropped for name, box in boxes.items() if box.dropped}
