"""Our encoders against OpenAI's own models: every event we write is one of theirs, with no unknown field."""

from __future__ import annotations

import json
from typing import Any

import openai.types.beta.realtime as beta_models
import openai.types.realtime as models
import pytest
from pydantic import TypeAdapter

from callactors.audio.format import AudioFormat
from callactors.realtime import events as e
from callactors.realtime.dialects import BETA, GA
from callactors.realtime.items import (
    ErrorDetail,
    Item,
    Part,
    Response,
    ResponseSettings,
    Session,
    StatusDetails,
    TokenDetails,
    Usage,
)
from callactors.realtime.session import Profile, session_update, swap_update
from tests.interop.openai_client import unknown_fields

TOOL = {"name": "book", "description": "Book", "parameters": {"type": "object", "properties": {}}}
PROFILES = [
    Profile(instructions="Hi", format=AudioFormat.PCMU, tools=(TOOL,), voice="marin", language="en", idle_ms=8000),
    Profile(instructions="", format=AudioFormat.PCM16, transcription_model=None, noise_reduction=None, speed=1.0),
    Profile(instructions="", format=AudioFormat.PCMA, model="gpt-realtime-2.1", interrupt_response=False),
]
USER = Item(type="message", role="user", content=(Part(type="input_text", text="DTMF: 1"),))
AGENT = Item(type="message", role="assistant", content=(Part(type="output_text", text="Earlier."),))
ASKED = Item(type="function_call", name="book", call_id="c", arguments="{}")
ANSWER = Item(type="function_call_output", call_id="c", output="{}")
CLIENT = [
    *(session_update(profile, "update_0") for profile in PROFILES),
    swap_update("You book.", (TOOL,)),
    e.InputAudioBufferAppend(audio=b"\xff" * 480),
    e.InputAudioBufferCommit(),
    e.InputAudioBufferClear(),
    *(e.ConversationItemCreate(item=item) for item in (USER, AGENT, ASKED, ANSWER)),
    e.ConversationItemTruncate(item_id="i", content_index=0, audio_end_ms=1480),
    e.ConversationItemDelete(item_id="i"),
    e.ConversationItemRetrieve(item_id="i"),
    e.ResponseCreate(event_id="create_1"),
    e.ResponseCreate(
        response=ResponseSettings(instructions="Say exactly: hi", metadata={"utterance": "local:1"}, tool_choice="none")
    ),
    e.ResponseCancel(response_id="r"),
    e.OutputAudioBufferClear(),
]

DONE = Item(
    type="message",
    id="i",
    object="realtime.item",
    role="assistant",
    status="completed",
    content=(Part(type="output_audio", transcript="Sure"),),
)
CALLED = Item(type="function_call", id="i", status="completed", name="book", call_id="c", arguments="{}")
USAGE = Usage(
    total_tokens=3,
    input_tokens=2,
    output_tokens=1,
    input_token_details=TokenDetails(text_tokens=1, audio_tokens=1),
    output_token_details=TokenDetails(text_tokens=0, audio_tokens=1),
)
SERVER = [
    e.ErrorReported(error=ErrorDetail(type="invalid_request_error", code="invalid_value", message="m")),
    e.SessionCreated(session=Session(type="realtime", model="m")),
    *(e.SessionUpdated(session=session_update(profile).session) for profile in PROFILES),
    e.ConversationItemAdded(item=DONE, previous_item_id=None),
    e.ConversationItemDone(item=DONE),
    e.ConversationItemTruncated(item_id="i", audio_end_ms=5),
    e.ConversationItemDeleted(item_id="i"),
    e.ConversationItemRetrieved(item=DONE),
    e.ConversationItemInputAudioTranscriptionDelta(item_id="i", delta="I"),
    e.ConversationItemInputAudioTranscriptionCompleted(
        item_id="i", transcript="I", usage=Usage(type="duration", seconds=2)
    ),
    e.ConversationItemInputAudioTranscriptionFailed(item_id="i", error=ErrorDetail(type="t", code="c")),
    e.InputAudioBufferCommitted(item_id="i"),
    e.InputAudioBufferCleared(),
    e.InputAudioBufferSpeechStarted(item_id="i", audio_start_ms=1),
    e.InputAudioBufferSpeechStopped(item_id="i", audio_end_ms=2),
    e.InputAudioBufferTimeoutTriggered(item_id="i"),
    e.ResponseCreated(response=Response(id="r")),
    e.ResponseOutputItemAdded(response_id="r", item=DONE),
    e.ResponseContentPartAdded(response_id="r", item_id="i", part=Part(type="audio", transcript="")),
    e.ResponseOutputTextDelta(response_id="r", item_id="i", delta="x"),
    e.ResponseOutputTextDone(response_id="r", item_id="i", text="x"),
    e.ResponseOutputAudioTranscriptDelta(response_id="r", item_id="i", delta="x"),
    e.ResponseOutputAudioTranscriptDone(response_id="r", item_id="i", transcript="x"),
    e.ResponseOutputAudioDelta(response_id="r", item_id="i", delta=b"\x7f" * 160),
    e.ResponseOutputAudioDone(response_id="r", item_id="i"),
    e.ResponseFunctionCallArgumentsDelta(response_id="r", item_id="i", call_id="c", delta="{"),
    e.ResponseFunctionCallArgumentsDone(response_id="r", item_id="i", call_id="c", name="book", arguments="{}"),
    e.ResponseContentPartDone(response_id="r", item_id="i", part=Part(type="audio", transcript="x")),
    e.ResponseOutputItemDone(response_id="r", item=CALLED),
    e.ResponseDone(response=Response(id="r", status="completed", output=(DONE, CALLED), usage=USAGE)),
    e.ResponseDone(
        response=Response(
            id="r", status="cancelled", status_details=StatusDetails(type="cancelled", reason="turn_detected")
        )
    ),
    e.RateLimitsUpdated(),
]


def assert_theirs(union: Any, text: str) -> None:
    parsed = TypeAdapter(union).validate_json(text)
    assert parsed.type == json.loads(text)["type"]
    assert unknown_fields(parsed) == []


@pytest.mark.parametrize("event", CLIENT, ids=lambda event: type(event).__name__)
def test_every_client_event_of_ours_is_one_of_theirs(event: e.ClientEvent) -> None:
    assert_theirs(models.RealtimeClientEvent, GA.encode_client(event))


@pytest.mark.parametrize("event", SERVER, ids=lambda event: type(event).__name__)
def test_every_server_event_of_ours_is_one_of_theirs(event: e.ServerEvent) -> None:
    assert_theirs(models.RealtimeServerEvent, GA.encode_server(event, "event_1"))


@pytest.mark.parametrize("event", CLIENT[:-1], ids=lambda event: type(event).__name__)
def test_the_beta_shape_of_a_client_event_is_one_of_theirs(event: e.ClientEvent) -> None:
    assert_theirs(beta_models.RealtimeClientEvent, BETA.encode_client(event))


def test_their_connect_client_can_read_what_we_write() -> None:
    audio = next(event for event in SERVER if isinstance(event, e.ResponseOutputAudioDelta))
    parsed = models.ResponseAudioDeltaEvent.model_validate_json(GA.encode_server(audio, "event_1"))
    assert parsed.delta
