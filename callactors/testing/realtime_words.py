"""Short words for tests of a conversation: a server's events by one-letter ids, and sieves for the actions."""

from __future__ import annotations

from typing import Any, TypeVar

from callactors.audio.format import AudioFormat
from callactors.realtime import events as e
from callactors.realtime.actions import Action, Send
from callactors.realtime.conversation import Conversation
from callactors.realtime.items import ErrorDetail, Item, Response, Session, StatusDetails
from callactors.realtime.session import Profile

PROFILE = Profile(instructions="Hi", format=AudioFormat.PCMU)
SECOND = b"\x55" * 8000
A = TypeVar("A")


def ready(profile: Profile = PROFILE, seed: tuple[e.ClientEvent, ...] = ()) -> Conversation:
    """A conversation past its handshake."""
    talk = Conversation(profile, seed)
    talk.receive(e.SessionCreated(session=Session(type="realtime")), 0.0)
    talk.receive(e.SessionUpdated(session=Session(type="realtime")), 0.0)
    return talk


def feed(talk: Conversation, *events: e.ServerEvent, now: float = 1.0) -> list[Action]:
    return [action for event in events for action in talk.receive(event, now)]


def sent(actions: list[Action], kind: type[A]) -> list[A]:
    """The client events of this kind among the actions."""
    return [action.event for action in actions if isinstance(action, Send) and isinstance(action.event, kind)]


def of(actions: list[Action], kind: type[A]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


def created(response: str = "r", **more: Any) -> e.ResponseCreated:
    return e.ResponseCreated(response=Response(id=response, **more))


def done(response: str = "r", status: str = "completed", code: str | None = None) -> e.ResponseDone:
    details = StatusDetails(type=status, error=ErrorDetail(code=code)) if code else None
    return e.ResponseDone(response=Response(id=response, status=status, status_details=details))


def delta(item: str = "a", response: str = "r", audio: bytes = SECOND) -> e.ResponseOutputAudioDelta:
    return e.ResponseOutputAudioDelta(response_id=response, item_id=item, delta=audio)


def words(text: str, item: str = "a", response: str = "r") -> e.ResponseOutputAudioTranscriptDelta:
    return e.ResponseOutputAudioTranscriptDelta(response_id=response, item_id=item, delta=text)


def item_done(item: str = "a", response: str = "r") -> e.ResponseOutputItemDone:
    return e.ResponseOutputItemDone(response_id=response, item=Item(type="message", id=item))


def wants_tool(call: str, response: str = "r", **more: Any) -> e.ResponseOutputItemDone:
    asked = Item(type="function_call", id=f"i_{call}", call_id=call, **{"name": "book", "arguments": "{}", **more})
    return e.ResponseOutputItemDone(response_id=response, item=asked)


def speech(item: str = "u") -> e.InputAudioBufferSpeechStarted:
    return e.InputAudioBufferSpeechStarted(item_id=item, audio_start_ms=0)


def silence(item: str = "u") -> tuple[e.InputAudioBufferSpeechStopped, e.InputAudioBufferCommitted]:
    return e.InputAudioBufferSpeechStopped(item_id=item, audio_end_ms=1), e.InputAudioBufferCommitted(item_id=item)


def transcript(text: str, item: str = "u") -> e.ConversationItemInputAudioTranscriptionCompleted:
    return e.ConversationItemInputAudioTranscriptionCompleted(item_id=item, transcript=text)


def error(code: str, event_id: str | None = None) -> e.ErrorReported:
    return e.ErrorReported(error=ErrorDetail(type="t", code=code, message="m", event_id=event_id))


SAYING = (created(), words("one two three four"), delta(), delta())
