"""The turns of a conversation: who was understood to say what, what of the answer was heard, how long it took.

- A turn is what the caller said (one item or more), the tools used, and the answer's utterances.
- Transcripts arrive when they like; a turn is told in order, once its transcripts are known and its answer is settled.
- Stages are ms. `speech_end_to_...` and `to_...` count from where the model saw the caller's speech end. What a
  listener would measure is `response`, split into `detection` (until the model saw it), `to_first_audio` (the model's
  own time), `transcode` (until play-out had it), `slot` (until its first packet left; what sounded before it is in
  there) and `onset` (quiet at its beginning).
"""

from __future__ import annotations

from collections import deque

import attrs

from callactors.realtime.actions import Turn
from callactors.realtime.events import ConversationItemCreate
from callactors.realtime.items import Item, Part
from callactors.realtime.utterances import Utterance

WAITING = 5  # turns that may wait for a transcript before the oldest is told without
REPLAYED = 40  # items a new session is told of the old one
INPUTS = 64  # the caller's items in one turn
TEXT = 2_000  # characters of each


@attrs.define(eq=False)
class _OpenTurn:
    inputs: dict[str, str | None] = attrs.field(factory=dict)  # item id: transcript, None while unknown
    outputs: list[Utterance] = attrs.field(factory=list)
    tools: list[ConversationItemCreate] = attrs.field(factory=list)
    ended_at: float | None = None
    stages: dict[str, float] = attrs.field(factory=dict)
    spoke_until: float | None = None
    audio_at: float | None = None  # the model's first audio came
    queued_at: float | None = None  # play-out had it
    rtp_at: float | None = None  # its first packet left
    onset: float | None = None  # seconds of quiet it begins with

    @property
    def answered(self) -> bool:
        return any(output.received for output in self.outputs)

    @property
    def settled(self) -> bool:
        return all(output.settled for output in self.outputs)

    @property
    def understood(self) -> bool:
        return all(text is not None for text in self.inputs.values())

    def stage(self, name: str, at: float) -> None:
        if self.ended_at is not None and name not in self.stages:
            self.stages[name] = round((at - self.ended_at) * 1000, 1)

    def told(self) -> Turn:
        cut = next((output.heard_ms for output in self.outputs if output.cut), None)
        heard = " ".join(text for text in self.inputs.values() if text)
        said = " ".join(output.said for output in self.outputs if output.said)
        return Turn(heard, said, cut, {**self.stages, **self.heard_stages()})

    def heard_stages(self) -> dict[str, float]:
        """The stages between moments that are all known."""
        sounded = None if self.rtp_at is None else self.rtp_at + (self.onset or 0.0)
        spans = {
            "detection": (self.spoke_until, self.ended_at),
            "transcode": (self.audio_at, self.queued_at),
            "slot": (self.queued_at, self.rtp_at),
            "onset": (None if self.onset is None else self.rtp_at, sounded),
            "response": (self.spoke_until, sounded),
        }
        known = ((name, *span) for name, span in spans.items())
        return {name: round((b - a) * 1000, 1) for name, a, b in known if a is not None and b is not None}

    def items(self) -> list[ConversationItemCreate]:
        turn = self.told()
        user = [_message("user", "input_text", turn.heard)] if turn.heard else []
        agent = [_message("assistant", "output_text", turn.said)] if turn.said else []
        return [*user, *self.tools, *agent]


