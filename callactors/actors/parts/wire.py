"""A Realtime server at the other end of a WebSocket: a ModelConnection (actors/model_connection.py)."""

from __future__ import annotations

from collections.abc import Callable

from callactors.net.websocket_connection import Connection
from callactors.realtime.dialects import Dialect
from callactors.realtime.events import ClientEvent, ServerEvent


class Wire:
    """Events in a dialect, over a connection that is somebody else's to close."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection, self._dialect = connection, dialect

    async def send(self, event: ClientEvent) -> None:
        await self._connection.send(self._dialect.encode_client(event))

    def append(self, audio: bytes) -> bool:
        return self._connection.send_nowait(self._dialect.append(audio))

    async def pour(self, take: Callable[[ServerEvent], bool]) -> None:
        await self._connection.pour(lambda text: take(self._dialect.decode_server(text)))

    async def receive(self) -> ServerEvent:
        return self._dialect.decode_server(await self._connection.receive_bytes())
