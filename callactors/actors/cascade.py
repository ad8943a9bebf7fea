"""The cascade: the server side of one Realtime session, in process: hear, transcribe, think, speak.

- It takes the client events of WIRE-FORMATS section 2 and answers with OpenAI's events in OpenAI's order.
- A wrong event is an `error` event with its `event_id`, and the session goes on.
- As soon as the caller falls silent the words so far are decoded, so that they are ready when the hang-over ends.
- A barge-in cuts the reply off, never a tool request that was decided on: that one opens the next reply.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec
import numpy as np
import trio

from callactors.actors.mailbox import Mailbox
from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.errors import Ours
from callactors.net.offload import in_thread
from callactors.realtime import events as e
from callactors.realtime.items import ErrorDetail, Item, Part, ResponseSettings, Usage
from callactors.speech.brain import Brain
from callactors.speech.endpointing import (
    PATIENCE_MS,
    Endpoint,
    Paused,
    Resumed,
    SpeechStarted,
    SpeechStopped,
    more_is_coming,
)
from callactors.speech.hearing import Hearing
from callactors.speech.items import Items
from callactors.speech.mind_protocol import MindProtocol, Use
from callactors.speech.reply import Reply, new_id
from callactors.speech.session import InvalidValue, Settings, modalities
from callactors.speech.wave import Samples

SHORTEST_COMMIT_MS = 100
LONGEST_TEXT = 2_000  # characters a client may have spoken or heard at once
UNINTELLIGIBLE = "Sorry, I didn't catch that. Could you say it again?"
UNINTELLIGIBLE_MS = 700  # of speech without a word in it before we say so
_SLICE_MS = 32  # of one append heard between two checkpoints: one chunk, so at most one endpoint
_EXACTLY = re.compile(r"^\s*say (?:exactly|this|the following)[^:\n]{0,60}:\s*(.+)$", re.IGNORECASE | re.DOTALL)


def literal(instructions: str | None) -> str | None:
    """The words of `Say exactly: ...`, without quotes round them; None when the instructions are of another kind."""
    match = _EXACTLY.match(instructions or "")
    if match is None:
        return None
    text = match.group(1).strip()[:LONGEST_TEXT]
    return text[1:-1] if len(text) > 1 and (text[0], text[-1]) in {('"', '"'), ("“", "”")} else text


@attrs.define(eq=False)
class _Guess:
    """The words up to a pause, decoded before it is known whether the turn is over."""

    end_ms: int
    text: str = ""
    ready: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Cascade:
    """One session. Close `requests` to end it; it closes `replies` when it ends, for whatever reason."""

    requests: Mailbox[e.ClientEvent]
    replies: Mailbox[e.ServerEvent]
    brain: Brain
    settings: Settings = attrs.field(factory=lambda: Settings(new_id("sess")))
    _items: Items = attrs.field(factory=Items, init=False)
    _nursery: trio.Nursery = attrs.field(init=False)
    _mind: MindProtocol = attrs.field(init=False)
    _thinking: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _hearing: Hearing = attrs.field(init=False)
    _to_pcm: Converter = attrs.field(init=False)
    _item_id: str = attrs.field(default="", init=False)  # of the turn in hand
    _guess: _Guess | None = attrs.field(default=None, init=False)
    _turns: trio.Lock = attrs.field(factory=trio.Lock, init=False)  # turns are transcribed in their order
    _transcribing: int = attrs.field(default=0, init=False)
    _transcribed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _unheard: list[str] = attrs.field(factory=list, init=False)  # words the mind has not been given yet
    _acts: deque[Any] = attrs.field(factory=deque, init=False)  # decided on, not done yet
    _open_calls: set[str] = attrs.field(factory=set, init=False)
    _tools_answered: bool = attrs.field(default=False, init=False)
    _reply: Reply | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Serve the session until `requests` is closed. Raises BrainNotReady at once when the brain is not running."""
        try:
            self._mind = self.brain.think()
            self._hearing = Hearing(self.brain.listen(), self.settings.turns)
            self._to_pcm = Converter(self.settings.heard_as, AudioFormat.PCM16_8K)
            async with trio.open_nursery() as self._nursery:
                await self.replies.send(e.SessionCreated(session=self.settings.wire()))
                async for event in self.requests:
                    await self._handle(event)
                self._nursery.cancel_scope.cancel()
        finally:
            self.replies.close()

    async def _handle(self, event: e.ClientEvent) -> None:
        try:
            await self._dispatch(event)
        except InvalidValue as wrong:
            await self._refuse(wrong, event.event_id)

    async def _refuse(self, wrong: InvalidValue, event_id: str | None) -> None:
        detail = ErrorDetail(
            type="invalid_request_error",
            code=wrong.code,
            message=wrong.problem,
            param=wrong.param or None,
            event_id=event_id,
        )
        await self.replies.send(e.ErrorReported(error=detail))

    async def _dispatch(self, event: e.ClientEvent) -> None:
        match event:
            case e.InputAudioBufferAppend():
                await self._append(event.audio)
            case e.SessionUpdate():
                await self._update(event)
            case e.InputAudioBufferCommit():
                await self._commit()
            case e.InputAudioBufferClear():
                self._hearing.clear()
                await self.replies.send(e.InputAudioBufferCleared())
            case e.ResponseCreate():
                await self._create_response(event.response or ResponseSettings())
            case e.ResponseCancel():
                await self._cancel_response(event.response_id)
            case e.OutputAudioBufferClear():
                raise InvalidValue("type", "output_audio_buffer.clear is for WebRTC and SIP", "invalid_event")
            case _:
                await self._change_items(event)

    async def _change_items(self, event: e.ClientEvent) -> None:
        match event:
            case e.ConversationItemCreate():
                await self._create_item(event)
            case e.ConversationItemTruncate():
                self._items.truncate(event.item_id, event.content_index, event.audio_end_ms)
                await self.replies.send(
                    e.ConversationItemTruncated(item_id=event.item_id, audio_end_ms=event.audio_end_ms)
                )
            case e.ConversationItemDelete():
                self._items.delete(event.item_id)
                await self.replies.send(e.ConversationItemDeleted(item_id=event.item_id))
            case e.ConversationItemRetrieve():
                item = self._items.get(event.item_id, "item_retrieve_invalid_item_id")
                await self.replies.send(e.ConversationItemRetrieved(item=item))

    # -- the session --

    async def _update(self, event: e.SessionUpdate) -> None:
        before, self.settings = self.settings, self.settings.updated(event.session)
        now = self.settings
        if now.heard_as is not before.heard_as:
            self._to_pcm = Converter(now.heard_as, AudioFormat.PCM16_8K)
        if now.turns != before.turns:
            self._hearing.configure(now.turns)
        if (now.instructions, now.tools) != (before.instructions, before.tools):
            tools = [msgspec.to_builtins(tool) for tool in now.tools]
            async with self._thinking:
                await in_thread(self._mind.configure, now.instructions, tools)
        await self.replies.send(e.SessionUpdated(session=now.wire()))

    # -- hearing --

    async def _append(self, audio: bytes) -> None:
        step = self.settings.heard_as.bytes_per_ms * _SLICE_MS
        for start in range(0, len(audio), step):
            pcm = self._to_pcm.feed(audio[start : start + step])
            for point in self._hearing.append(np.frombuffer(pcm, np.int16)):
                await self._at(point)
            await trio.lowlevel.checkpoint()

    async def _at(self, point: Endpoint) -> None:
        match point:
            case SpeechStarted():
                self._item_id, self._guess = new_id("item"), None
                start_ms = self._hearing.speech_start_ms()
                await self.replies.send(e.InputAudioBufferSpeechStarted(item_id=self._item_id, audio_start_ms=start_ms))
                if self.settings.turns is not None and self.settings.turns.interrupt_response:
                    await self._cut_off("turn_detected")
            case Paused():
                self._guess = _Guess(point.at_ms)
                self._nursery.start_soon(self._decode_early, self._guess, self._hearing.turn(point.at_ms))
            case Resumed():
                self._guess = None
            case SpeechStopped():
                await self._end_turn(point)

    async def _decode_early(self, guess: _Guess, samples: Samples) -> None:
        guess.text = await self.brain.transcribe(samples)
        guess.ready.set()
        if self._guess is guess and self._hearing.speaking and more_is_coming(guess.text):
            self._hearing.wait_longer(PATIENCE_MS)

    async def _end_turn(self, stopped: SpeechStopped) -> None:
        item_id, guess, self._guess = self._item_id, self._guess, None
        samples = self._hearing.turn(stopped.at_ms)
        await self.replies.send(e.InputAudioBufferSpeechStopped(item_id=item_id, audio_end_ms=stopped.at_ms))
        self._hearing.forget_before(stopped.at_ms)
        await self._committed(item_id)
        turns = self.settings.turns
        respond = turns is not None and turns.create_response
        self._transcribing += 1
        self._nursery.start_soon(self._take_turn, item_id, samples, guess, respond, stopped.speech_ms)

    async def _commit(self) -> None:
        if self._hearing.buffered_ms < SHORTEST_COMMIT_MS:
            problem = f"the buffer holds {self._hearing.buffered_ms}ms; at least {SHORTEST_COMMIT_MS}ms are needed"
            raise InvalidValue("", problem, "input_audio_buffer_commit_empty")
        item_id = self._item_id if self._hearing.speaking else new_id("item")
        samples = self._hearing.take()
        await self._committed(item_id)
        self._transcribing += 1
        self._nursery.start_soon(self._take_turn, item_id, samples, None, False, 0)

    async def _committed(self, item_id: str) -> None:
        item = _user_item(item_id)
        before = self._items.add(item)
        await self.replies.send(e.InputAudioBufferCommitted(item_id=item_id, previous_item_id=before))
        await self.replies.send(e.ConversationItemAdded(item=item, previous_item_id=before))
        await self.replies.send(e.ConversationItemDone(item=item, previous_item_id=before))

    async def _take_turn(
        self, item_id: str, samples: Samples, guess: _Guess | None, respond: bool, speech_ms: int
    ) -> None:
        async with self._turns:
            text = await self._words(samples, guess)
            self._items.replace(_user_item(item_id, text))
            if text:
                self._unheard.append(text)
            self._transcribing -= 1
            if not self._transcribing:
                self._transcribed.set()
                self._transcribed = trio.Event()
            await self._tell_transcript(item_id, text, len(samples) / 8_000)
        if respond and text:
            await self._respond_when_free(None)
        elif respond and speech_ms >= UNINTELLIGIBLE_MS:
            await self._respond_when_free(UNINTELLIGIBLE)

    async def _words(self, samples: Samples, guess: _Guess | None) -> str:
        if guess is None:
            return await self.brain.transcribe(samples)
        await guess.ready.wait()
        return guess.text

    async def _tell_transcript(self, item_id: str, text: str, seconds: float) -> None:
        if self.settings.transcribed:
            await self.replies.send(
                e.ConversationItemInputAudioTranscriptionCompleted(
                    item_id=item_id, transcript=text, usage=Usage(type="duration", seconds=round(seconds, 3))
                )
            )

    # -- items --

    async def _create_item(self, event: e.ConversationItemCreate) -> None:
        item = _checked(event.item)
        if item.type == "function_call_output" and item.call_id not in self._open_calls:
            raise InvalidValue("item.call_id", f"no function call {item.call_id!r} is waiting for an output")
        before = self._items.add(item, event.previous_item_id)
        await self.replies.send(e.ConversationItemAdded(item=item, previous_item_id=before))
        await self.replies.send(e.ConversationItemDone(item=item, previous_item_id=before))
        if item.type == "function_call_output":
            await self._tool_finished(item.call_id or "", item.output or "")
        elif item.role == "user":
            self._unheard.append(" ".join(part.text or "" for part in item.content or ())[:LONGEST_TEXT])

    async def _tool_finished(self, call_id: str, output: str) -> None:
        self._open_calls.discard(call_id)
        async with self._thinking:
            acts = await in_thread(self._mind.tool_finished, call_id, output)
        self._acts.extend(acts)
        self._tools_answered = True

    # -- replying --

    async def _create_response(self, wanted: ResponseSettings) -> None:
        if self._reply is not None:
            problem = f"the response {self._reply.id} is still active"
            raise InvalidValue("", problem, "conversation_already_has_active_response")
        if wanted.conversation == "none":
            raise InvalidValue("response.conversation", "none is not available; leave it out")
        spoken = modalities(wanted.output_modalities, "response.output_modalities")
        await self._respond(literal(wanted.instructions), spoken, wanted.metadata)

    async def _cancel_response(self, response_id: str | None) -> None:
        if self._reply is None or response_id not in (None, self._reply.id):
            raise InvalidValue("response_id", "there is no active response to cancel", "response_cancel_not_active")
        await self._cut_off("client_cancelled")

    async def _cut_off(self, reason: str) -> None:
        """Cancel the reply being told, if there is one. What it had still to say is dropped; tool requests are not."""
        reply = self._reply
        if reply is None:
            return
        if not reply.finishing:
            reply.scope.cancel()
        await reply.over.wait()
        if not reply.finishing:
            self._acts = deque(act for act in self._acts if isinstance(act, Use))
            await reply.finish("cancelled", reason)
            self._free(reply)

    def _free(self, reply: Reply) -> None:
        self._reply = None
        reply.freed.set()

    async def _respond_when_free(self, text: str | None) -> None:
        while self._reply is not None:
            await self._reply.freed.wait()
        await self._respond(text)

    async def _respond(
        self, text: str | None, spoken: bool | None = None, metadata: dict[str, str] | None = None
    ) -> None:
        in_audio = self.settings.spoken if spoken is None else spoken
        reply = self._reply = Reply(self.replies.send, self.brain, self._items, self.settings, in_audio, metadata)
        await reply.begin()
        self._nursery.start_soon(self._tell, reply, text)

    async def _tell(self, reply: Reply, text: str | None) -> None:
        try:
            with reply.scope:
                await self._perform(reply, text)
                reply.finishing = True
            if reply.finishing:
                await reply.finish("completed")
        except Ours as broken:
            self._acts = deque(act for act in self._acts if isinstance(act, Use))
            await reply.finish(
                "failed", error=ErrorDetail(type="server_error", code="server_error", message=str(broken))
            )
        finally:
            if reply.finishing:
                self._free(reply)  # otherwise whoever cut it off finishes it
            reply.over.set()

    async def _perform(self, reply: Reply, text: str | None) -> None:
        if text is not None:
            await reply.say(text)
            return
        while self._transcribing:
            await self._transcribed.wait()
        await self._think()
        while self._acts:
            act = self._acts[0]
            if isinstance(act, Use):
                await self._request(reply, act)
            else:
                await reply.say(act.text)
                self._acts.popleft()

    async def _request(self, reply: Reply, act: Use) -> None:
        call_id = getattr(act, "call_id", "") or new_id("call")
        self._acts.popleft()
        self._open_calls.add(call_id)
        with trio.CancelScope(shield=True):  # half a tool request is worse than one too many
            await reply.use(call_id, act.tool, json.dumps(dict(act.arguments)))

    async def _think(self) -> None:
        """Give the mind what is new, and queue what it decides."""
        words, self._unheard = " ".join(self._unheard), []
        answered, self._tools_answered = self._tools_answered, False
        acts: Sequence[Any] = ()
        async with self._thinking:
            if words:
                acts = await in_thread(self._mind.hear, words)
            elif not answered and not self._acts:
                acts = await in_thread(self._mind.wake)
            self._acts.extend(acts)


def _user_item(item_id: str, transcript: str | None = None) -> Item:
    part = Part(type="input_audio", transcript=transcript)
    return Item(type="message", id=item_id, object="realtime.item", role="user", status="completed", content=(part,))


_PARTS = {"user": ("input_text",), "system": ("input_text",), "assistant": ("output_text", "output_audio")}


def _checked(item: Item) -> Item:
    """A client's item with an id and a status. Raises InvalidValue for one we cannot use."""
    if item.type == "message":
        allowed = _PARTS.get(item.role or "")
        if allowed is None:
            raise InvalidValue("item.role", f"{item.role!r} is not one of {', '.join(_PARTS)}")
        for number, part in enumerate(item.content or ()):
            if part.type not in allowed:
                problem = f"{part.type!r} is not available here; use {' or '.join(allowed)}"
                raise InvalidValue(f"item.content[{number}].type", problem)
    elif item.type not in ("function_call_output", "function_call"):
        raise InvalidValue("item.type", f"{item.type!r} is not available")
    return msgspec.structs.replace(item, id=item.id or new_id("item"), object="realtime.item", status="completed")
