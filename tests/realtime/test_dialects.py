"""Both dialects, both ways: what is written is read back, what is odd is named or refused."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio.format import AudioFormat
from callactors.errors import MalformedEvent
from callactors.realtime import events as e
from callactors.realtime.dialects import BETA, GA, Dialect
from callactors.realtime.items import ErrorDetail, Item, Part, Response, ResponseSettings, Session
from callactors.realtime.session import Profile, session_update

PROFILE = Profile(instructions="Hi", format=AudioFormat.PCMU, tools=({"name": "book"},), voice="marin", idle_ms=8000)
MESSAGE = Item(
    type="message",
    id="i",
    role="assistant",
    content=(Part(type="output_text", text="Hello"), Part(type="output_audio")),
)
CLIENT = [
    session_update(PROFILE, "cfg_1"),
    e.InputAudioBufferAppend(audio=b"\x00\xff" * 80),
    e.InputAudioBufferCommit(),
    e.ConversationItemCreate(item=MESSAGE),
    e.ConversationItemCreate(item=Item(type="function_call_output", call_id="c", output="{}")),
    e.ConversationItemTruncate(item_id="i", content_index=0, audio_end_ms=0),
    e.ResponseCreate(),
    e.ResponseCreate(event_id="x", response=ResponseSettings(instructions="Say", output_modalities=("audio",))),
    e.ResponseCancel(response_id="r"),
]
SERVER: list[e.ServerEvent] = [
    e.ErrorReported(event_id="e", error=ErrorDetail(type="t", code="c", message="m")),
    e.SessionCreated(event_id="e", session=Session(type="realtime", model="m")),
    e.ConversationItemAdded(event_id="e", item=MESSAGE, previous_item_id="p"),
    e.InputAudioBufferSpeechStarted(event_id="e", item_id="i", audio_start_ms=1200),
    e.ConversationItemInputAudioTranscriptionCompleted(event_id="e", item_id="i", transcript="I need"),
    e.ResponseCreated(event_id="e", response=Response(id="r", output=(MESSAGE,))),
    e.ResponseOutputAudioDelta(event_id="e", response_id="r", item_id="i", delta=b"\x7f" * 160),
    e.ResponseOutputAudioTranscriptDelta(event_id="e", response_id="r", item_id="i", delta="Sure"),
    e.ResponseOutputItemDone(event_id="e", response_id="r", item=MESSAGE),
    e.ResponseDone(event_id="e", response=Response(id="r", status="completed")),
]


def _without_what_beta_lacks(event: Any) -> Any:
    if not isinstance(event, e.SessionUpdate):
        return event
    written = json.loads(GA.encode_client(event))
    written["session"]["audio"]["input"]["turn_detection"].pop("idle_timeout_ms")
    return GA.decode_client(json.dumps(written))


@pytest.mark.parametrize("event", CLIENT, ids=lambda event: type(event).__name__)
def test_a_client_event_comes_back_as_it_was(event: Any) -> None:
    assert GA.decode_client(GA.encode_client(event)) == event
    assert BETA.decode_client(BETA.encode_client(event)) == _without_what_beta_lacks(event)


@pytest.mark.parametrize("event", SERVER, ids=lambda event: type(event).__name__)
def test_a_server_event_comes_back_as_it_was(event: Any) -> None:
    assert GA.decode_server(GA.encode_server(event)) == event
    back = BETA.decode_server(BETA.encode_server(event))
    if isinstance(event, e.ConversationItemAdded):  # one event in beta, with a name of its own
        assert back == e.ConversationItemCreated(event_id="e", item=event.item, previous_item_id="p")
    else:
        assert back == event


def test_what_is_not_set_is_not_written() -> None:
    assert json.loads(GA.encode_client(e.ResponseCreate())) == {"type": "response.create"}
    update = json.loads(GA.encode_client(session_update(PROFILE)))
    assert "model" not in update["session"]
    assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}


def test_turn_detection_can_be_left_alone_or_switched_off() -> None:
    text = '{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":null}}}}'
    assert GA.encode_client(typing.cast(Any, GA.decode_client(text))) == text


def test_a_server_event_without_an_id_can_be_given_one() -> None:
    assert json.loads(GA.encode_server(e.InputAudioBufferCleared(), "ev_1"))["event_id"] == "ev_1"


def test_beta_writes_a_flat_session_and_its_own_names() -> None:
    session = json.loads(BETA.encode_client(session_update(PROFILE)))["session"]
    assert session["input_audio_format"] == session["output_audio_format"] == "g711_ulaw"
    assert session["modalities"] == ["text", "audio"]
    assert session["max_response_output_tokens"] == 1024
    assert "type" not in session
    assert "idle_timeout_ms" not in session["turn_detection"]
    assert json.loads(BETA.encode_server(SERVER[6]))["type"] == "response.audio.delta"


def test_the_ga_reader_understands_beta_names() -> None:
    text = '{"type":"response.audio.delta","response_id":"r","item_id":"i","delta":"fn8="}'
    assert GA.decode_server(text) == e.ResponseOutputAudioDelta(response_id="r", item_id="i", delta=b"\x7e\x7f")


def test_a_beta_transcription_session_is_a_session_of_that_type() -> None:
    text = '{"type":"transcription_session.update","session":{"input_audio_format":"pcm16"}}'
    update = BETA.decode_client(text)
    assert isinstance(update, e.SessionUpdate)
    assert update.session.type == "transcription"
    assert json.loads(BETA.encode_client(update))["type"] == "transcription_session.update"


@pytest.mark.parametrize("dialect", [GA, BETA], ids=lambda dialect: dialect.name)
def test_an_unknown_type_is_named(dialect: Dialect) -> None:
    assert dialect.decode_server('{"type":"hyper.new","x":[1]}') == e.Unknown("hyper.new")
    assert dialect.decode_client('{"type":"hyper.new"}') == e.Unknown("hyper.new")


NONSENSE = [
    "",
    "{]",
    "[]",
    "null",
    "{}",
    '{"type":3}',
    '{"type":null}',
    '{"type":"error"}',
    '{"type":"session.created","session":[]}',
    '{"type":"conversation.item.added","item":{"type":"message","content":[7]}}',
    '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"@@"}',
    '{"type":"response.audio.delta","response_id":"r","item_id":"i","delta":5}',
    '{"type":"response.created","response":{"status":"x","output":{"a":1}}}',
    "\ud800",
    '{"type":"conversation.item.retrieved","item":Infinity}',
    '{"type":"no.such.event","item":Infinity}',
    '{"type":"session.created","session":{"type":"realtime","tool_choice":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}}",
]


@pytest.mark.parametrize("dialect", [GA, BETA], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: ascii(text[:40]))
def test_nonsense_is_a_malformed_event_and_nothing_else(dialect: Dialect, text: str) -> None:
    with pytest.raises(MalformedEvent):
        dialect.decode_server(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["item", "type", "session"]), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["item", "session", "response", "delta", "item_id", "response_id", "error", "content"])
TYPES = st.sampled_from(sorted({str(m.__struct_config__.tag) for m in typing.get_args(e.ServerEvent)} - {"None"}))


@settings(max_examples=150)
@given(st.dictionaries(KEYS, JSON, max_size=5), TYPES, st.sampled_from([GA, BETA]))
def test_whatever_is_in_an_event_it_is_read_or_refused(body: dict[str, Any], kind: str, dialect: Dialect) -> None:
    for decode in (dialect.decode_server, dialect.decode_client):
        try:
            decode(json.dumps({"type": kind, **body}))
        except MalformedEvent:
            continue
