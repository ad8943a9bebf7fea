"""The cascade as a Realtime client sees it: events, in order, for speech, text, tools, interruptions and nonsense.

Loud is speech, a scripted transcriber hears, a tone speaks, a scripted mind thinks; time is virtual.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
import numpy as np
import pytest
import trio

from callactors.actors.cascade import UNINTELLIGIBLE, Cascade, literal
from callactors.actors.mailbox import Mailbox
from callactors.audio.format import AudioFormat
from callactors.net import offload
from callactors.realtime import events as e
from callactors.realtime.dialects import GA
from callactors.realtime.items import (
    AudioInput,
    AudioOutput,
    FunctionTool,
    Item,
    Part,
    ResponseSettings,
    Session,
    SessionAudio,
    TurnDetection,
    WireFormat,
)
from callactors.speech.brain import Brain
from callactors.speech.mind import Say, Use
from callactors.speech.tts.voice import VoiceDied
from callactors.speech.vad import Silero, Vad
from callactors.speech.wave import Floats, Samples

PCMU = WireFormat(type="audio/pcmu")
LOUD, QUIET = b"\x00\x80", b"\xff\xff"
E = TypeVar("E")


class Loudness(Silero):
    """A network for which loud is speech."""

    def step(self, window: Floats, state: Floats) -> tuple[float, Floats]:
        return float(np.abs(window[32:]).mean() > 0.1), state


@attrs.define(eq=False)
class ScriptedBrain(Brain):
    """Hears what the script says, speaks 60 ms a word, `pace` seconds a piece."""

    words: list[str] = attrs.field(factory=list)
    mind: ScriptedMind = attrs.field(factory=lambda: ScriptedMind())
    pace: float = 0.0
    decodes: int = 0
    mute: bool = False

    def listen(self) -> Vad:
        return Loudness(None).listen()

    async def transcribe(self, samples: Samples) -> str:
        self.decodes += 1
        await trio.sleep(0.1)
        return self.words[0] if len(self.words) == 1 else self.words.pop(0)

    async def say(self, text: str, format: AudioFormat) -> bytes:
        await trio.sleep(self.pace)
        if self.mute:
            raise VoiceDied("the voice is gone")
        return b"\x55" * (len(text.split()) * 60 * format.bytes_per_ms)

    def think(self) -> ScriptedMind:
        return self.mind


@attrs.define(eq=False)
class ScriptedMind:
    """Answers `book ...` with a tool, the rest with what it heard."""

    heard: list[str] = attrs.field(factory=list)
    configured: list[tuple[str, list[str]]] = attrs.field(factory=list)
    finished: list[tuple[str, str]] = attrs.field(factory=list)

    def configure(self, instructions: str, tools: Sequence[Mapping[str, Any]]) -> None:
        self.configured.append((instructions, [tool["name"] for tool in tools]))

    def hear(self, text: str) -> list[Say | Use]:
        self.heard.append(text)
        return [Say("One moment."), Use("book", {"day": 3})] if "book" in text else [Say(f"You said: {text}")]

    def tool_finished(self, call_id: str, output: str) -> list[Say | Use]:
        self.finished.append((call_id, output))
        return [Say("Done.")]

    def wake(self) -> list[Say | Use]:
        return [Say("Hello there.")]


@attrs.define(eq=False)
class Client:
    """The client's end: sends, and collects what comes."""

    requests: Mailbox[e.ClientEvent]
    replies: Mailbox[e.ServerEvent]
    seen: list[e.ServerEvent] = attrs.field(factory=list)

    async def send(self, *events: e.ClientEvent) -> None:
        for event in events:
            await self.requests.send(event)

    async def until(self, kind: type[E]) -> E:
        """Collect up to the next event of `kind`."""
        with trio.fail_after(30):
            async for event in self.replies:
                self.seen.append(event)
                if isinstance(event, kind):
                    return event
        raise AssertionError(f"the session ended without {kind.__name__}")

    async def speak(self, loud_ms: int = 640, quiet_ms: int = 640) -> None:
        """Audio in batches of 64 ms, in real time."""
        for byte, ms in ((LOUD, loud_ms), (QUIET, quiet_ms)):
            for _ in range(ms // 64):
                await self.requests.send(e.InputAudioBufferAppend(audio=byte * 256))
                await trio.sleep(0.064)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.seen]

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]