@attrs.define(eq=False)
class Turns:
    """The turns not told yet, and the items a new session would be told."""

    transcribed: bool = True  # whether transcripts will come at all
    _open: deque[_OpenTurn] = attrs.field(factory=deque)
    _log: deque[ConversationItemCreate] = attrs.field(factory=lambda: deque(maxlen=REPLAYED))
    _stopped_at: float | None = None
    _spoke: tuple[float, float] | None = None  # where the model saw speech end, and where it did

    def speech_ended(self, now: float) -> None:
        self._stopped_at = now

    def heard(self, item_id: str, text: str | None = None) -> None:
        """The caller has said something; `text` where it is known already (a digit)."""
        turn = self._current()
        if turn.answered:
            turn = _OpenTurn()
            self._open.append(turn)
        if len(turn.inputs) >= INPUTS:
            del turn.inputs[next(iter(turn.inputs))]
        turn.inputs[item_id] = text if self.transcribed or text is not None else ""
        turn.stages.clear()
        turn.ended_at, self._stopped_at = self._stopped_at, None
        turn.spoke_until = self._spoke[1] if self._spoke and self._spoke[0] == turn.ended_at else None
        turn.audio_at = turn.queued_at = turn.rtp_at = None

    def transcript(self, item_id: str, text: str, now: float) -> None:
        for turn in self._open:
            if item_id in turn.inputs:
                turn.inputs[item_id] = text[: TEXT * 4]
                turn.stage("speech_end_to_transcript", now)

    def responded(self, now: float) -> None:
        self._current().stage("to_response_created", now)

    def speaks(self, utterance: Utterance, now: float) -> None:
        """The first audio of an utterance came."""
        turn = self._current()
        turn.outputs.append(utterance)
        turn.stage("to_first_audio", now)
        if turn.ended_at is not None and turn.audio_at is None:
            turn.audio_at = now

    def sounds(self, utterance: Utterance, at: float) -> None:
        """Its first packet left."""
        for turn in self._open:
            if utterance in turn.outputs:
                turn.stage("to_first_rtp", at)
            if turn.outputs[:1] == [utterance] and turn.audio_at is not None:
                turn.rtp_at = turn.rtp_at or at

    def queued(self, utterance: Utterance, at: float, onset: float) -> None:
        """Play-out has its first audio, which begins with so many seconds of quiet."""
        for turn in self._open:
            if turn.outputs[:1] == [utterance] and turn.audio_at is not None:
                turn.queued_at, turn.onset = at, onset

    def spoke_until(self, at: float, stopped_at: float) -> None:
        """The caller's last loud sample came at `at`, of the speech that the model saw end at `stopped_at`."""
        self._spoke = (stopped_at, min(at, stopped_at))
        for turn in self._open:
            if turn.ended_at == stopped_at:
                turn.spoke_until = self._spoke[1]

    def used(self, call: Item, output: str) -> None:
        """A tool request was answered."""
        short = Item(type="function_call_output", call_id=call.call_id, output=output[: 2 * TEXT])
        again = Item(type="function_call", name=call.name, call_id=call.call_id, arguments=call.arguments)
        self._current().tools += [ConversationItemCreate(item=again), ConversationItemCreate(item=short)]

    def told(self, quiet: bool) -> list[Turn]:
        """Turns that are over now. `quiet`: no response is under way or wanted."""
        turns = []
        while self._open and (self._over(self._open[0], quiet) or len(self._open) > WAITING):
            turns.append(self._tell())
        return turns

    def rest(self) -> list[Turn]:
        """All that is left, as far as it is known: the session is over."""
        turns = [self._tell() for _ in range(len(self._open))]
        return [turn for turn in turns if turn.heard or turn.said]

    def replay(self) -> tuple[ConversationItemCreate, ...]:
        """The conversation so far, for a session that takes it over."""
        under_way = [item for turn in self._open for item in turn.items()]
        return tuple([*self._log, *under_way][-REPLAYED:])

    def _over(self, turn: _OpenTurn, quiet: bool) -> bool:
        last = len(self._open) == 1
        return turn.understood and turn.settled and (not last or (quiet and turn.answered))

    def _tell(self) -> Turn:
        turn = self._open.popleft()
        self._log.extend(turn.items())
        return turn.told()

    def _current(self) -> _OpenTurn:
        if not self._open:
            self._open.append(_OpenTurn())
        return self._open[-1]


def _message(role: str, kind: str, text: str) -> ConversationItemCreate:
    return ConversationItemCreate(item=Item(type="message", role=role, content=(Part(type=kind, text=text[:TEXT]),)))
