"""A Realtime server that plays a script: in memory as a model connection, or over a real WebSocket.

A script is an async function of one `Peer`, the server's side of one session; what it does not script does not happen.
It may refuse, drop, flood, stall or talk nonsense:

    async def script(peer: Peer) -> None:
        await peer.greet()                          # session.created, the client's update, session.updated
        await peer.caller_says("A cut, please")     # speech events and transcript
        call = await peer.request_tool("find_slot", {"day": "tomorrow"})
        print(await peer.tool_output(call))
        await peer.expect(ResponseCreate)
        await peer.reply("Tomorrow at three?", ms=1200)
        await peer.stay()

    session = RealtimeSession(connect=ScriptedModel(script).connect, ...)
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, TypeVar

import attrs
import msgspec
import trio

from callactors.actors.model_connection import ModelConnection
from callactors.audio.format import AudioFormat
from callactors.errors import MalformedEvent, ModelFailed
from callactors.net.websocket_server import Served, serve
from callactors.realtime import events as e
from callactors.realtime.dialects import GA, Dialect
from callactors.realtime.items import ErrorDetail, Item, Part, Response, Session, StatusDetails

PATIENCE = 10.0  # seconds an expected event may take
KEPT = 10_000  # client events kept
DELTA_MS = 200  # audio per delta

Script = Callable[["Peer"], Awaitable[None]]
E = TypeVar("E", bound=msgspec.Struct)


@attrs.define(eq=False)
class Peer:
    """The server's side of one session. `heard` holds the client's events in order, without the audio appended."""

    _tell: Callable[[e.ServerEvent | str], Awaitable[None]]
    _hang_up: Callable[[int, str], Awaitable[None]]
    heard: list[Any] = attrs.field(factory=list)
    audio: int = 0  # bytes the client appended
    format: AudioFormat = AudioFormat.PCM16
    _read: int = 0
    _news: trio.Event = attrs.field(factory=trio.Event)
    _numbers: int = 0

    # -- listening ------------------------------------------------------------------------------------------------

    def take(self, event: object) -> None:
        """A client event arrived."""
        if isinstance(event, e.InputAudioBufferAppend):
            self.audio += len(event.audio)
        elif len(self.heard) < KEPT:
            self.heard.append(event)
        self._news.set()

    async def expect(self, kind: type[E], where: Callable[[E], bool] = lambda event: True) -> E:
        """The next event of this kind, passing over others. Raises AssertionError after PATIENCE seconds."""
        with trio.move_on_after(PATIENCE):
            while True:
                while self._read < len(self.heard):
                    self._read += 1
                    event = self.heard[self._read - 1]
                    if isinstance(event, kind) and where(event):
                        return event
                self._news = trio.Event()
                await self._news.wait()
        raise AssertionError(f"no {kind.__name__} came; heard {[type(event).__name__ for event in self.heard]}")

    async def expect_audio(self, size: int) -> None:
        """Wait until that many bytes were appended."""
        with trio.fail_after(PATIENCE):
            while self.audio < size:
                self._news = trio.Event()
                await self._news.wait()

    async def tool_output(self, call_id: str) -> str:
        """The output the client gives to a tool request."""
        event = await self.expect(e.ConversationItemCreate, lambda event: event.item.call_id == call_id)
        return event.item.output or ""

    # -- telling --------------------------------------------------------------------------------------------------

    async def tell(self, *events: e.ServerEvent) -> None:
        for event in events:
            await self._tell(event)

    async def greet(self) -> e.SessionUpdate:
        """The handshake; takes over the client's audio format."""
        await self.tell(e.SessionCreated(session=Session(type="realtime", model="scripted")))
        update = await self.expect(e.SessionUpdate)
        wanted = update.session.audio and update.session.audio.input and update.session.audio.input.format
        self.format = (wanted and wanted.audio_format) or self.format
        await self.tell(e.SessionUpdated(session=update.session))
        return update

    async def caller_says(self, text: str | None, ms: int = 1000) -> str:
        """Speech detected, ended, committed and, unless `text` is None, transcribed. Returns the item's id."""
        item = await self.caller_starts()
        await self.caller_stops(item, ms)
        if text is not None:
            await self.tell(e.ConversationItemInputAudioTranscriptionCompleted(item_id=item, transcript=text))
        return item

    async def caller_starts(self) -> str:
        item = self.name("item")
        await self.tell(e.InputAudioBufferSpeechStarted(item_id=item, audio_start_ms=0))
        return item

    async def caller_stops(self, item: str, ms: int = 1000) -> None:
        await self.tell(
            e.InputAudioBufferSpeechStopped(item_id=item, audio_end_ms=ms), e.InputAudioBufferCommitted(item_id=item)
        )

    async def reply(self, text: str, ms: int = 1000, metadata: dict[str, Any] | None = None) -> str:
        """A whole spoken response. Returns the item's id."""
        response, item = await self.start_reply(metadata)
        await self.speak(response, item, text, ms)
        await self.finish_reply(response, item, text)
        return item

    async def start_reply(self, metadata: dict[str, Any] | None = None) -> tuple[str, str]:
        """response.created and its message item: (response id, item id)."""
        response, item = self.name("resp"), self.name("item")
        message = Item(type="message", id=item, role="assistant", status="in_progress", content=())
        await self.tell(
            e.ResponseCreated(response=Response(id=response, metadata=metadata)),
            e.ResponseOutputItemAdded(response_id=response, item=message),
            e.ResponseContentPartAdded(response_id=response, item_id=item, part=Part(type="audio")),
        )
        return response, item

    async def speak(self, response: str, item: str, text: str, ms: int) -> None:
        """Transcript and audio of a reply, in deltas of 200 ms."""
        await self.tell(e.ResponseOutputAudioTranscriptDelta(response_id=response, item_id=item, delta=text))
        for start in range(0, ms, DELTA_MS):
            audio = b"\x55" * (min(DELTA_MS, ms - start) * self.format.bytes_per_ms)
            await self.tell(e.ResponseOutputAudioDelta(response_id=response, item_id=item, delta=audio))

    async def finish_reply(self, response: str, item: str, text: str) -> None:
        part = Part(type="output_audio", transcript=text)
        message = Item(type="message", id=item, role="assistant", status="completed", content=(part,))
        await self.tell(
            e.ResponseOutputAudioDone(response_id=response, item_id=item),
            e.ResponseOutputAudioTranscriptDone(response_id=response, item_id=item, transcript=text),
            e.ResponseOutputItemDone(response_id=response, item=message),
            e.ResponseDone(response=Response(id=response, status="completed")),
        )

    async def request_tool(self, name: str, arguments: Mapping[str, Any]) -> str:
        """A response that asks for one tool, told both ways servers tell it. Returns the call_id."""
        response, item, call = self.name("resp"), self.name("item"), self.name("call")
        text = msgspec.json.encode(arguments).decode()
        asked = Item(type="function_call", id=item, status="completed", name=name, call_id=call, arguments=text)
        await self.tell(
            e.ResponseCreated(response=Response(id=response)),
            e.ResponseFunctionCallArgumentsDone(
                response_id=response, item_id=item, call_id=call, name=name, arguments=text
            ),
            e.ResponseOutputItemDone(response_id=response, item=asked),
            e.ResponseDone(response=Response(id=response, status="completed")),
        )
        return call

    async def fail_reply(self, code: str = "server_error", *, status: str = "failed") -> None:
        """A response that comes to nothing."""
        response = self.name("resp")
        details = StatusDetails(type=status, error=ErrorDetail(type=code, code=code))
        await self.tell(
            e.ResponseCreated(response=Response(id=response)),
            e.ResponseDone(response=Response(id=response, status=status, status_details=details)),
        )

    async def cancelled(self, response: str, reason: str = "turn_detected") -> None:
        details = StatusDetails(type="cancelled", reason=reason)
        await self.tell(e.ResponseDone(response=Response(id=response, status="cancelled", status_details=details)))

    async def error(self, code: str, message: str = "", event_id: str | None = None) -> None:
        await self.tell(e.ErrorReported(error=ErrorDetail(type="error", code=code, message=message, event_id=event_id)))

    # -- misbehaving ----------------------------------------------------------------------------------------------

    async def nonsense(self, text: str = "{]") -> None:
        """Anything, as it stands."""
        await self._tell(text)

    async def drop(self) -> NoReturn:
        """Vanish: the client sees 1006."""
        await self.close(1006)

    async def close(self, code: int, reason: str = "") -> NoReturn:
        """Close with a code, e.g. 1001 or 4000."""
        await self._hang_up(code, reason)
        raise ModelFailed(f"ws_{code}", "closed by the script", fatal=False)

    async def stay(self) -> NoReturn:
        """Say nothing more, until the client leaves."""
        await trio.sleep_forever()
        raise AssertionError("sleep_forever returned")

    def name(self, kind: str) -> str:
        """A new id."""
        self._numbers += 1
        return f"{kind}_{self._numbers}"


