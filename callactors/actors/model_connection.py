"""The ways to a model: a Realtime server over WebSocket, or a cascade in this process. Both speak the same events.

A way is a callable that opens a connection as an async context manager; leaving it leaves nothing behind.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.parts.wire import Wire
from callactors.errors import ModelFailed
from callactors.net.lane_clock import LaneClock
from callactors.net.websocket import CONNECT, open_websocket
from callactors.realtime.dialects import BETA, GA, Dialect
from callactors.realtime.events import ClientEvent, InputAudioBufferAppend, ServerEvent

QUEUED = 64  # events each way between a session and a model in process


class ModelConnection(Protocol):
    """An open line to a model. Both raise ModelFailed when it is gone."""

    async def send(self, event: ClientEvent) -> None: ...

    def append(self, audio: bytes) -> bool:
        """Send the caller's audio without waiting. False when the model is slow: nothing is done then, `send` waits."""

    async def pour(self, take: Callable[[ServerEvent], bool]) -> None:
        """Have events go straight to `take` as they are read. Returns when one waits that is for `receive`: for that
        `take` has said False, or nothing can be poured here. Raises as `receive` does.
        """

    async def receive(self) -> ServerEvent:
        """Raises MalformedEvent for nonsense, after which the next may be fine."""


Connect = Callable[[], AbstractAsyncContextManager[ModelConnection]]
RunModel = Callable[[Mailbox[ClientEvent], Mailbox[ServerEvent]], Awaitable[None]]


# -- over the network ---------------------------------------------------------------------------------------------


def over_websocket(
    url: str,
    *,
    model: str | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    ca: str | None = None,
    dialect: Dialect = GA,
    connect_timeout: float = CONNECT,
    clock: LaneClock | None = None,
) -> Connect:
    """A Realtime server at a ws:// or wss:// URL. `model` goes into the query unless the URL names one already.

    `clock` reads its lanes, where the media plane lends its own.
    """
    address = _with_model(url, model)
    sent = {**_key_header(url, key), **({"OpenAI-Beta": "realtime=v1"} if dialect is BETA else {}), **(headers or {})}

    @asynccontextmanager
    async def connect() -> AsyncIterator[ModelConnection]:
        opened = open_websocket(address, sent, ca=ca, connect_timeout=connect_timeout, clock=clock)
        async with opened as connection:
            yield Wire(connection, dialect)

    return connect


def _with_model(url: str, model: str | None) -> str:
    query = urllib.parse.urlsplit(url).query
    named = {"model", "deployment", "call_id"} & set(urllib.parse.parse_qs(query))
    if not model or named:
        return url
    return f"{url}{'&' if query else '?'}{urllib.parse.urlencode({'model': model})}"


def _key_header(url: str, key: str | None) -> dict[str, str]:
    if not key:
        return {}
    azure = (urllib.parse.urlsplit(url).hostname or "").endswith(".azure.com")
    return {"api-key": key} if azure else {"Authorization": f"Bearer {key}"}


# -- in this process ----------------------------------------------------------------------------------------------


@attrs.frozen
class _Pair:
    requests: Mailbox[ClientEvent]
    replies: Mailbox[ServerEvent]

    async def send(self, event: ClientEvent) -> None:
        try:
            await self.requests.send(event)
        except trio.ClosedResourceError:
            raise _ended() from None

    def append(self, audio: bytes) -> bool:
        try:
            return self.requests.put(InputAudioBufferAppend(audio=audio))
        except trio.ClosedResourceError:
            raise _ended() from None

    async def pour(self, take: Callable[[ServerEvent], bool]) -> None:
        await trio.lowlevel.checkpoint()

    async def receive(self) -> ServerEvent:
        try:
            return await self.replies.receive()
        except trio.EndOfChannel:
            raise _ended() from None


def _ended() -> ModelFailed:
    return ModelFailed("ended", "the model in process has ended", fatal=False)


def in_process(run_model: RunModel) -> Connect:
    """A model that runs beside its session: `run_model(requests, replies)` lives as long as the connection."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[ModelConnection]:
        pair = _Pair(Mailbox(QUEUED), Mailbox(QUEUED))

        async def model() -> None:
            try:
                with suppress(ModelFailed):  # its end says as much
                    await run_model(pair.requests, pair.replies)
            finally:
                pair.requests.close()
                pair.replies.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(model)
            yield pair
            nursery.cancel_scope.cancel()

    return connect
