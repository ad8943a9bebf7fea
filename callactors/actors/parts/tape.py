"""What both sides of a call heard, on its way to the recorder. Rules of this file:

- `offer` costs an append: no task wakes for it, nothing is decoded. The recorder takes all of it every two seconds.
- While nothing is recorded nothing is kept: what was said before a consent is not there to be written.
- A recorder that cannot keep up (a disk that does not answer) loses the oldest sounds; they are counted.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from callactors.actors.messages import AgentHeard, CallerAudio, PauseRecording, RecordingWanted, ResumeRecording
from callactors.config.schema import RecordingMode

LONGEST = 2048  # sounds held: a minute of both sides

Sound = CallerAudio | AgentHeard
Order = PauseRecording | ResumeRecording | RecordingWanted


class TakesSound(Protocol):
    """Where a leg puts what was heard."""

    def offer(self, message: Sound) -> None: ...


class Tape:
    """One call's. Told by its legs and its conductor, taken by its recorder. `on`: what is heard now is kept."""

    def __init__(self, mode: RecordingMode = "off") -> None:
        self.dropped = 0
        self._sounds: deque[Sound] = deque()
        self._orders: list[Order] = []
        self.load(mode)

    def load(self, mode: RecordingMode) -> None:
        """There is a recorder, and this is what the call's scenario and configuration allow it."""
        self.mode: RecordingMode = mode
        self.on = mode == "always"

    def stop(self) -> None:
        """Nothing more is kept, whoever asks for it."""
        self.load("off")

    def offer(self, message: Sound) -> None:
        """Keep a sound, if anything is recorded. Never waits."""
        if self.on:
            self._sounds.append(message)
            if len(self._sounds) > LONGEST:
                self._sounds.popleft()
                self.dropped += 1

    def tell(self, order: Order) -> bool:
        """Pause, go on, begin or stop: obeyed for every sound after the order's `at`. False when it may not be.

        With mode consent it is the caller who begins it, by tool or digit; with mode off nobody.
        """
        if self.mode == "off":
            return False
        if isinstance(order, RecordingWanted):
            if order.wanted and self.mode == "consent" and order.by == "api":
                return False
            self.on = order.wanted
        self._orders.append(order)
        return True

    def take(self) -> tuple[list[Order], list[Sound]]:
        """Everything since the last time, in order of arrival."""
        taken = self._orders, list(self._sounds)
        self._orders = []
        self._sounds.clear()
        return taken
