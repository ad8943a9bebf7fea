"""The client half of WebSocket (RFC 6455): a connection opened by URL, in the time it is given.

- The upgrade is websocket_upgrade's, what follows it websocket_connection's, TLS and the socket byte_lane's.
"""

from __future__ import annotations

import functools
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from callactors.errors import ModelFailed
from callactors.net.byte_lane import ByteLane
from callactors.net.lane_clock import LaneClock
from callactors.net.websocket_connection import Connection
from callactors.net.websocket_upgrade import ClientUpgrade

CONNECT = 10.0  # seconds for TCP, TLS and the upgrade together
REFUSAL = 1.0  # seconds for the body of a refused upgrade
MAX_MESSAGE = 16 * 1024 * 1024  # bytes; an append may be 15 MiB

_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)


@asynccontextmanager
async def open_websocket(
    url: str,
    headers: Mapping[str, str],
    *,
    ca: str | None = None,
    connect_timeout: float = CONNECT,
    max_message_size: int = MAX_MESSAGE,
    clock: LaneClock | None = None,
) -> AsyncIterator[Connection]:
    """Connect to a ws:// or wss:// URL; `ca` is a PEM file to trust instead of the system's, `clock` who reads it.

    Raises ModelFailed with code unreachable, timeout, tls, http_401 (or whatever status refused the upgrade).
    """
    parts = urllib.parse.urlsplit(url)
    with _deadline(connect_timeout, url):
        lane = await _connect(parts, ca)
        try:
            early = await _upgrade(lane, parts, headers)
        except BaseException:
            lane.close()
            raise
    connection = Connection(lane, early, client=True, limit=max_message_size, clock=clock)
    try:
        yield connection
    finally:
        await connection.close()


async def _upgrade(lane: ByteLane, parts: urllib.parse.SplitResult, headers: Mapping[str, str]) -> bytes:
    """The upgrade; returns what came behind the answer."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    upgrade = ClientUpgrade(parts.netloc.rpartition("@")[2], path, headers)
    try:
        lane.write(upgrade.request)
        await lane.wait_written()
        early = None
        while early is None and upgrade.status is None:
            early = upgrade.receive(await lane.read())
        with trio.move_on_after(REFUSAL):
            while early is None:
                early = upgrade.receive(await lane.read())
    except _BROKEN as broken:
        problem = f"the connection ended during the upgrade: {broken.__cause__ or 'closed'}"
        raise ModelFailed("ws_1006", problem, fatal=False) from broken
    if early is None:
        raise upgrade.refusal()
    return early


async def _connect(parts: urllib.parse.SplitResult, ca: str | None) -> ByteLane:
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ModelFailed("bad_url", f"{parts.geturl()!r} is no ws:// or wss:// address")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        lane = ByteLane.take_over(await trio.open_tcp_stream(parts.hostname, port))
    except OSError as error:
        raise ModelFailed("unreachable", f"{parts.hostname}:{port}: {error}", fatal=False) from error
    if parts.scheme == "wss":
        await _secure(lane, parts.hostname, ca)
    return lane


async def _secure(lane: ByteLane, host: str, ca: str | None) -> None:
    try:
        await lane.secure(_client_context(ca), server_hostname=host)
    except trio.BrokenResourceError as error:
        lane.close()
        raise ModelFailed("tls", f"{host}: {error.__cause__ or error}") from error
    except BaseException:
        lane.close()
        raise


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
