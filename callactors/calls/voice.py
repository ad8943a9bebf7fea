"""The house's own sentences: from the cache at once, else in the model's voice, else not at all, but never waited for.

An utterance of ours is named `local:...`. `heard(utterance)` resolves when it was heard, cut off, or could not be said.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentAudio, AgentAudioEnded, Message, SayThis
from callactors.audio.format import AudioFormat

Cached = Callable[[str, AudioFormat], bytes | None]


@attrs.define(eq=False)
class Voice:
    """Says phrases on one call. `to_model` is the mailbox of the session now living, None before one is ready."""

    cached: Cached
    format: Callable[[], AudioFormat]
    to_transcoder: Mailbox[Message]
    to_model: Mailbox[Message] | None = None
    _waiting: dict[str, trio.Event] = attrs.field(factory=dict, init=False)

    def say(self, utterance: str, text: str) -> None:
        """Queue a phrase behind whatever sounds."""
        self._waiting[utterance] = trio.Event()
        audio = self.cached(text, self.format())
        now = trio.current_time()
        if audio is not None:
            self.to_transcoder.offer(AgentAudio(at=now, utterance=utterance, format=self.format(), audio=audio))
            self.to_transcoder.offer(AgentAudioEnded(at=now, utterance=utterance))
        elif self.to_model is not None:
            self.to_model.offer(SayThis(at=now, text=text, utterance=utterance))
        else:
            self._settle(utterance)

    async def heard(self, utterance: str, patience: float) -> None:
        """Wait until it was heard, was cut off, or `patience` seconds have passed."""
        with trio.move_on_after(patience):
            event = self._waiting.get(utterance)
            if event is not None:
                await event.wait()

    def waits_for(self, utterance: str) -> bool:
        """Whether it is still to be heard."""
        return utterance in self._waiting

    def spoke(self, utterance: str) -> bool:
        """An utterance was heard to its end; whether it was one of ours that somebody may wait for."""
        return self._settle(utterance)

    def cut_off(self) -> list[str]:
        """Everything queued was dropped: nobody need wait for it. Returns the names that were waited for."""
        names = list(self._waiting)
        for name in names:
            self._settle(name)
        return names

    def _settle(self, utterance: str) -> bool:
        event = self._waiting.pop(utterance, None)
        if event is not None:
            event.set()
        return event is not None