@asynccontextmanager
async def session(brain: ScriptedBrain, *, turns: TurnDetection | bool | None = True) -> AsyncIterator[Client]:
    """A session in PCMU with two tools, configured; `turns` None is push-to-talk."""
    offload.INLINE.set(True)
    client = Client(Mailbox(64), Mailbox(1_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Cascade(client.requests, client.replies, brain).run)
        heard = AudioInput(format=PCMU) if turns is True else AudioInput(format=PCMU, turn_detection=turns or None)
        wanted = Session(
            type="realtime",
            instructions="Be kind.",
            tools=(FunctionTool(name="book"), FunctionTool(name="find")),
            audio=SessionAudio(input=heard, output=AudioOutput(format=PCMU)),
        )
        await client.send(e.SessionUpdate(session=wanted))
        await client.until(e.SessionUpdated)
        yield client
        client.requests.close()
        nursery.cancel_scope.deadline = trio.current_time() + 60


def brain(*words: str, pace: float = 0.0) -> ScriptedBrain:
    return ScriptedBrain(words=list(words or ["hello"]), pace=pace)


def user_says(text: str) -> e.ConversationItemCreate:
    part = Part(type="input_text", text=text)
    return e.ConversationItemCreate(item=Item(type="message", role="user", content=(part,)))


async def test_a_session_is_created_before_anything_and_updated_when_asked(autojump_clock: trio.abc.Clock) -> None:
    mind = ScriptedMind()
    async with session(ScriptedBrain(mind=mind)) as client:
        assert client.kinds() == ["SessionCreated", "SessionUpdated"]
        assert mind.configured == [("Be kind.", ["book", "find"])]


async def test_a_spoken_turn_is_answered_in_openais_order(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain("good morning")) as client:
        client.seen.clear()
        await client.speak()
        await client.until(e.ResponseDone)
        assert client.kinds() == [
            "InputAudioBufferSpeechStarted",
            "InputAudioBufferSpeechStopped",
            "InputAudioBufferCommitted",
            "ConversationItemAdded",
            "ConversationItemDone",
            "ConversationItemInputAudioTranscriptionCompleted",
            "ResponseCreated",
            "ResponseOutputItemAdded",
            "ConversationItemAdded",
            "ResponseContentPartAdded",
            "ResponseOutputAudioTranscriptDelta",
            "ResponseOutputAudioDelta",
            "ResponseOutputAudioDelta",
            "ResponseOutputAudioDone",
            "ResponseOutputAudioTranscriptDone",
            "ResponseContentPartDone",
            "ResponseOutputItemDone",
            "ConversationItemDone",
            "ResponseDone",
        ]
        assert client.all(e.ResponseOutputAudioTranscriptDone)[0].transcript == "You said: good morning"
        assert all(GA.decode_server(GA.encode_server(event, "x")) for event in client.seen)


async def test_the_words_are_ready_when_the_hang_over_ends(autojump_clock: trio.abc.Clock) -> None:
    scripted = brain("good morning")
    async with session(scripted) as client:
        await client.speak(640, 640)
        stopped = await client.until(e.InputAudioBufferSpeechStopped)
        assert stopped.audio_end_ms == 640
        before = trio.current_time()
        await client.until(e.ResponseOutputAudioDelta)
        assert trio.current_time() - before < 0.01
        assert scripted.decodes == 1


async def test_unfinished_words_are_given_more_time(autojump_clock: trio.abc.Clock) -> None:
    scripted = brain("my name is", "my name is Dana")
    async with session(scripted) as client:
        await client.speak(640, 640)
        await client.speak(640, 640)
        await client.until(e.ResponseDone)
        assert len(client.all(e.InputAudioBufferSpeechStopped)) == 1
        assert scripted.mind.heard == ["my name is Dana"]


async def test_speech_without_words_is_asked_for_again(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain("")) as client:
        await client.speak(1_280)
        await client.until(e.ResponseDone)
        assert client.all(e.ResponseOutputAudioTranscriptDone)[0].transcript == UNINTELLIGIBLE


async def test_a_short_noise_is_not_answered(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain("")) as client:
        await client.speak(192, 1_280)
        await client.until(e.ConversationItemInputAudioTranscriptionCompleted)
        await trio.sleep(5)
        await client.send(e.ConversationItemRetrieve(item_id="x"))
        await client.until(e.ErrorReported)
        assert not client.all(e.ResponseCreated)


async def test_a_tool_is_asked_for_and_its_output_spoken(autojump_clock: trio.abc.Clock) -> None:
    scripted = brain()
    async with session(scripted) as client:
        await client.send(user_says("book me in"), e.ResponseCreate())
        done = await client.until(e.ResponseDone)
        assert [item.type for item in done.response.output] == ["message", "function_call"]
        call = done.response.output[1]
        assert (call.name, call.arguments, call.status) == ("book", '{"day": 3}', "completed")
        output = Item(type="function_call_output", call_id=call.call_id, output='{"ok":true}')
        await client.send(e.ConversationItemCreate(item=output), e.ResponseCreate())
        await client.until(e.ResponseDone)
        assert client.all(e.ResponseOutputAudioTranscriptDone)[-1].transcript == "Done."
        assert scripted.mind.finished == [(call.call_id, '{"ok":true}')]


async def test_the_client_may_say_exactly_what_is_to_be_said(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain()) as client:
        wanted = ResponseSettings(
            instructions='Say exactly: "Shear Joy, how can I help?"', metadata={"topic": "greeting"}
        )
        await client.send(e.ResponseCreate(response=wanted))
        done = await client.until(e.ResponseDone)
        assert client.all(e.ResponseOutputAudioTranscriptDone)[0].transcript == "Shear Joy, how can I help?"
        assert (done.response.status, done.response.metadata) == ("completed", {"topic": "greeting"})


async def test_a_response_without_new_words_wakes_the_mind(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain()) as client:
        await client.send(e.ResponseCreate())
        await client.until(e.ResponseDone)
        assert client.all(e.ResponseOutputAudioTranscriptDone)[0].transcript == "Hello there."


async def test_text_sessions_get_text(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain()) as client:
        wanted = ResponseSettings(output_modalities=("text",))
        await client.send(user_says("hi"), e.ResponseCreate(response=wanted))
        done = await client.until(e.ResponseDone)
        assert [part.type for part in done.response.output[0].content or ()] == ["output_text"]
        assert not client.all(e.ResponseOutputAudioDelta)


async def test_speech_cuts_a_response_off(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain("stop", pace=2.0)) as client:
        await client.send(user_says("tell me a story"), e.ResponseCreate())
        await client.until(e.ResponseCreated)
        await client.speak()
        done = await client.until(e.ResponseDone)
        assert done.response.status == "cancelled"
        assert done.response.status_details is not None
        assert done.response.status_details.reason == "turn_detected"
        assert (await client.until(e.ResponseDone)).response.status == "completed"


async def test_a_tool_decided_on_survives_a_barge_in(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain("and quickly please", pace=2.0)) as client:
        await client.send(user_says("book me in"), e.ResponseCreate())
        await client.until(e.ResponseOutputItemAdded)
        await client.speak()
        cut = await client.until(e.ResponseDone)
        assert cut.response.status == "cancelled"
        done = await client.until(e.ResponseDone)
        assert [item.type for item in done.response.output] == ["function_call", "message"]


async def test_without_interrupt_response_the_answer_is_spoken_to_its_end(autojump_clock: trio.abc.Clock) -> None:
    turns = TurnDetection(type="server_vad", interrupt_response=False)
    async with session(brain("and then", pace=2.0), turns=turns) as client:
        await client.send(user_says("tell me a story"), e.ResponseCreate())
        await client.speak()
        first, second = [(await client.until(e.ResponseDone)).response for _ in range(2)]
        assert (first.status, second.status) == ("completed", "completed")


async def test_a_client_may_cancel(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain(pace=2.0)) as client:
        await client.send(e.ResponseCreate())
        await client.until(e.ResponseCreated)
        await client.send(e.ResponseCancel())
        done = await client.until(e.ResponseDone)
        assert done.response.status_details is not None
        assert done.response.status_details.reason == "client_cancelled"


async def test_a_voice_that_fails_fails_the_response_only(autojump_clock: trio.abc.Clock) -> None:
    scripted = brain()
    scripted.mute = True
    async with session(scripted) as client:
        await client.send(e.ResponseCreate())
        assert (await client.until(e.ResponseDone)).response.status == "failed"
        scripted.mute = False
        await client.send(e.ResponseCreate())
        assert (await client.until(e.ResponseDone)).response.status == "completed"


async def test_push_to_talk_waits_for_commit_and_create(autojump_clock: trio.abc.Clock) -> None:
    scripted = brain("push to talk")
    async with session(scripted, turns=None) as client:
        await client.send(e.InputAudioBufferAppend(audio=LOUD * 4_000), e.InputAudioBufferCommit(), e.ResponseCreate())
        await client.until(e.ResponseDone)
        assert not client.all(e.InputAudioBufferSpeechStarted)
        assert scripted.mind.heard == ["push to talk"]


async def test_truncation_reaches_as_far_as_the_audio_sent(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain()) as client:
        await client.send(e.ResponseCreate())
        item = (await client.until(e.ResponseDone)).response.output[0]
        assert item.id is not None
        cut = e.ConversationItemTruncate(item_id=item.id, content_index=0, audio_end_ms=120)
        await client.send(cut)
        assert (await client.until(e.ConversationItemTruncated)).audio_end_ms == 120
        await client.send(e.ConversationItemTruncate(item_id=item.id, content_index=0, audio_end_ms=9_000))
        assert "already shorter" in (await client.until(e.ErrorReported)).error.message


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (e.InputAudioBufferCommit(event_id="me"), "input_audio_buffer_commit_empty"),
        (e.ResponseCancel(event_id="me"), "response_cancel_not_active"),
        (e.ConversationItemRetrieve(item_id="x", event_id="me"), "item_retrieve_invalid_item_id"),
        (e.ConversationItemDelete(item_id="x", event_id="me"), "item_delete_invalid_item_id"),
        (
            e.ConversationItemTruncate(item_id="x", content_index=0, audio_end_ms=1, event_id="me"),
            "item_truncate_invalid_item_id",
        ),
        (e.SessionUpdate(session=Session(type="transcription"), event_id="me"), "invalid_value"),
        (e.OutputAudioBufferClear(event_id="me"), "invalid_event"),
        (e.ResponseCreate(response=ResponseSettings(conversation="none"), event_id="me"), "invalid_value"),
        (e.ConversationItemCreate(item=Item(type="message", role="king"), event_id="me"), "invalid_value"),
        (e.ConversationItemCreate(item=Item(type="reasoning"), event_id="me"), "invalid_value"),
        (
            e.ConversationItemCreate(item=Item(type="function_call_output", call_id="x", output=""), event_id="me"),
            "invalid_value",
        ),
        (
            e.ConversationItemCreate(
                item=Item(type="message", role="user", content=(Part(type="input_image"),)), event_id="me"
            ),
            "invalid_value",
        ),
    ],
)
async def test_a_wrong_event_is_an_error_and_the_session_goes_on(
    autojump_clock: trio.abc.Clock, event: e.ClientEvent, code: str
) -> None:
    async with session(brain()) as client:
        await client.send(event)
        error = (await client.until(e.ErrorReported)).error
        assert (error.code, error.event_id) == (code, "me")
        await client.send(e.ResponseCreate())
        assert (await client.until(e.ResponseDone)).response.status == "completed"


async def test_one_response_at_a_time(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain(pace=2.0)) as client:
        await client.send(e.ResponseCreate(), e.ResponseCreate(event_id="second"))
        error = (await client.until(e.ErrorReported)).error
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "second")
        assert (await client.until(e.ResponseDone)).response.status == "completed"


async def test_the_session_ends_with_its_requests(autojump_clock: trio.abc.Clock) -> None:
    async with session(brain(pace=2.0)) as client:
        await client.send(e.ResponseCreate())
        client.requests.close()
        with pytest.raises(AssertionError, match="the session ended"):
            await client.until(e.ResponseDone)


@pytest.mark.parametrize(
    ("instructions", "text"),
    [
        ("Say exactly: Hello.", "Hello."),
        ('say exactly this to the caller: "Hello."', "Hello."),
        ("Greet the caller.", None),
        (None, None),
    ],
)
def test_only_literal_instructions_are_spoken(instructions: str | None, text: str | None) -> None:
    assert literal(instructions) == text