@attrs.define(eq=False)
class ScriptedModel:
    """Plays `script` for every session opened, its `peers`. `refuse` is an HTTP status to refuse them with."""

    script: Script
    dialect: Dialect = GA
    refuse: int | None = None
    peers: list[Peer] = attrs.field(factory=list)

    # -- in memory ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ModelConnection]:
        """A connection in memory, as RealtimeSession's `connect` wants it."""
        if self.refuse is not None:
            raise ModelFailed(f"http_{self.refuse}", "refused by the script")
        line = _Line()
        peer = Peer(line.told.send, line.hang_up)
        self.peers.append(peer)
        line.peer = peer
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, peer, line)
            yield line
            nursery.cancel_scope.cancel()

    async def _play(self, peer: Peer, line: _Line) -> None:
        try:
            await self.script(peer)
        except ModelFailed:  # the script has closed the line
            return
        await line.hang_up(1000, "the script is over")

    # -- over a WebSocket -----------------------------------------------------------------------------------------

    async def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; `task_status` reports the URL."""
        scheme = "ws" if ssl_context is None else "wss"
        async with trio.open_nursery() as nursery:
            bound: int = await nursery.start(self._serve, host, port, ssl_context)
            task_status.started(f"{scheme}://{host}:{bound}/v1/realtime")

    async def _serve(
        self, host: str, port: int, ssl_context: ssl.SSLContext | None, task_status: trio.TaskStatus[int]
    ) -> None:
        def admit(path: str, headers: Mapping[str, str]) -> int | None:
            return self.refuse

        await serve(host, port, self._client, ssl_context=ssl_context, admit=admit, task_status=task_status)

    async def _client(self, connection: Served, path: str, headers: Mapping[str, str]) -> None:
        async def tell(event: e.ServerEvent | str) -> None:
            numbered = event if isinstance(event, str) else self.dialect.encode_server(event, peer.name("event"))
            await connection.send(numbered)

        async def hang_up(code: int, reason: str) -> None:
            await (connection.abort() if code == 1006 else connection.close(code, reason))

        peer = Peer(tell, hang_up)
        self.peers.append(peer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, connection, peer, nursery.cancel_scope)
            nursery.start_soon(self._perform, peer, nursery.cancel_scope)

    async def _listen(self, connection: Served, peer: Peer, scope: trio.CancelScope) -> None:
        try:
            while True:
                try:
                    peer.take(self.dialect.decode_client(await connection.receive()))
                except MalformedEvent as error:
                    peer.take(error)
        except ModelFailed:  # the client has left
            scope.cancel()

    async def _perform(self, peer: Peer, scope: trio.CancelScope) -> None:
        with suppress(ModelFailed):  # the script, or the client, has closed the connection
            await self.script(peer)
        scope.cancel()


@attrs.define(eq=False)
class _Line:
    """A model connection in memory."""

    told: trio.MemorySendChannel[e.ServerEvent | str] = attrs.field(init=False)
    peer: Peer | None = None
    _closed: tuple[int, str] | None = None
    _receive: trio.MemoryReceiveChannel[e.ServerEvent | str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.told, self._receive = trio.open_memory_channel[e.ServerEvent | str](64)

    async def send(self, event: e.ClientEvent) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed is not None:
            raise self._failure()
        if self.peer is not None:
            self.peer.take(event)

    def append(self, audio: bytes) -> bool:
        if self._closed is not None:
            raise self._failure()
        if self.peer is not None:
            self.peer.take(e.InputAudioBufferAppend(audio=audio))
        return True

    async def pour(self, take: Callable[[e.ServerEvent], bool]) -> None:
        await trio.lowlevel.checkpoint()

    async def receive(self) -> e.ServerEvent:
        try:
            event = await self._receive.receive()
        except trio.EndOfChannel:
            raise self._failure() from None
        return GA.decode_server(event) if isinstance(event, str) else event

    async def hang_up(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self._closed = (code, reason)
        self.told.close()

    def _failure(self) -> ModelFailed:
        code, reason = self._closed or (1006, "the line was cut")
        return ModelFailed(f"ws_{code}", reason or "closed", fatal=code in (4000, 1008))
