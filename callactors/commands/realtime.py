"""`realtime`: the embedded brain as a Realtime server over WebSocket, for any Realtime client.

- One session a connection, at most `--concurrent` of them: one more gets an `error` event and is closed.
- A bad request is an `error` event and the session goes on; a session that breaks is its own affair.
- A client that sends `OpenAI-Beta: realtime=v1` is spoken to in the beta shape.
- SIGTERM and SIGINT end it at once, exit code 0, no child left.
"""

from __future__ import annotations

import signal
import ssl
import sys
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import attrs
import msgspec
import trio
import typer

from callactors.actors.cascade import Cascade
from callactors.actors.mailbox import Mailbox
from callactors.errors import CallactorsError, MalformedEvent, ModelFailed, Unusable
from callactors.net.websocket_server import Served, serve
from callactors.realtime.dialects import BETA, GA, Dialect
from callactors.realtime.events import ClientEvent, ErrorReported, ServerEvent, Unknown
from callactors.realtime.items import ErrorDetail
from callactors.speech.brain import Brain
from callactors.speech.reply import new_id
from callactors.speech.session import MODEL, Settings

PATH = "/v1/realtime"
LISTEN = "127.0.0.1:8765"
CONCURRENT = 20
PATIENCE = 20.0  # seconds a client may take to read one event before it is cut
_POLICY, _INTERNAL = 1008, 1011  # RFC 6455 section 7.4.1


def realtime(
    listen: Annotated[str, typer.Option(help="HOST:PORT to serve on; port 0 takes a free one.")] = LISTEN,
    model_dir: Annotated[Path | None, typer.Option(help="Where the embedded brain's weights are.")] = None,
    cert: Annotated[Path | None, typer.Option(help="A PEM certificate: serve wss.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's PEM key.")] = None,
    data: Annotated[Path | None, typer.Option(help="A folder to keep spoken phrases in.")] = None,
    concurrent: Annotated[int, typer.Option(min=1, help="Sessions at once.")] = CONCURRENT,
) -> None:
    """Serve the embedded brain over WebSocket in the OpenAI Realtime vocabulary.

    Example: python -m callactors realtime --listen 127.0.0.1:8765
    """
    address = split_address(listen)
    if address is None:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    if (cert is None) != (key is None):
        raise typer.BadParameter("--cert and --key go together", param_hint="--cert")
    try:
        context = _tls(cert, key)
        trio.run(serve_until_told, *address, Server(Brain(model_dir, data), concurrent), context)
    except (CallactorsError, OSError) as problem:
        typer.echo(f"realtime: {problem}", err=True)
        raise typer.Exit(1) from None


