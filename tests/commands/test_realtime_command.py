"""`python -m callactors realtime`: a real process with the real brain, spoken to over ws and wss."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from callactors.commands.realtime import Server, _listen, split_address
from callactors.errors import ModelFailed, Unusable
from callactors.net.websocket import open_websocket
from callactors.net.websocket_connection import Connection
from callactors.speech.brain import Brain
from callactors.testing.certificate import certificate

ROOT = Path(__file__).resolve().parents[2]
TOLD: set[int] = set()  # processes that have had their SIGTERM
LAUNCH = "import typer; from callactors.commands.realtime import realtime; typer.run(realtime)"


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the address it printed; ended by SIGTERM, cleanly, leaving no child."""
    command = [sys.executable, "-c", LAUNCH, "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().split()
            assert ready[:1] == ["READY"]
            children = children_of(process.pid)
            assert len(children) == 2
            yield process, ready[1].removeprefix("realtime=")
        finally:
            if process.pid not in TOLD:
                process.terminate()
        assert process.wait(10) == 0
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def children_of(pid: int) -> list[int]:
    """Of all its threads: Trio starts processes from a worker."""
    lists = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in lists for child in children]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving("--concurrent", "2") as (_, address):
        yield address


async def until(connection: Connection, kind: str) -> dict[str, Any]:
    """The next event of a type."""
    with trio.fail_after(20):
        while True:
            event: dict[str, Any] = json.loads(await connection.receive())
            if event["type"] == kind:
                return event


async def send(connection: Connection, **event: object) -> None:
    await connection.send(json.dumps(event))


async def test_it_greets_by_voice(url: str) -> None:
    async with open_websocket(f"{url}?model=mine", {}) as connection:
        assert (await until(connection, "session.created"))["session"]["model"] == "mine"
        await send(connection, type="response.create", response={"instructions": "Say exactly: Hello."})
        delta = await until(connection, "response.output_audio.delta")
        assert len(delta["delta"]) > 1_000
        assert delta["event_id"]
        assert (await until(connection, "response.done"))["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("text", "event_id"),
    [
        ("not json", None),
        ("[]", None),
        ('{"type":"no.such.event","event_id":"e1"}', "e1"),
        ('{"type":"session.update","session":{},"event_id":"e2"}', "e2"),
        ('{"type":"input_audio_buffer.append","audio":"***"}', None),
        ('{"type":"conversation.item.truncate","event_id":"e3"}', "e3"),
        ("[" * 100_000, None),
    ],
)
async def test_a_bad_request_is_an_error_event_and_the_session_goes_on(
    url: str, text: str, event_id: str | None
) -> None:
    async with open_websocket(url, {}) as connection:
        await connection.send(text)
        assert (await until(connection, "error"))["error"].get("event_id") == event_id
        await send(connection, type="input_audio_buffer.clear")
        await until(connection, "input_audio_buffer.cleared")


async def test_one_session_too_many_is_refused_and_closed(url: str) -> None:
    async with open_websocket(url, {}) as first, open_websocket(url, {}) as second:
        await until(first, "session.created")
        await until(second, "session.created")
        async with open_websocket(url, {}) as third:
            assert (await until(third, "error"))["error"]["code"] == "rate_limit_exceeded"
            with pytest.raises(ModelFailed):
                await until(third, "session.created")


async def test_another_path_is_not_served(url: str) -> None:
    with pytest.raises(ModelFailed) as refused:
        async with open_websocket(url.replace("/v1/realtime", "/v2"), {}):
            pass
    assert refused.value.code == "http_404"


async def test_beta_clients_are_spoken_to_in_beta(url: str) -> None:
    async with open_websocket(url, {"OpenAI-Beta": "realtime=v1"}) as connection:
        created = await until(connection, "session.created")
        assert created["session"]["input_audio_format"] == "pcm16"


async def test_over_tls_and_ended_while_a_client_talks(tmp_path: Path) -> None:
    pem = str(certificate(tmp_path))
    with serving("--cert", pem, "--key", pem) as (process, address):
        assert address.startswith("wss://127.0.0.1:")
        async with open_websocket(address, {}, ca=pem) as connection:
            await send(connection, type="response.create")
            await until(connection, "response.created")
            process.terminate()
            TOLD.add(process.pid)  # a second SIGTERM would be a more impatient one
            with pytest.raises(ModelFailed):
                await until(connection, "never")


async def test_an_address_that_is_taken_is_named_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unusable, match=f"127.0.0.1:{port} cannot be served.*choose another --listen"):
            await _listen("127.0.0.1", port, Server(Brain(), 1), None)


def test_an_address_that_is_none_is_a_wrong_use() -> None:
    command = [sys.executable, "-c", LAUNCH, "--listen", "nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "HOST:PORT" in done.stderr) == (2, True)


def test_missing_weights_end_it_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not it")
    command = [sys.executable, "-c", LAUNCH, "--listen", "127.0.0.1:0", "--model-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'callactors[local]'" in done.stderr


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("host", None), (":80", None), ("h:99999", None)],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int] | None) -> None:
    assert split_address(text) == address
