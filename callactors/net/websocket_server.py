"""The server half of WebSocket (RFC 6455), by trio-websocket: text messages, one task a client.

- The client half (net/websocket) is written by hand, for it carries every call's audio; this one carries few clients,
  and is another's work, so that in every test of ours two implementations meet.
- The TCP or TLS stream is ours from accept to close: trio-websocket alone leaks its socket when the peer vanishes.
- Its reader runs guarded: whatever a peer sends, the reader ends and the connection says why; nothing else is harmed.
- Closing waits DISCONNECT seconds at most (trio-websocket would wait 60 s for a silent peer), cancelled or not.
- Receive buffer 64 KiB (4 KiB costs four times the CPU on a second of audio); no compression: base64 does not shrink.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

import attrs
import h11
import trio
import trio_websocket
import wsproto.utilities

from callactors.errors import ModelFailed
from callactors.net.websocket import CONNECT, MAX_MESSAGE
from callactors.net.websocket_connection import DISCONNECT, FATAL_CLOSES

RECEIVE_BUFFER = 64 * 1024

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Handler = Callable[["Served", str, Mapping[str, str]], Awaitable[None]]
Admission = Callable[[str, Mapping[str, str]], int | None]

_BROKEN = (
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,
    wsproto.utilities.ProtocolError,
    h11.ProtocolError,  # wsproto lets it through when a peer answers an upgrade with nonsense
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@attrs.define(eq=False)
class Served:
    """One client. One sender and one receiver at a time."""

    _socket: Any  # trio_websocket.WebSocketConnection, which has no types of its own
    _stream: Stream

    async def send(self, text: str) -> None:
        """Send one text message. Raises ModelFailed once the connection is closed or broken."""
        try:
            await self._socket.send_message(text)
        except _BROKEN as broken:
            raise self._failure() from broken

    async def receive(self) -> str:
        """The next message. Raises ModelFailed with code ws_1000, ws_1001, ws_1006, ws_4000 ... when there is none."""
        try:
            message: str | bytes = await self._socket.get_message()
        except _BROKEN as broken:
            raise self._failure() from broken
        return message if isinstance(message, str) else message.decode(errors="replace")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and close, in DISCONNECT seconds at most, also while being cancelled. Idempotent."""
        with trio.move_on_after(DISCONNECT, shield=True), suppress(*_BROKEN):
            await self._socket.aclose(code, reason or None)
        await trio.aclose_forcefully(self._stream)

    async def abort(self) -> None:
        """Drop the connection without a word: the peer sees 1006."""
        await trio.aclose_forcefully(self._stream)

    def _failure(self) -> ModelFailed:
        reason = self._socket.closed
        code = int(reason.code) if reason is not None else 1006
        text = (reason.reason if reason is not None else None) or "the connection was lost"
        return ModelFailed(f"ws_{code}", str(text), fatal=code in FATAL_CLOSES)


async def serve(
    host: str,
    port: int,
    handler: Handler,
    *,
    ssl_context: ssl.SSLContext | None = None,
    max_message_size: int = MAX_MESSAGE,
    admit: Admission | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Serve until cancelled; `task_status` reports the bound port (ask for 0 to get a free one).

    `handler(connection, path, headers)` runs once per client, header names in lower case; when it returns, or its
    client is gone (ModelFailed), the connection is closed. What else it raises ends the server: handlers contain
    themselves. `admit` may refuse an upgrade by answering an HTTP status.
    """

    async def client(stream: Stream) -> None:
        await _serve_client(stream, handler, admit, max_message_size)

    listeners = await trio.open_tcp_listeners(port, host=host)
    bound = int(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        if ssl_context is None:
            await nursery.start(trio.serve_listeners, client, listeners)
        else:
            secure = [trio.SSLListener(listener, ssl_context, https_compatible=True) for listener in listeners]
            await nursery.start(trio.serve_listeners, client, secure)
        task_status.started(bound)
        await trio.sleep_forever()
    raise AssertionError("sleep_forever returned")


async def _serve_client(stream: Stream, handler: Handler, admit: Admission | None, max_message_size: int) -> None:
    async with trio.open_nursery() as nursery, _Guard(nursery) as guard:
        with suppress(ModelFailed):  # the client is gone: that is how most of them end
            connection, path, headers = await _accept(guard, stream, admit, max_message_size)
            try:
                await handler(connection, path, headers)
            finally:
                await connection.close()


async def _accept(
    guard: _Guard, stream: Stream, admit: Admission | None, size: int
) -> tuple[Served, str, Mapping[str, str]]:
    with trio.move_on_after(CONNECT), guard.upgrading, _ending_as_failure():
        request = await trio_websocket.wrap_server_stream(
            guard, stream, max_message_size=size, receive_buffer_size=RECEIVE_BUFFER
        )
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        status = admit(request.path, headers) if admit else None
        if status is None:
            return Served(await request.accept(), stream), str(request.path), headers
        await request.reject(status)
    raise ModelFailed("refused", "no upgrade came of it", fatal=False)


class _ending_as_failure:
    """A peer that breaks off in the middle of the upgrade is a ModelFailed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, _BROKEN):
            raise ModelFailed("ws_1006", "the peer broke off during the upgrade", fatal=False) from error


@attrs.define(eq=False)
class _Guard:
    """Stands where trio-websocket wants a nursery: its reader's end, for whatever reason, is an event with a cause.

    The reader outlives a cancellation until the guard is left: it is what hears the peer's answer to our close.
    """

    nursery: trio.Nursery
    upgrading: trio.CancelScope = attrs.field(factory=trio.CancelScope)  # left when the reader ends
    error: Exception | None = None
    _reading: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True))

    async def __aenter__(self) -> _Guard:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._reading.cancel()

    def start_soon(self, reader: Callable[[], Awaitable[None]]) -> None:
        self.nursery.start_soon(self._run, reader)

    async def _run(self, reader: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._reading:
                await reader()
        except _BROKEN as error:
            self.error = error
        self.upgrading.cancel()
