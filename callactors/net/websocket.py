"""WebSocket in both roles (RFC 6455), text messages only: the one file that imports trio_websocket.

- The TCP or TLS stream is ours from connect to close: trio-websocket alone leaks its socket when the peer vanishes.
- Its reader runs guarded: whatever a peer sends, the reader ends and the connection says why; nothing else is harmed.
- Closing waits DISCONNECT seconds at most (trio-websocket would wait 60 s for a silent peer), cancelled or not.
- Receive buffer 64 KiB (4 KiB costs four times the CPU on a second of audio); no compression: base64 does not shrink.
"""

from __future__ import annotations

import functools
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

import attrs
import h11
import trio
import trio_websocket
import wsproto.utilities

from callactors.errors import ModelFailed, UnsafeText

CONNECT = 10.0  # seconds for TCP, TLS and the upgrade together
DISCONNECT = 0.5  # seconds the peer has to answer our close
RECEIVE_BUFFER = 64 * 1024
MAX_MESSAGE = 16 * 1024 * 1024  # characters; an append may be 15 MiB
FATAL_CLOSES = frozenset({4000, 1008})  # beta shape disabled, policy: a new socket would fare no better
FATAL_REFUSALS = frozenset({400, 401, 403, 404})

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
Handler = Callable[["Connection", str, Mapping[str, str]], Awaitable[None]]
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
class Connection:
    """One open WebSocket. One sender and one receiver at a time."""

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


# -- client -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def open_websocket(
    url: str,
    headers: Mapping[str, str],
    *,
    ca: str | None = None,
    connect_timeout: float = CONNECT,
    max_message_size: int = MAX_MESSAGE,
) -> AsyncIterator[Connection]:
    """Connect to a ws:// or wss:// URL; `ca` is a PEM file to trust instead of the system's.

    Raises ModelFailed with code unreachable, timeout, tls, http_401 (or whatever status refused the upgrade).
    """
    error: BaseException | None = None
    with _deadline(connect_timeout, url) as deadline:
        stream = await _connect(urllib.parse.urlsplit(url), ca)
    async with stream:
        try:
            async with trio.open_nursery() as nursery, _Guard(nursery) as guard:
                with _deadline(deadline.deadline - trio.current_time(), url):
                    socket = await _upgrade(guard, stream, url, headers, max_message_size)
                connection = Connection(socket, stream)
                try:
                    yield connection
                except BaseException as raised:
                    error = raised
                    raise
                finally:
                    await connection.close()
        except BaseExceptionGroup as group:
            # the reader never raises: the group is one error of the body or of the upgrade, wrapped by the nursery
            error = error or group.exceptions[0]
    try:
        if error is not None:
            raise error
    finally:
        del error  # or the error would keep this frame, and the frame the error


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


async def _upgrade(guard: _Guard, stream: Stream, url: str, headers: Mapping[str, str], size: int) -> Any:
    parts = urllib.parse.urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    extra_headers = _checked(headers)
    with guard.upgrading:
        return await trio_websocket.wrap_client_stream(
            guard,
            stream,
            parts.netloc.rpartition("@")[2],
            path,
            extra_headers=extra_headers,
            max_message_size=size,
            receive_buffer_size=RECEIVE_BUFFER,
        )
    raise _refusal(guard.error)


def _refusal(error: Exception | None) -> ModelFailed:
    if isinstance(error, trio_websocket.ConnectionRejected):
        status = int(error.status_code)
        text = (error.body or b"").decode(errors="replace")[:200] or "the upgrade was refused"
        return ModelFailed(f"http_{status}", text, fatal=status in FATAL_REFUSALS)
    return ModelFailed("ws_1006", f"the connection ended during the upgrade: {error or 'closed'}", fatal=False)


def _checked(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    for name, value in headers.items():
        if any(c in name + value for c in "\r\n\0"):
            raise UnsafeText(f"header {name!r} holds CR, LF or NUL")
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _connect(parts: urllib.parse.SplitResult, ca: str | None) -> Stream:
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ModelFailed("bad_url", f"{parts.geturl()!r} is no ws:// or wss:// address")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        tcp = await trio.open_tcp_stream(parts.hostname, port)
    except OSError as error:
        raise ModelFailed("unreachable", f"{parts.hostname}:{port}: {error}", fatal=False) from error
    return tcp if parts.scheme == "ws" else await _secure(tcp, parts.hostname, ca)


async def _secure(tcp: trio.SocketStream, host: str, ca: str | None) -> Stream:
    stream = trio.SSLStream(tcp, _client_context(ca), server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(tcp)
        raise ModelFailed("tls", f"{host}: {error.__cause__ or error}") from error
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return stream


@functools.lru_cache(maxsize=8)  # reading the system's store takes tens of ms, which every caller would hear
def _client_context(ca: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


class _deadline:
    """`with _deadline(seconds, url)`: ModelFailed("timeout") when they are over."""

    def __init__(self, seconds: float, url: str) -> None:
        self._scope, self._url = trio.move_on_after(max(0.0, seconds)), url

    def __enter__(self) -> trio.CancelScope:
        return self._scope.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        swallowed = self._scope.__exit__(*error)
        if self._scope.cancelled_caught:
            raise ModelFailed("timeout", f"{self._url} did not answer in time", fatal=False)
        return swallowed


# -- server -------------------------------------------------------------------------------------------------------


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
) -> tuple[Connection, str, Mapping[str, str]]:
    with trio.move_on_after(CONNECT), guard.upgrading, _ending_as_failure():
        request = await trio_websocket.wrap_server_stream(
            guard, stream, max_message_size=size, receive_buffer_size=RECEIVE_BUFFER
        )
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        status = admit(request.path, headers) if admit else None
        if status is None:
            return Connection(await request.accept(), stream), str(request.path), headers
        await request.reject(status)
    raise ModelFailed("refused", "no upgrade came of it", fatal=False)


class _ending_as_failure:
    """A peer that breaks off in the middle of the upgrade is a ModelFailed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, _BROKEN):
            raise ModelFailed("ws_1006", "the peer broke off during the upgrade", fatal=False) from error
