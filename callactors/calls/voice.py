"""The house's own sentences: from the cache at once, else in the model's voice, else not at all, but never waited for.

An utterance of ours is named `local:...`. `heard(utterance)` resolves when it was heard, cut off, or could not be said.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentAudio, AgentAudioEnded, Message, SayThis, StopSpeaking
from callactors.audio.format import AudioFormat

Cached = Callable[[str, AudioFormat], bytes | None]


@attrs.define(eq=False)
class Voice:
    """Says phrases on one call; what the cache lacks waits for a model, as long as one may still come."""

    cached: Cached
    format: Callable[[], AudioFormat]
    to_transcoder: Mailbox[Message]
    _to_model: Mailbox[Message] | None = attrs.field(default=None, init=False)
    _unsaid: list[tuple[str, str]] = attrs.field(factory=list, init=False)
    _hopeless: bool = attrs.field(default=False, init=False)
    _waiting: dict[str, trio.Event] = attrs.field(factory=dict, init=False)

    def say(self, utterance: str, text: str) -> None:
        """Queue a phrase behind whatever sounds."""
        self._waiting[utterance] = trio.Event()
        audio = self.cached(text, self.format())
        now = trio.current_time()
        if audio is not None:
            self.to_transcoder.offer(AgentAudio(at=now, utterance=utterance, format=self.format(), audio=audio))
            self.to_transcoder.offer(AgentAudioEnded(at=now, utterance=utterance))
        elif self._to_model is not None:
            self._to_model.offer(SayThis(at=now, text=text, utterance=utterance))
        elif self._hopeless:
            self._settle(utterance)
        else:
            self._unsaid.append((utterance, text))

    def model_came(self, mailbox: Mailbox[Message]) -> None:
        """A model can speak now: it says what waited for one."""
        self._to_model = mailbox
        for utterance, text in self._unsaid:
            mailbox.offer(SayThis(at=trio.current_time(), text=text, utterance=utterance))
        self._unsaid.clear()

    def model_went(self, *, hopeless: bool = False) -> list[str]:
        """It can no longer; `hopeless` when none will come again. Returns what nobody need wait for any more."""
        self._to_model = None
        self._hopeless = self._hopeless or hopeless
        given_up = [utterance for utterance, _ in self._unsaid] if hopeless else []
        for utterance in given_up:
            self._settle(utterance)
        self._unsaid = [] if hopeless else self._unsaid
        return given_up

    def break_off(self, utterance: str) -> None:
        """No more of a model's utterance will come."""
        self.to_transcoder.offer(AgentAudioEnded(at=trio.current_time(), utterance=utterance))

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
        self._unsaid.clear()
        names = list(self._waiting)
        for name in names:
            self._settle(name)
        return names

    def hush(self) -> list[str]:
        """Stop whatever sounds, on the call's own decision; what is said next is not part of it. As `cut_off`."""
        self.to_transcoder.offer(StopSpeaking(at=trio.current_time(), session=0))
        return self.cut_off()

    def _settle(self, utterance: str) -> bool:
        event = self._waiting.pop(utterance, None)
        if event is not None:
            event.set()
        return event is not None
