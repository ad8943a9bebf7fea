"""One conversation with a Realtime model: events and facts in, actions out. No I/O, no clock.

- Order: session.created, our session.update, session.updated, then everything else; what is wanted earlier is kept.
- Tools are requested on response.output_item.done alone; every call_id gets exactly one output.
- Barge-in (2.5): Stop, response.cancel where the server does not, then, told what was heard, truncate what was not.
- A failed response is retried once, then somebody else must speak. Most errors leave the session open (2.6).
- Times are seconds of the caller's clock. Everything kept is bounded; a model that exceeds it is Lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from callactors.realtime import events as e
from callactors.realtime.actions import (
    Action,
    EndOfUtterance,
    Lost,
    Play,
    Ready,
    Request,
    Send,
    SpeechOver,
    Stop,
    Stumbled,
    Turn,
    Used,
)
from callactors.realtime.floor import Floor, Wish
from callactors.realtime.items import Item, Part, ResponseSettings
from callactors.realtime.policy import ALREADY_ACTIVE, FATAL, MANY, SERVER_ERROR, code_of, ends_session
from callactors.realtime.session import Profile, session_update, swap_update
from callactors.realtime.turns import Turns
from callactors.realtime.utterances import Utterance, Utterances

HANDSHAKE = 10.0  # seconds until session.updated
STALLED = 12.0  # seconds a response may be asked for or under way without a word from the model
RESPONSES = 64  # remembered, for late events
REQUESTS = 32  # tool requests open at once
UTTERANCES = 256  # not settled yet
LONGEST = 300_000  # ms of audio one utterance may have
HELD = 64  # events kept until the session is set up
OUTPUT = 64_000  # characters of a tool's output

_SETUP = "update_0"
_STREAMED = (e.ResponseOutputAudioDelta, e.ResponseOutputAudioTranscriptDelta)  # a union would be made at every event
_INTERRUPTED = '{"error": "interrupted before the request was complete; ask again if it is still wanted"}'


@attrs.define(eq=False)
class _Response:
    id: str
    utterance: str = ""  # the local name its first message goes by
    muted: bool = False  # the caller spoke over it: late deltas are dropped
    over: bool = False


@attrs.define(eq=False)
class Conversation:
    """One model session's side of the conversation. `seed` is what it is told of an earlier session (`replay()`)."""

    profile: Profile
    seed: Sequence[e.ClientEvent] = ()
    ready: bool = False
    floor: Floor = attrs.field(factory=Floor)
    _greeted: bool = False
    _turns: Turns = attrs.field(init=False)
    _utterances: Utterances = attrs.field(init=False)
    _responses: OrderedDict[str, _Response] = attrs.field(factory=OrderedDict)
    _requests: dict[str, Item] = attrs.field(factory=dict)  # open, by call_id
    _answered: OrderedDict[str, None] = attrs.field(factory=OrderedDict)
    _held: list[Action] = attrs.field(factory=list)
    _errors: int = 0
    _digits: int = 0
    _spoke_at: float | None = None  # when the model last said anything, or was first asked

    def __attrs_post_init__(self) -> None:
        self._turns = Turns(transcribed=self.profile.transcription_model is not None)
        self._utterances = Utterances(self.profile.format.bytes_per_ms)

    # -- inputs ---------------------------------------------------------------------------------------------------

    def receive(self, event: e.ServerEvent, now: float) -> list[Action]:
        """An event of the server."""
        self._spoke_at = now
        if (more := self._more(event)) is not None:
            return more
        handler = _HANDLERS.get(type(event))
        return self._and_then(handler(self, event, now) if handler else [], now)

    def tool_finished(self, tool_request_id: str, output: str, now: float) -> list[Action]:
        """A tool's result; the second for the same request is ignored."""
        call = self._requests.pop(tool_request_id, None)
        if call is None:
            return []
        return self._and_then(self._answer(call, output), now)

    def cut_off(self, utterance: str | None, ms: int, now: float) -> list[Action]:
        """The answer to Stop: what sounded (None: nothing), and for how long it had been heard."""
        return self._and_then([_truncate(cut) for cut in self._utterances.cut_off(utterance, ms)], now)

    def started(self, utterance: str, at: float, now: float) -> list[Action]:
        """Its first packet left at `at`."""
        spoken = self._utterances.named(utterance)
        if spoken is not None:
            spoken.started = True
            self._turns.sounds(spoken, at)
        return self._and_then([], now)

    def queued(self, utterance: str, at: float, onset: float, now: float) -> list[Action]:
        """Its first audio was in play-out at `at`, and begins with `onset` seconds of quiet."""
        spoken = self._utterances.named(utterance)
        if spoken is not None:
            self._turns.queued(spoken, at, onset)
        return self._and_then([], now)

    def last_heard(self, spoke_until: float, stopped_at: float, now: float) -> list[Action]:
        """The answer to SpeechOver(stopped_at): when the caller's last loud sample came."""
        self._turns.spoke_until(spoke_until, stopped_at)
        return self._and_then([], now)

    def heard(self, utterance: str, now: float) -> list[Action]:
        """It was heard to its end."""
        spoken = self._utterances.named(utterance)
        if spoken is not None and spoken.heard_ms is None:
            spoken.hear_all()
        return self._and_then([], now)

    def overflowed(self, utterance: str, now: float) -> list[Action]:
        """More is queued than may be: no more of that response is wanted."""
        spoken = self._utterances.named(utterance)
        response = self._responses.get(spoken.response_id) if spoken else None
        if spoken is None or response is None or response.muted:
            return []
        return self._and_then(self._enough(spoken, response), now)

    def digit(self, digit: str, now: float) -> list[Action]:
        """A key the caller pressed, told to the model as text."""
        self._digits += 1
        self._turns.heard(f"digit_{self._digits}", f"DTMF: {digit}")
        self.floor.wish()
        part = Part(type="input_text", text=f"DTMF: {digit}")
        item = Item(type="message", role="user", content=(part,))
        return self._and_then([Send(e.ConversationItemCreate(item=item))], now)

    def say(self, text: str, utterance: str, now: float) -> list[Action]:
        """Have a sentence of ours said by the model; `utterance` names its audio, the item's id where it is empty."""
        metadata = {"utterance": utterance} if utterance else None
        words = " ".join(text.split())
        self.floor.wish(ResponseSettings(instructions=f'Say exactly: "{words}"', metadata=metadata, tool_choice="none"))
        return self._and_then([], now)

    def swap(self, instructions: str, tools: Sequence[Mapping[str, Any]], now: float) -> list[Action]:
        """Another agent takes over, and speaks next."""
        self.profile = attrs.evolve(self.profile, instructions=instructions, tools=tuple(tools))
        self.floor.wish()
        return self._and_then([Send(swap_update(instructions, tools))], now)

    # -- time -----------------------------------------------------------------------------------------------------

    def next_timer(self, now: float) -> float | None:
        """When to call `expire`."""
        if self._spoke_at is None:
            self._spoke_at = now
        if not self.ready:
            return self._spoke_at + HANDSHAKE
        if self.floor.asked or self.floor.active:
            return self._spoke_at + STALLED
        return self.floor.next_timer(now)

    def expire(self, now: float) -> list[Action]:
        """Time has passed."""
        spoke_at = self._spoke_at if self._spoke_at is not None else now
        if not self.ready and now >= spoke_at + HANDSHAKE:  # the very sums of next_timer: a difference rounds otherwise
            return [Lost("timeout", fatal=False)]
        if self.ready and (self.floor.asked or self.floor.active) and now >= spoke_at + STALLED:
            return [Lost("stalled", fatal=False)]
        return self._and_then([], now)

    # -- afterwards -----------------------------------------------------------------------------------------------

    def rest(self) -> list[Turn]:
        """The turns not told yet, as far as they got: the session is over."""
        return self._turns.rest()

    def replay(self) -> tuple[e.ClientEvent, ...]:
        """The items that tell a new session what was said so far: its `seed`. Bounded; cut answers end in a mark."""
        return (*self.seed, *self._turns.replay())[-HELD:]

    # -- session --------------------------------------------------------------------------------------------------

    def _session_created(self, event: e.SessionCreated, now: float) -> list[Action]:
        if self._greeted:
            return []
        self._greeted = True
        return [Send(session_update(self.profile, _SETUP))]

    def _session_updated(self, event: e.SessionUpdated, now: float) -> list[Action]:
        if self.ready:
            return []
        self.ready = True
        held, self._held = self._held, []
        return [Ready(), *(Send(item) for item in self.seed), *held]

    def _error(self, event: e.ErrorReported, now: float) -> list[Action]:
        self._errors += 1
        error, code = event.error, code_of(event.error)
        if ends_session(error):
            return [Lost(code, FATAL[code])]
        if self._errors > MANY:
            return [Lost("too_many_errors", fatal=False)]
        if error.event_id == _SETUP and not self.ready:
            return [Lost(code, fatal=True)]
        if code == ALREADY_ACTIVE:
            return [] if self.floor.refused(error.event_id, now) else [Stumbled(code)]
        if error.event_id or SERVER_ERROR in (error.code, error.type):
            return self._asking_failed(error.event_id, code, now)
        return []

    def _asking_failed(self, event_id: str | None, code: str, now: float) -> list[Action]:
        wish = self.floor.failed(event_id)
        return [] if wish is None else self._try_again(wish, code, now)

    def _try_again(self, wish: Wish | None, code: str, now: float) -> list[Action]:
        if self.floor.again(wish, now):
            return []
        name = _named_by(wish)
        return [Stumbled(code), *([EndOfUtterance(name)] if name else [])]

    # -- the caller -----------------------------------------------------------------------------------------------

    def _speech_started(self, event: e.InputAudioBufferSpeechStarted, now: float) -> list[Action]:
        self.floor.speech_started()
        self._utterances.stop()
        cancels: list[Action] = []
        for response_id in self.floor.active:
            self._responses[response_id].muted = True
            if not self.profile.interrupt_response:
                cancels.append(Send(e.ResponseCancel(response_id=response_id)))
        return [Stop(), *cancels]

    def _speech_stopped(self, event: e.InputAudioBufferSpeechStopped, now: float) -> list[Action]:
        self.floor.speech_stopped(now)
        self._turns.speech_ended(now)
        return [SpeechOver(now)]

    def _committed(self, event: e.InputAudioBufferCommitted, now: float) -> list[Action]:
        self._turns.heard(event.item_id)
        return []

    def _transcribed(self, event: e.ConversationItemInputAudioTranscriptionCompleted, now: float) -> list[Action]:
        self._turns.transcript(event.item_id, event.transcript.strip(), now)
        return []

    def _not_transcribed(self, event: e.ConversationItemInputAudioTranscriptionFailed, now: float) -> list[Action]:
        self._turns.transcript(event.item_id, "", now)
        return []

    # -- a response -----------------------------------------------------------------------------------------------

    def _response(self, response_id: str, metadata: Mapping[str, Any] | None = None) -> _Response:
        response = self._responses.get(response_id)
        if response is None:
            wish = self.floor.created(response_id)
            name = str((metadata or {}).get("utterance") or "") or _named_by(wish)
            response = self._responses[response_id] = _Response(response_id, utterance=name)
            self._forget()
        return response

    def _forget(self) -> None:
        over = [key for key, response in self._responses.items() if response.over]
        for key in over[:-RESPONSES]:
            del self._responses[key]

    def _response_created(self, event: e.ResponseCreated, now: float) -> list[Action]:
        self._response(event.response.id, event.response.metadata)
        self._turns.responded(now)
        return []

    def _audio(self, event: e.ResponseOutputAudioDelta, now: float) -> list[Action]:
        response = self._response(event.response_id)
        if response.muted or not event.delta:
            return []
        spoken = self._utterance(response, event.item_id)
        if spoken.complete:
            return []
        if spoken.ms + len(event.delta) // spoken.bytes_per_ms > LONGEST:
            return self._enough(spoken, response)
        if not spoken.received:
            spoken.content_index = event.content_index
            self._turns.speaks(spoken, now)
        spoken.received += len(event.delta)
        return [Play(spoken.name, event.delta)]

    def _more(self, event: e.ServerEvent) -> list[Action] | None:
        """The usual, in one go: more audio or text of an utterance under way, which changes nothing else."""
        if not isinstance(event, _STREAMED) or not self.ready:
            return None
        response, spoken = self._responses.get(event.response_id), self._utterances.get(event.item_id)
        if response is None or response.muted or spoken is None or not spoken.received or spoken.complete:
            return None
        if isinstance(event, e.ResponseOutputAudioTranscriptDelta):
            spoken.add_text(event.delta)
            return []
        if not event.delta or spoken.received + len(event.delta) > LONGEST * spoken.bytes_per_ms:
            return None
        spoken.received += len(event.delta)
        return [Play(spoken.name, event.delta)]

    def _enough(self, spoken: Utterance, response: _Response) -> list[Action]:
        """No more of this response is wanted; what is queued of it may sound."""
        response.muted = True
        cancel: list[Action] = [] if response.over else [Send(e.ResponseCancel(response_id=response.id))]
        return [*cancel, *self._end(spoken)]

    def _utterance(self, response: _Response, item_id: str) -> Utterance:
        first = not any(spoken.item_id != item_id for spoken in self._utterances.of(response.id))
        return self._utterances.open(
            item_id, response.id, response.utterance if response.utterance and first else item_id
        )

    def _audio_done(self, event: e.ResponseOutputAudioDone, now: float) -> list[Action]:
        spoken = self._utterances.get(event.item_id)
        return self._end(spoken) if spoken else []

    def _words(self, event: e.ResponseOutputAudioTranscriptDelta, now: float) -> list[Action]:
        response = self._response(event.response_id)
        if not response.muted:
            self._utterance(response, event.item_id).add_text(event.delta)
        return []

    def _all_words(self, event: e.ResponseOutputAudioTranscriptDone, now: float) -> list[Action]:
        spoken = self._utterances.get(event.item_id)
        if spoken is not None and len(event.transcript) > len(spoken.text):
            spoken.text = ""
            spoken.add_text(event.transcript)
        return []

    def _end(self, spoken: Utterance) -> list[Action]:
        if spoken.complete:
            return []
        spoken.complete = True
        return [EndOfUtterance(spoken.name)] if spoken.received and spoken.heard_ms is None else []

    def _item_done(self, event: e.ResponseOutputItemDone, now: float) -> list[Action]:
        item = event.item
        if item.type == "function_call" and item.call_id:
            return self._requested(event.response_id, item)
        spoken = self._utterances.get(item.id or "")
        return self._end(spoken) if spoken else []

    def _requested(self, response_id: str, item: Item) -> list[Action]:
        call_id = item.call_id or ""
        if call_id in self._requests or call_id in self._answered:
            return []
        self._response(response_id)
        self.floor.requested(response_id, call_id)
        if item.status in ("incomplete", "in_progress") or not item.name or len(item.arguments or "") > OUTPUT:
            return self._answer(item, _INTERRUPTED)
        self._requests[call_id] = item
        return [Request(call_id, item.name, item.arguments or "{}")]

    def _answer(self, call: Item, output: str) -> list[Action]:
        call_id = call.call_id or ""
        self._answered[call_id] = None
        while len(self._answered) > 8 * REQUESTS:
            self._answered.popitem(last=False)
        self._turns.used(call, output)
        self.floor.answered(call_id)
        item = Item(type="function_call_output", call_id=call_id, output=output[:OUTPUT])
        return [Send(e.ConversationItemCreate(item=item))]

    def _response_done(self, event: e.ResponseDone, now: float) -> list[Action]:
        told = event.response
        response = self._response(told.id, told.metadata)
        if response.over:
            return []
        response.over = True
        wish = self.floor.done(told.id)
        spoken = self._utterances.of(told.id)
        actions: list[Action] = [action for utterance in spoken for action in self._end(utterance)]
        if told.usage is not None:
            actions.append(Used(told.usage))
        silent = not any(utterance.received for utterance in spoken)
        if told.status == "failed" or (told.status == "incomplete" and silent):
            return actions + self._try_again(wish, _reason(told.status_details), now)
        if silent and response.utterance:
            actions.append(EndOfUtterance(response.utterance))
        return actions

    # -- what follows from any input --------------------------------------------------------------------------------

    def _and_then(self, actions: list[Action], now: float) -> list[Action]:
        if not self.ready:
            return self._hold(actions)
        if self._too_much():
            return [*actions, Lost("flood", fatal=False)]
        create = self.floor.next(now)
        if create is not None:
            self._spoke_at = now
            actions = [*actions, Send(create)]
        return [*actions, *self._turns.told(self.floor.quiet)]

    def _too_much(self) -> bool:
        floods = ((self.floor.active, RESPONSES), (self._requests, REQUESTS))
        return any(len(kept) > most for kept, most in floods) or self._utterances.pending > UTTERANCES

    def _hold(self, actions: list[Action]) -> list[Action]:
        """Until the session is set up only its own update may be sent."""
        early = [a for a in actions if isinstance(a, Send) and not _is_setup(a)]
        self._held = [*self._held, *early][-HELD:]
        return [a for a in actions if a not in early]


