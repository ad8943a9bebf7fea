"""The web face survives what kills Hypercorn bare, and leaves nothing behind when cancelled."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from callactors.web.app import Health, make_app
from callactors.web.server import run_web

UPGRADE = (
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ATTACKS = {
    "an upgrade with a stray byte behind it": UPGRADE + b"x",
    "an upgrade with a frame behind it": UPGRADE + b"\x81\x80\0\0\0\0",
    "an upgrade with a second request behind it": UPGRADE + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a request with bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "bytes that are no request": b"\x00\xff" * 200,
    "a header of 70 kB": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "bad chunks": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a bad HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\xff",
}


def health(status: str) -> Health:
    return Health(status=status, calls=3, reason="draining" if status == "draining" else "")


async def with_server(ask: Callable[[int], Awaitable[None]], ready: str = "ready") -> None:
    app = make_app(partial(health, "alive"), partial(health, ready))
    async with trio.open_nursery() as nursery:
        port = await nursery.start(run_web, app, "127.0.0.1", 0)
        await ask(port)
        nursery.cancel_scope.cancel()


async def fetch(port: int, path: str) -> tuple[int, dict[str, object]]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        async for chunk in stream:
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def test_health_and_readiness_are_told_in_json() -> None:
    async def ask(port: int) -> None:
        assert await fetch(port, "/healthz") == (200, {"status": "alive", "calls": 3, "reason": ""})
        assert await fetch(port, "/readyz") == (200, {"status": "ready", "calls": 3, "reason": ""})

    await with_server(ask)


async def test_a_process_that_takes_no_calls_says_so_with_503() -> None:
    async def ask(port: int) -> None:
        assert await fetch(port, "/readyz") == (503, {"status": "draining", "calls": 3, "reason": "draining"})

    await with_server(ask, ready="draining")


async def test_metrics_are_text_as_prometheus_wants_it() -> None:
    app = make_app(partial(health, "alive"), partial(health, "ready"), lambda: b"# HELP callactors_calls Live.\n")
    async with trio.open_nursery() as nursery:
        port = await nursery.start(run_web, app, "127.0.0.1", 0)
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b"".join([chunk async for chunk in stream])
        nursery.cancel_scope.cancel()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in head.lower()
    assert body == b"# HELP callactors_calls Live.\n"


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_the_server_survives(attack: bytes) -> None:
    async def ask(port: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(attack)
            with trio.move_on_after(0.3):
                while await stream.receive_some():
                    continue
        assert (await fetch(port, "/healthz"))[0] == 200

    await with_server(ask)


async def test_a_client_that_never_reads_does_not_hold_the_end() -> None:
    async def ask(port: int) -> None:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        with trio.move_on_after(0.5):
            while True:
                await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        await trio.aclose_forcefully(stream)

    with trio.fail_after(5):
        await with_server(ask)
