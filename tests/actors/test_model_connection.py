"""The ways to a model: what a URL, a key and a dialect become, and a model in this process."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.model_connection import Connect, in_process, over_websocket
from callactors.errors import MalformedEvent, ModelFailed
from callactors.net.websocket_server import Served, serve
from callactors.realtime import events as e
from callactors.realtime.dialects import BETA, GA


async def seen_by_server(**how: object) -> tuple[str, Mapping[str, str]]:
    """The path and headers a server sees; `url` is completed with its port."""
    seen: list[tuple[str, Mapping[str, str]]] = []

    async def handler(connection: Served, path: str, headers: Mapping[str, str]) -> None:
        seen.append((path, headers))

    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, "127.0.0.1", 0, handler)
        url = f"ws://127.0.0.1:{port}{how.pop('path')}"
        async with over_websocket(url, **how)() as connection:  # type: ignore[arg-type]  # a test's own keywords
            with pytest.raises(ModelFailed):
                await connection.receive()
        nursery.cancel_scope.cancel()
    return seen[0]


async def test_the_model_goes_into_the_query_and_the_key_into_authorization() -> None:
    path, headers = await seen_by_server(path="/v1/realtime", model="gpt realtime", key="k")
    assert path == "/v1/realtime?model=gpt+realtime"
    assert headers["authorization"] == "Bearer k"
    assert "openai-beta" not in headers


async def test_a_model_named_in_the_url_stays_and_beta_says_so() -> None:
    path, headers = await seen_by_server(path="/v1/realtime?model=a", model="b", dialect=BETA, headers={"x-y": "z"})
    assert path == "/v1/realtime?model=a"
    assert (headers["openai-beta"], headers["x-y"]) == ("realtime=v1", "z")
    assert "authorization" not in headers


async def test_events_cross_the_wire_as_events_and_nonsense_as_an_error() -> None:
    async def handler(connection: Served, path: str, headers: Mapping[str, str]) -> None:
        assert GA.decode_client(await connection.receive()) == e.InputAudioBufferAppend(audio=b"abc")
        await connection.send(GA.encode_server(e.InputAudioBufferCleared(event_id="1")))
        await connection.send("nonsense")

    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, "127.0.0.1", 0, handler)
        async with over_websocket(f"ws://127.0.0.1:{port}")() as connection:
            await connection.send(e.InputAudioBufferAppend(audio=b"abc"))
            assert await connection.receive() == e.InputAudioBufferCleared(event_id="1")
            with pytest.raises(MalformedEvent):
                await connection.receive()
        nursery.cancel_scope.cancel()


# -- in process -------------------------------------------------------------------------------------------------------


def clearing(times: int, *, fails: bool = False) -> Connect:
    """A model that answers so many events and ends."""

    async def model(requests: Mailbox[e.ClientEvent], replies: Mailbox[e.ServerEvent]) -> None:
        for _ in range(times):
            await requests.receive()
            await replies.send(e.InputAudioBufferCleared())
        if fails:
            raise ModelFailed("weights", "gone")

    return in_process(model)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_model_in_process_is_lost_when_it_ends(fails: bool) -> None:
    async with clearing(1, fails=fails)() as connection:
        await connection.send(e.InputAudioBufferClear())
        assert await connection.receive() == e.InputAudioBufferCleared()
        with pytest.raises(ModelFailed, match="ended"):
            await connection.receive()
        with pytest.raises(ModelFailed, match="ended"):
            await connection.send(e.InputAudioBufferClear())


async def test_leaving_the_connection_ends_the_model() -> None:
    ended = trio.Event()

    async def model(requests: Mailbox[e.ClientEvent], replies: Mailbox[e.ServerEvent]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async with in_process(model)():
        await trio.testing.wait_all_tasks_blocked()
    assert ended.is_set()