def _is_setup(action: Send) -> bool:
    return isinstance(action.event, e.SessionUpdate) and action.event.event_id == _SETUP


def _named_by(wish: Wish | None) -> str:
    metadata = wish.settings.metadata if wish and wish.settings else None
    return (metadata or {}).get("utterance", "")


def _reason(details: Any) -> str:
    if details is None:
        return "failed"
    return code_of(details.error, details.reason or "failed")


def _truncate(spoken: Utterance) -> Send:
    return Send(
        e.ConversationItemTruncate(
            item_id=spoken.item_id, content_index=spoken.content_index, audio_end_ms=spoken.heard_ms or 0
        )
    )


_HANDLERS: dict[type, Callable[[Conversation, Any, float], list[Action]]] = {
    e.SessionCreated: Conversation._session_created,
    e.SessionUpdated: Conversation._session_updated,
    e.ErrorReported: Conversation._error,
    e.InputAudioBufferSpeechStarted: Conversation._speech_started,
    e.InputAudioBufferSpeechStopped: Conversation._speech_stopped,
    e.InputAudioBufferCommitted: Conversation._committed,
    e.ConversationItemInputAudioTranscriptionCompleted: Conversation._transcribed,
    e.ConversationItemInputAudioTranscriptionFailed: Conversation._not_transcribed,
    e.ResponseCreated: Conversation._response_created,
    e.ResponseOutputAudioDelta: Conversation._audio,
    e.ResponseOutputAudioDone: Conversation._audio_done,
    e.ResponseOutputAudioTranscriptDelta: Conversation._words,
    e.ResponseOutputAudioTranscriptDone: Conversation._all_words,
    e.ResponseOutputItemDone: Conversation._item_done,
    e.ResponseDone: Conversation._response_done,
}
