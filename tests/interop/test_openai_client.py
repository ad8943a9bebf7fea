"""OpenAI's own Realtime client talks to `python -m callactors realtime`, and is at home there.

Every event is read by the client's models, strictly; the agent's voice is judged by ear.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import numpy as np
import pytest
import trio

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.net.offload import in_thread
from tests.interop.speaking import ROOT, Ears, realtime, spoken, words

QUESTION = "What are your opening hours on Sunday?"
BREAK_IN = "Excuse me, I have to stop you there."
HOURS = {
    "type": "function",
    "name": "check_opening_hours",
    "description": "Look up when the library opens and closes. Callers say: what are your opening hours",
    "parameters": {
        "type": "object",
        "properties": {"day": {"type": "string", "enum": ["Saturday", "Sunday"], "description": "the day of the week"}},
        "required": ["day"],
    },
}
WIRE = {AudioFormat.PCM16: {"type": "audio/pcm", "rate": 24000}, AudioFormat.PCMU: {"type": "audio/pcmu"}}
PATIENCE = 30.0  # seconds for one event
FORMATS = pytest.mark.parametrize("format", WIRE, ids=str)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with realtime() as model:
        yield model.url


@pytest.fixture(scope="module")
def voice() -> dict[str, Samples]:
    return spoken([QUESTION, BREAK_IN])


@pytest.fixture(scope="module")
def ears() -> Ears:
    return Ears.open()


@FORMATS
async def test_a_session_is_created_and_becomes_what_it_is_asked_to_be(url: str, format: AudioFormat) -> None:
    async with openai(url) as client:
        assert (await client.until("session.created"))["session"]["type"] == "realtime"
        session = (await client.configure(format))["session"]
        assert session["instructions"] == "You answer for a library."
        assert session["tools"] == [HOURS]
        assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == WIRE[format]


@FORMATS
async def test_a_spoken_question_is_answered_aloud_by_way_of_a_function(
    url: str, format: AudioFormat, voice: dict[str, Samples], ears: Ears
) -> None:
    async with openai(url) as client:
        await client.configure(format)
        await client.says(voice[QUESTION])
        turn = [await client.until(kind) for kind in HEARD]
        assert len({event["item_id"] for event in turn}) == 1
        assert words(turn[-1]["transcript"]) >= {"opening", "hours", "sunday"}
        asked = await client.reply()
        [call] = asked.output
        assert (call["type"], call["name"]) == ("function_call", "check_opening_hours")
        assert json.loads(call["arguments"]) == {"day": "Sunday"}
        await client.returns(call["call_id"], {"say": "On Sunday the library is open until midnight."})
        await client.call("response.create")
        told = await client.reply()
        assert told.status == "completed"
        assert words(told.transcript) >= {"sunday", "library", "open", "midnight"}
        assert await in_thread(ears.words, told.audio, format) >= {"sunday", "library", "open", "midnight"}


def story(format: AudioFormat) -> str:
    """Sentences nobody has said before, seconds of synthesis: a cached story would be told before it is interrupted."""
    reader = "old man" if format is AudioFormat.PCM16 else "young woman"
    return " ".join(f"In winter number {n} the {reader} read {n + 3} pages before the snow came." for n in range(1, 41))


@FORMATS
async def test_an_interrupted_answer_is_cut_off_and_truncated_at_what_was_heard(
    url: str, format: AudioFormat, voice: dict[str, Samples], ears: Ears
) -> None:
    async with openai(url) as client:
        await client.configure(format)
        await client.call("response.create", response={"instructions": f"Say exactly: {story(format)}"})
        item_id = (await client.until("response.output_audio.delta"))["item_id"]
        await client.says(voice[BREAK_IN])
        await client.until("input_audio_buffer.speech_started")
        done = (await client.until("response.done"))["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
        await client.call("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=600)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 600
        await client.call("conversation.item.retrieve", item_id=item_id)
        [part] = (await client.until("conversation.item.retrieved"))["item"]["content"]
        assert not part.get("transcript")
        await client.call(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=60_000, event_id="too_far"
        )
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("invalid_value", "too_far")
        await client.goes_on(ears, format)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("conversation.item.truncate", {"item_id": "nobody", "content_index": 0, "audio_end_ms": 1}),
    ("conversation.item.delete", {"item_id": "nobody"}),
    ("conversation.item.create", {"item": {"type": "function_call_output", "call_id": "nobody", "output": "{}"}}),
    ("input_audio_buffer.commit", {}),
    ("input_audio_buffer.append", {"audio": "this is not base64!"}),
    ("response.cancel", {}),
    ("session.update", {"session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/opus"}}}}}),
    ("session.update", {"session": {"type": "realtime", "tools": [HOURS, HOURS]}}),
]


async def test_a_bad_request_is_an_error_with_the_clients_event_id_and_the_session_goes_on(
    url: str, ears: Ears
) -> None:
    async with openai(url) as client:
        await client.until("session.created")
        for number, (verb, arguments) in enumerate(BAD):
            await client.call(verb, **arguments, event_id=f"mine_{number}")
            error = (await client.until("error"))["error"]
            assert (error["type"], error["event_id"]) == ("invalid_request_error", f"mine_{number}"), verb
        await client.call("send", event={"type": "session.delete", "event_id": "mine_too"})
        assert (await client.until("error"))["error"]["event_id"] == "mine_too"
        await client.goes_on(ears, AudioFormat.PCM16)


async def test_a_client_may_decide_by_itself_when_a_turn_ends(url: str, voice: dict[str, Samples]) -> None:
    async with openai(url) as client:
        await client.configure(AudioFormat.PCM16, turn_detection=None)
        await client.says(voice[QUESTION])
        await client.call("input_audio_buffer.commit")
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert "sunday" in words(heard["transcript"])
        assert not [event for event in client.seen if event["type"].startswith(("response.", "input_audio_buffer.sp"))]
        await client.call("response.create", response={"output_modalities": ["text"]})
        assert [item["name"] for item in (await client.reply()).output] == ["check_opening_hours"]


# -- the client --------------------------------------------------------------------------------------------------------

FINE = {"instructions": "Say exactly: Everything is fine."}
HEARD = (
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.completed",
)


@attrs.frozen
class Reply:
    """A whole response, as the client read it."""

    status: str
    output: list[dict[str, Any]]
    transcript: str
    audio: bytes


@attrs.define(eq=False, slots=False)
class Client:
    """The openai client in its process: calls of its methods, and the events it gave us."""

    process: trio.Process
    seen: list[dict[str, Any]] = attrs.field(factory=list)
    format: AudioFormat = AudioFormat.PCM16

    def __attrs_post_init__(self) -> None:
        self._came, self._coming = trio.open_memory_channel[dict[str, Any]](math.inf)

    async def call(self, verb: str, **arguments: Any) -> None:
        """Call a method of the client's connection."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(json.dumps({"call": verb, "with": arguments}).encode() + b"\n")

    async def listen(self) -> None:
        """Take events from the client as they come, whatever the test is doing, until it ends."""
        assert self.process.stdout is not None
        unread = bytearray()
        async for chunk in self.process.stdout:
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                self._came.send_nowait(json.loads(line))

    async def event(self) -> dict[str, Any]:
        """The next event; its own models could read all of it."""
        event = await self._coming.receive()
        assert event.pop("unread") == [], event
        self.seen.append(event)
        return event

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of a type; an error that was not asked for is a failure."""
        with trio.fail_after(PATIENCE):
            while (event := await self.event())["type"] != kind:
                assert event["type"] != "error", event
        return event

    async def configure(self, format: AudioFormat, **heard: Any) -> dict[str, Any]:
        """Set the session up; the event that says so."""
        self.format = format
        heard = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 400}, **heard}
        audio = {
            "input": {"format": WIRE[format], "transcription": {"model": "gpt-transcribe"}, **heard},
            "output": {"format": WIRE[format], "voice": "marin"},
        }
        session = {"type": "realtime", "instructions": "You answer for a library.", "tools": [HOURS], "audio": audio}
        await self.call("session.update", session=session)
        return await self.until("session.updated")

    async def says(self, samples: Samples) -> None:
        """Speech (int16, 24 kHz), and a second of silence behind it, in pieces of 100 ms as a microphone would."""
        convert = Converter(AudioFormat.PCM16, self.format)
        audio = convert.feed(np.concatenate([samples, np.zeros(24_000, np.int16)]).tobytes())
        step = self.format.bytes_per_ms * 100
        for start in range(0, len(audio), step):
            piece = base64.b64encode(audio[start : start + step]).decode()
            await self.call("input_audio_buffer.append", audio=piece)

    async def returns(self, call_id: str, output: object) -> None:
        """What a function call came to."""
        item = {"type": "function_call_output", "call_id": call_id, "output": json.dumps(output)}
        await self.call("conversation.item.create", item=item)
        assert (await self.until("conversation.item.done"))["item"]["call_id"] == call_id

    async def reply(self) -> Reply:
        """The next response, to its end."""
        created = await self.until("response.created")
        done = (await self.until("response.done"))["response"]
        assert done["id"] == created["response"]["id"]
        return self.told(done)

    def told(self, done: dict[str, Any]) -> Reply:
        """A finished response, put together from all that was seen of it."""
        events = [event for event in self.seen if event.get("response_id") == done["id"]]
        audio = b"".join(base64.b64decode(e["delta"]) for e in events if e["type"] == "response.output_audio.delta")
        words_said = [e["transcript"] for e in events if e["type"] == "response.output_audio_transcript.done"]
        return Reply(done["status"], done["output"], " ".join(words_said), audio)

    async def goes_on(self, ears: Ears, format: AudioFormat) -> None:
        """Whether the session is still of use: it speaks, and is asked again if a reply of its own was under way."""
        told = Reply("", [], "", b"")
        await self.call("response.create", response=FINE)
        refused = False
        with trio.fail_after(PATIENCE):
            while "fine" not in words(told.transcript):
                event = await self.event()
                if event["type"] == "error":
                    assert event["error"]["code"] == "conversation_already_has_active_response", event
                    refused = True
                elif event["type"] == "response.done":
                    told = self.told(event["response"])
                    if refused:
                        refused = False
                        await self.call("response.create", response=FINE)
        assert await in_thread(ears.words, told.audio, format) >= {"everything", "fine"}


@asynccontextmanager
async def openai(url: str) -> AsyncIterator[Client]:
    """A connected client; it ends cleanly when the block is left."""
    command = [sys.executable, "-m", "tests.interop.openai_client", url]
    async with trio.open_nursery() as nursery:
        run = functools.partial(trio.run_process, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process: trio.Process = await nursery.start(run, command)
        try:
            client = Client(process)
            nursery.start_soon(client.listen)
            yield client
            assert process.stdin is not None
            await process.stdin.aclose()
            with trio.fail_after(PATIENCE):
                assert await process.wait() == 0
        finally:
            nursery.cancel_scope.cancel()