def split_address(text: str) -> tuple[str, int] | None:
    """`127.0.0.1:8765` or `[::1]:8765` as host and port; None for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        return None
    return host.strip("[]"), int(port)


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


async def serve_until_told(host: str, port: int, server: Server, context: ssl.SSLContext | None) -> None:
    """Load the brain, listen, say READY; return at SIGTERM or SIGINT."""
    failure: CallactorsError | OSError | None = None
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_at_signal, signals, nursery.cancel_scope)
                await nursery.start(server.brain.run)
                bound = await nursery.start(_listen, host, port, server, context)
                scheme = "wss" if context else "ws"
                shown = f"[{host}]" if ":" in host else host
                print(f"READY realtime={scheme}://{shown}:{bound}{PATH}", flush=True)
        except* (CallactorsError, OSError) as group:
            failure = _first(group)
    if failure is not None:
        raise failure


async def _listen(
    host: str,
    port: int,
    server: Server,
    context: ssl.SSLContext | None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    try:
        await serve(host, port, server.session, ssl_context=context, admit=server.admit, task_status=task_status)
    except OSError as error:
        remedy = "stop what listens there, or choose another --listen (port 0 takes a free one)"
        raise Unusable(f"{host}:{port} cannot be served: {error.strerror or error}; {remedy}") from error


async def _cancel_at_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


def _first(group: BaseExceptionGroup[CallactorsError | OSError]) -> CallactorsError | OSError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CallactorsError | OSError)
    return error


@attrs.define(eq=False)
class Server:
    """What all sessions share: the brain, and how many of them there may be."""

    brain: Brain
    concurrent: int = CONCURRENT
    open: int = attrs.field(default=0, init=False)

    def admit(self, path: str, headers: Mapping[str, str]) -> int | None:
        """404 for any other path; None admits."""
        return None if urllib.parse.urlsplit(path).path == PATH else 404

    async def session(self, connection: Served, path: str, headers: Mapping[str, str]) -> None:
        """One client, from upgrade to close. Raises ModelFailed when it goes away."""
        dialect: Dialect = BETA if "realtime=v1" in headers.get("openai-beta", "") else GA
        if self.open >= self.concurrent:
            problem = ErrorDetail(
                type="server_error", code="rate_limit_exceeded", message=f"all {self.concurrent} sessions are taken"
            )
            await connection.send(dialect.encode_server(ErrorReported(error=problem), new_id("event")))
            await connection.close(_POLICY, "all sessions are taken")
            return
        self.open += 1
        try:
            await self._contained(connection, dialect, _settings(path))
        finally:
            self.open -= 1

    async def _contained(self, connection: Served, dialect: Dialect, settings: Settings) -> None:
        try:
            await Session(connection, dialect, self.brain, settings).run()
        except Exception as broken:  # the containment of a session: its failure, whatever it is, is not its neighbours'
            print(f"realtime: session {settings.id} broke: {broken!r}", file=sys.stderr, flush=True)
            await connection.close(_INTERNAL, "the session broke")


def _settings(path: str) -> Settings:
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("model", [MODEL])
    return Settings(new_id("sess"), model=asked[0][:200])


@attrs.define(eq=False)
class Session:
    """One connection joined to one cascade: texts in, events through, texts out."""

    connection: Served
    dialect: Dialect
    brain: Brain
    settings: Settings
    _requests: Mailbox[ClientEvent] = attrs.field(factory=lambda: Mailbox[ClientEvent](64), init=False)
    _replies: Mailbox[ServerEvent] = attrs.field(factory=lambda: Mailbox[ServerEvent](256), init=False)

    async def run(self) -> None:
        """Until the client goes away, or reads nothing for PATIENCE seconds."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Cascade(self._requests, self._replies, self.brain, self.settings).run)
            with suppress(ModelFailed, trio.TooSlowError):
                await self._write(await self._replies.receive())  # session.created comes before any answer
                nursery.start_soon(self._read)
                async for event in self._replies:
                    await self._write(event)
            nursery.cancel_scope.cancel()

    async def _write(self, event: ServerEvent) -> None:
        with trio.fail_after(PATIENCE):
            await self.connection.send(self.dialect.encode_server(event, new_id("event")))

    async def _read(self) -> None:
        with suppress(ModelFailed):  # the client is gone: the cascade ends with its requests
            while True:
                await self._take(await self.connection.receive())
        self._requests.close()

    async def _take(self, text: str) -> None:
        try:
            event = self.dialect.decode_client(text)
        except MalformedEvent as malformed:
            await self._refuse(str(malformed), text)
            return
        if isinstance(event, Unknown):
            await self._refuse(f"there is no client event {event.type[:100]!r}", text)
        else:
            await self._requests.send(event)

    async def _refuse(self, message: str, text: str) -> None:
        event_id = _event_id(text)
        detail = ErrorDetail(type="invalid_request_error", code="invalid_event", message=message, event_id=event_id)
        await self._replies.send(ErrorReported(error=detail))


class _Named(msgspec.Struct):
    event_id: str | None = None


def _event_id(text: str) -> str | None:
    """The `event_id` of an event we could not read otherwise."""
    try:
        return msgspec.json.decode(text, type=_Named).event_id
    except (msgspec.DecodeError, RecursionError):
        return None
