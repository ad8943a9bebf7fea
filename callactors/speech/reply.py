"""One response of the cascade being told: its events, in the order of WIRE-FORMATS 2.3.

- Words and audio go out piece by piece as they are synthesised, in deltas of DELTA_MS, faster than they sound.
- Consecutive sentences are one message item; a tool request is an item of its own.
- What was told is remembered, so that a reply cut off at any point can be closed properly by `finish`.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from callactors.realtime import events as e
from callactors.realtime.items import ErrorDetail, Item, Part, Response, StatusDetails, TokenDetails, Usage
from callactors.speech.brain import Brain
from callactors.speech.items import Items
from callactors.speech.session import Settings

DELTA_MS = 200
_OBJECT = "realtime.item"
Tell = Callable[[e.ServerEvent], Awaitable[None]]


def new_id(kind: str) -> str:
    """`item_...`, `resp_...`, `call_...`: unique in the world."""
    return f"{kind}_{uuid.uuid4().hex[:20]}"


@attrs.define(eq=False)
class _Message:
    """The message item being spoken."""

    id: str
    index: int
    words: list[str] = attrs.field(factory=list)
    sent_bytes: int = 0

    @property
    def text(self) -> str:
        return " ".join(self.words)


@attrs.define(eq=False)
class Reply:
    """One response. A barge-in cancels `scope`; `over`: its task has left it; `freed`: all is told."""

    tell: Tell
    brain: Brain
    items: Items
    settings: Settings
    spoken: bool
    metadata: dict[str, str] | None = None
    id: str = attrs.field(factory=lambda: new_id("resp"))
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    over: trio.Event = attrs.field(factory=trio.Event)
    freed: trio.Event = attrs.field(factory=trio.Event)
    finishing: bool = False
    _output: list[Item] = attrs.field(factory=list, init=False)
    _message: _Message | None = attrs.field(default=None, init=False)
    _audio_ms: int = attrs.field(default=0, init=False)

    async def begin(self) -> None:
        await self.tell(e.ResponseCreated(response=self._state("in_progress")))

    async def say(self, text: str) -> None:
        """Speak `text` (or tell it, in a text session). Raises VoiceDied."""
        if self._message is None:
            self._message = await self._open_message()
        if not self.spoken:
            await self._tell_words(self._message, text)
            return
        async for piece in self.brain.speak(text, self.settings.spoken_as):
            await self._tell_words(self._message, piece.text)
            await self._tell_audio(self._message, piece.audio)

    async def use(self, call_id: str, tool: str, arguments: str) -> None:
        """Ask for a tool; `arguments` is JSON."""
        await self.close_message("completed")
        index, item_id = len(self._output), new_id("item")
        item = Item(type="function_call", id=item_id, object=_OBJECT, name=tool, call_id=call_id, arguments=arguments)
        started, finished = _with(item, status="in_progress", arguments=""), _with(item, status="completed")
        self._output.append(finished)
        before = self.items.add(finished)
        of: dict[str, Any] = {"response_id": self.id, "output_index": index}
        await self.tell(e.ResponseOutputItemAdded(**of, item=started))
        await self.tell(e.ConversationItemAdded(item=started, previous_item_id=before))
        body: dict[str, Any] = {"response_id": self.id, "output_index": index, "item_id": item_id, "call_id": call_id}
        await self.tell(e.ResponseFunctionCallArgumentsDelta(**body, delta=arguments))
        await self.tell(e.ResponseFunctionCallArgumentsDone(**body, name=tool, arguments=arguments))
        await self.tell(e.ResponseOutputItemDone(**of, item=finished))
        await self.tell(e.ConversationItemDone(item=finished, previous_item_id=before))

    async def finish(self, status: str, reason: str | None = None, error: ErrorDetail | None = None) -> None:
        """Close what is open and tell response.done. `status`: completed, cancelled, failed."""
        self.finishing = True
        await self.close_message("completed" if status == "completed" else "incomplete")
        details = None if status == "completed" else StatusDetails(type=status, reason=reason, error=error)
        await self.tell(e.ResponseDone(response=self._state(status, details)))

    async def close_message(self, status: str) -> None:
        """Tell the end of the message item being spoken, if there is one."""
        message, self._message = self._message, None
        if message is None:
            return
        of = self._part(message)
        if self.spoken:
            await self.tell(e.ResponseOutputAudioDone(**of))
            await self.tell(e.ResponseOutputAudioTranscriptDone(**of, transcript=message.text))
            part, content = (
                Part(type="audio", transcript=message.text),
                Part(type="output_audio", transcript=message.text),
            )
        else:
            await self.tell(e.ResponseOutputTextDone(**of, text=message.text))
            part, content = Part(type="text", text=message.text), Part(type="output_text", text=message.text)
        item = _message_item(message.id, status, (content,))
        self._output[message.index] = item
        self.items.replace(item)
        await self.tell(e.ResponseContentPartDone(**of, part=part))
        await self.tell(e.ResponseOutputItemDone(response_id=self.id, output_index=message.index, item=item))
        await self.tell(e.ConversationItemDone(item=item))

    async def _open_message(self) -> _Message:
        message = _Message(new_id("item"), len(self._output))
        item = _message_item(message.id, "in_progress", ())
        self._output.append(item)
        before = self.items.add(item)
        await self.tell(e.ResponseOutputItemAdded(response_id=self.id, output_index=message.index, item=item))
        await self.tell(e.ConversationItemAdded(item=item, previous_item_id=before))
        part = Part(type="audio", transcript="") if self.spoken else Part(type="text", text="")
        await self.tell(e.ResponseContentPartAdded(**self._part(message), part=part))
        return message

    def _part(self, message: _Message) -> dict[str, Any]:
        """The fields that name the content part being spoken."""
        return {"response_id": self.id, "output_index": message.index, "item_id": message.id, "content_index": 0}

    async def _tell_words(self, message: _Message, text: str) -> None:
        delta = f" {text}" if message.words else text
        message.words.append(text)
        kind = e.ResponseOutputAudioTranscriptDelta if self.spoken else e.ResponseOutputTextDelta
        await self.tell(kind(**self._part(message), delta=delta))

    async def _tell_audio(self, message: _Message, audio: bytes) -> None:
        per_ms = self.settings.spoken_as.bytes_per_ms
        for start in range(0, len(audio), DELTA_MS * per_ms):
            delta = audio[start : start + DELTA_MS * per_ms]
            message.sent_bytes += len(delta)
            self.items.sent(message.id, message.sent_bytes // per_ms)
            self._audio_ms += len(delta) // per_ms
            await self.tell(e.ResponseOutputAudioDelta(**self._part(message), delta=delta))

    def _state(self, status: str, details: StatusDetails | None = None) -> Response:
        usage = None if status == "in_progress" else self._usage()
        return Response(
            id=self.id,
            status=status,
            status_details=details,
            output=tuple(self._output),
            usage=usage,
            metadata=dict(self.metadata) if self.metadata else None,
        )

    def _usage(self) -> Usage:
        """Tokens as OpenAI counts them: one for 50 ms of audio out; words cost us nothing."""
        audio = self._audio_ms // 50
        return Usage(
            total_tokens=audio,
            input_tokens=0,
            output_tokens=audio,
            input_token_details=TokenDetails(text_tokens=0, audio_tokens=0, cached_tokens=0),
            output_token_details=TokenDetails(text_tokens=0, audio_tokens=audio),
        )


def _message_item(item_id: str, status: str, content: tuple[Part, ...]) -> Item:
    return Item(type="message", id=item_id, object=_OBJECT, role="assistant", status=status, content=content)


def _with(item: Item, *, status: str, arguments: str | None = None) -> Item:
    return Item(
        type=item.type,
        id=item.id,
        object=item.object,
        status=status,
        name=item.name,
        call_id=item.call_id,
        arguments=item.arguments if arguments is None else arguments,
    )
