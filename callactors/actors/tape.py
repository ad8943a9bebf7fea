"""What both sides of a call heard, on its way to the recorder. Rules of this file:

- `offer` costs an append: no task wakes for it, nothing is decoded. The recorder takes all of it once a second.
- While nothing is recorded (`on` is false) nothing is kept. Orders are always kept, and never lost.
- A recorder that cannot keep up (a disk that does not answer) loses the oldest sounds; they are counted.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import attrs

from callactors.actors.messages import AgentHeard, CallerAudio, PauseRecording, RecordingWanted, ResumeRecording

LONGEST = 2048  # sounds held: a minute of both sides

Sound = CallerAudio | AgentHeard
Order = PauseRecording | ResumeRecording | RecordingWanted


class TakesSound(Protocol):
    """Where a leg puts what was heard."""

    def offer(self, message: Sound) -> None: ...


@attrs.define(eq=False)
class Tape:
    """One call's. Told by its legs and its conductor, taken by its recorder."""

    on: bool = False
    dropped: int = attrs.field(default=0, init=False)
    _sounds: deque[Sound] = attrs.field(factory=deque, init=False, repr=False)
    _orders: list[Order] = attrs.field(factory=list, init=False, repr=False)

    def offer(self, message: Sound) -> None:
        """Keep a sound, if anything is recorded. Never waits."""
        if self.on:
            self._sounds.append(message)
            if len(self._sounds) > LONGEST:
                self._sounds.popleft()
                self.dropped += 1

    def tell(self, order: Order) -> None:
        """Pause, go on, begin or stop: obeyed for every sound after the order's `at`, also those taken already."""
        self._orders.append(order)

    def take(self) -> tuple[list[Order], list[Sound]]:
        """Everything since the last time, in order of arrival."""
        taken = self._orders, list(self._sounds)
        self._orders = []
        self._sounds.clear()
        return taken
