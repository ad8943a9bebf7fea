"""Hypercorn on Trio, contained: one bad request must not end the server, one deaf client must not hold its end.

- Hypercorn 0.18 dies of a WebSocket upgrade followed by a stray byte (upstream #225): each connection is contained.
- Its cancelled send is shielded and waits for ever on a client that does not read: a guard closes the stream.
- It runs in a nursery of its own that no call shares, and is started again when it falls.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import hypercorn.trio.run as hypercorn_run
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.trio.tcp_server import TCPServer

from callactors.errors import Unusable
from callactors.meters.log import log

CUT = 0.5  # seconds a cancelled connection may take to send its last bytes


class Contained(TCPServer):
    """One connection: its exceptions end it and nothing else; cancelled, it ends within CUT."""

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._guard)
                await super().run()
                nursery.cancel_scope.cancel()
        except Exception as error:  # the bad request is theirs; Cancelled is no Exception
            log().warning("web.connection_failed", error=type(error).__name__)
            await trio.aclose_forcefully(self.stream)

    async def _guard(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(CUT)
                await trio.aclose_forcefully(self.stream)


async def run_web(
    app: Any,  # an ASGI application; hypercorn's own union of callables is not exported
    host: str,
    port: int,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve for ever; `started` gives the bound port. Raises Unusable when the address cannot be had."""
    hypercorn_run.TCPServer = Contained  # type: ignore[attr-defined]  # the seam; pinned below 0.19
    _check_address(host, port)
    sockets_port = port
    tell: Callable[[int], None] | None = task_status.started
    while True:
        config = _config(host, sockets_port)
        try:
            async with trio.open_nursery() as nursery:
                binds = await nursery.start(_serve, app, config)
                sockets_port = int(binds[0].rpartition(":")[2])
                if tell is not None:
                    tell(sockets_port)
                    tell = None
        except Exception as error:  # whatever felled the server, calls go on and it starts again
            if tell is not None:
                raise
            log().error("web.restarted", error=type(error).__name__)
            await trio.sleep(1)


def _check_address(host: str, port: int) -> None:
    """Hypercorn leaves a socket open that it cannot bind, so we ask first. Raises Unusable."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            remedy = "stop what uses it, or choose another address with --web HOST:PORT, or off"
            raise Unusable(f"the web face cannot listen on {host}:{port}: {error.strerror}; {remedy}") from error


async def _serve(app: Any, config: Config, task_status: trio.TaskStatus[list[str]]) -> None:
    await serve(app, config, task_status=task_status)


def _config(host: str, port: int) -> Config:
    config = Config()
    config.bind = [f"{host}:{port}"]
    config.errorlog = None
    config.accesslog = None
    config.graceful_timeout = 1.0
    config.websocket_ping_interval = 20.0
    return config
