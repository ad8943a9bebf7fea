"""The WebSocket shell over real loopback sockets: what a peer may do to us, and that no socket is left behind."""

from __future__ import annotations

import gc
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
import trio_websocket

from callactors.errors import ModelFailed, UnsafeText
from callactors.net.websocket import open_websocket
from callactors.net.websocket_connection import DISCONNECT, Connection
from callactors.net.websocket_server import Admission, Handler, Served, serve

Headers = Mapping[str, str]


@asynccontextmanager
async def served(
    handler: Handler, *, ssl_context: ssl.SSLContext | None = None, admit: Admission | None = None
) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:

        async def start(task_status: trio.TaskStatus[int]) -> None:
            await serve("127.0.0.1", 0, handler, ssl_context=ssl_context, admit=admit, task_status=task_status)

        yield await nursery.start(start)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def raw_peer(answer: bytes | None, *, then_close: bool = False) -> AsyncIterator[int]:
    """A TCP server that answers bytes of ours to whatever comes; None is silence."""

    async def client(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if answer is not None:
            await stream.send_all(answer)
        if not then_close:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, client, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def echo(connection: Served, path: str, headers: Headers) -> None:
    while True:
        await connection.send(f"{path} {headers.get('authorization', '-')} {await connection.receive()}")


async def failure(url: str, *, patience: float = 5.0) -> ModelFailed:
    """What happens when `url` is opened and one message awaited."""
    with pytest.raises(ModelFailed) as caught:
        async with open_websocket(url, {}, connect_timeout=patience) as connection:
            await connection.receive()
    return caught.value


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def test_text_goes_both_ways_with_path_query_and_headers() -> None:
    async with served(echo) as port:
        url = f"ws://127.0.0.1:{port}/v1/realtime?model=m"
        async with open_websocket(url, {"Authorization": "Bearer k"}) as connection:
            await connection.send("hello")
            assert await connection.receive() == "/v1/realtime?model=m Bearer k hello"


async def test_a_message_of_megabytes_arrives_whole() -> None:
    async with served(echo) as port, open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
        await connection.send("x" * 3_000_000)
        assert len(await connection.receive()) == 3_000_000 + len("/ - ")


@pytest.mark.parametrize(("code", "fatal"), [(4000, True), (1001, False), (1008, True), (1011, False)])
async def test_the_peers_close_code_and_reason_are_told(code: int, fatal: bool) -> None:
    async def closing(connection: Served, path: str, headers: Headers) -> None:
        await connection.close(code, "because")

    async with served(closing) as port:
        error = await failure(f"ws://127.0.0.1:{port}/")
    assert (error.code, error.problem, error.fatal) == (f"ws_{code}", "because", fatal)


async def test_a_peer_that_vanishes_is_1006_and_leaks_no_socket() -> None:
    async def vanishing(connection: Served, path: str, headers: Headers) -> None:
        await connection.abort()

    async with served(vanishing) as port:
        before = descriptors()
        error = await failure(f"ws://127.0.0.1:{port}/")
        assert error.code == "ws_1006"
        assert not error.fatal
        await trio.testing.wait_all_tasks_blocked()
        assert descriptors() == before


@pytest.mark.parametrize(("status", "fatal"), [(401, True), (403, True), (429, False), (503, False)])
async def test_a_refused_upgrade_says_its_http_status(status: int, fatal: bool) -> None:
    async with served(echo, admit=lambda path, headers: status) as port:
        error = await failure(f"ws://127.0.0.1:{port}/")
    assert (error.code, error.fatal) == (f"http_{status}", fatal)


async def test_a_port_nobody_listens_on_is_unreachable() -> None:
    async with served(echo) as port:
        pass
    assert (await failure(f"ws://127.0.0.1:{port}/")).code == "unreachable"


async def test_a_peer_that_accepts_and_says_nothing_times_out() -> None:
    async with raw_peer(None) as port:
        assert (await failure(f"ws://127.0.0.1:{port}/", patience=0.05)).code == "timeout"


async def test_a_peer_that_hangs_up_during_the_upgrade_is_told_at_once() -> None:
    async with raw_peer(b"", then_close=True) as port:
        assert (await failure(f"ws://127.0.0.1:{port}/")).code == "ws_1006"


@pytest.mark.parametrize("nonsense", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"])
async def test_a_peer_that_is_no_websocket_server_fails_cleanly(nonsense: bytes) -> None:
    async with raw_peer(nonsense) as port:
        assert (await failure(f"ws://127.0.0.1:{port}/")).code in ("ws_1006", "http_200")


async def test_cancelling_does_not_wait_for_a_peer_that_answers() -> None:
    async with served(echo) as port:
        with trio.CancelScope() as scope:
            async with open_websocket(f"ws://127.0.0.1:{port}/", {}):
                started = trio.current_time()
                scope.cancel()
                await trio.sleep_forever()
        assert trio.current_time() - started < DISCONNECT / 2


async def test_closing_a_silent_peer_does_not_wait_sixty_seconds() -> None:
    async def silent(connection: Served, path: str, headers: Headers) -> None:
        await trio.sleep_forever()

    async with served(silent) as port:
        with trio.fail_after(5):
            async with open_websocket(f"ws://127.0.0.1:{port}/", {}):
                pass


async def test_a_message_over_the_limit_closes_with_1009() -> None:
    async def flooding(connection: Served, path: str, headers: Headers) -> None:
        await connection.send("x" * 5000)
        await connection.receive()

    async with served(flooding) as port:
        with pytest.raises(ModelFailed) as caught:
            async with open_websocket(f"ws://127.0.0.1:{port}/", {}, max_message_size=4096) as connection:
                await connection.receive()
    assert caught.value.code == "ws_1009"


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    async with served(echo) as port:
        with pytest.raises(ZeroDivisionError) as caught:
            async with open_websocket(f"ws://127.0.0.1:{port}/", {}):
                raise ZeroDivisionError from ValueError()
    assert isinstance(caught.value.__cause__, ValueError)


async def test_cancelling_leaves_no_socket() -> None:
    async with served(echo) as port:
        before = descriptors()
        with trio.move_on_after(0.05):
            async with open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
                await connection.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert descriptors() == before


async def test_a_client_that_talks_nonsense_harms_no_other() -> None:
    async with served(echo) as port:
        for nonsense in (b"\x16\x03\x01garbage\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b""):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(nonsense)
        async with open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
            await connection.send("still here")
            assert (await connection.receive()).endswith("still here")


async def test_a_header_with_a_line_break_never_reaches_the_wire() -> None:
    async with served(echo) as port:
        with pytest.raises(UnsafeText):
            async with open_websocket(f"ws://127.0.0.1:{port}/", {"a": "b\r\nc: d"}):
                pass


async def test_sending_on_a_closed_connection_says_why() -> None:
    async def closing(connection: Served, path: str, headers: Headers) -> None:
        await connection.close(1001, "bye")

    async with served(closing) as port, open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
        with pytest.raises(ModelFailed, match="bye"):
            await connection.receive()
        with pytest.raises(ModelFailed, match="bye") as caught:
            await connection.send("more")
    assert caught.value.code == "ws_1001"


async def test_a_tls_handshake_that_takes_too_long_leaves_no_socket() -> None:
    async with raw_peer(None) as port:
        before = descriptors()
        assert (await failure(f"wss://127.0.0.1:{port}/", patience=0.1)).code == "timeout"
        assert descriptors() <= before + 1  # the peer's own end of it


async def test_an_address_of_another_scheme_is_refused() -> None:
    assert (await failure("http://127.0.0.1/")).code == "bad_url"


async def test_wss_trusts_the_given_ca_and_no_other(tmp_path: Path) -> None:
    certificate = _certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    async with served(echo, ssl_context=server) as port:
        url = f"wss://localhost:{port}/"
        async with open_websocket(url, {}, ca=str(certificate)) as connection:
            await connection.send("secret")
            assert (await connection.receive()).endswith("secret")
        error = await failure(url)
    assert (error.code, error.fatal) == ("tls", True)


def _certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost with its key, in one PEM file."""
    from datetime import datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "localhost.pem"
    path.write_bytes(pem)
    return path


# -- against a library that is not ours -------------------------------------------------------------------------------


async def test_another_librarys_server_understands_us_and_we_it() -> None:
    async def theirs(request: Any) -> None:
        socket = await request.accept()
        for _ in range(2):
            await socket.send_message(f"{request.path} {len(await socket.get_message())}")
        await socket.aclose(4000, "enough")

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, theirs, "127.0.0.1", 0, None)
        async with open_websocket(f"ws://127.0.0.1:{server.port}/a?b", {}) as connection:
            for size in (10, 70_000):
                await connection.send("x" * size)
                assert await connection.receive() == f"/a?b {size}"
            with pytest.raises(ModelFailed, match="ws_4000: enough"):
                await connection.receive()
        nursery.cancel_scope.cancel()


async def test_another_librarys_client_understands_us_and_we_it() -> None:
    async with (
        served(echo) as port,
        trio_websocket.open_websocket_url(f"ws://127.0.0.1:{port}/x") as theirs,
    ):
        await theirs.ping(b"there?")
        for text in ("short", "l" * 70_000):
            await theirs.send_message(text)
            assert await theirs.get_message() == f"/x - {text}"
        await theirs.aclose(4001, "done")
        assert theirs.closed.code == 4001


# -- without waiting --------------------------------------------------------------------------------------------------


async def test_what_is_sent_without_waiting_is_refused_once_the_peer_stops_reading() -> None:
    async def deaf(connection: Served, path: str, headers: Headers) -> None:
        await trio.sleep_forever()

    async with served(deaf) as port, open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
        assert connection.send_nowait(b"the kernel takes this")
        with trio.move_on_after(0.3) as waited:
            while True:
                await connection.send("x" * 1_000_000)
        assert waited.cancelled_caught
        assert not connection.send_nowait(b"and not this")


async def test_a_peer_that_reads_late_gets_every_message_whole() -> None:
    got, reading, everything = list[int](), trio.Event(), trio.Event()

    async def late(connection: Served, path: str, headers: Headers) -> None:
        await reading.wait()
        while len(got) < len(sizes) + 2:
            got.append(len(await connection.receive()))
        everything.set()

    async with served(late) as port, open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
        sizes: list[int] = []
        while connection.send_nowait(b"x" * (50_000 + len(sizes))):
            sizes.append(50_000 + len(sizes))
        async with trio.open_nursery() as nursery:
            for extra in (3, 4):  # two senders at once
                nursery.start_soon(connection.send, "y" * extra)
            reading.set()
        with trio.fail_after(5):
            await everything.wait()
    assert got[: len(sizes)] == sizes
    assert sorted(got[len(sizes) :]) == [3, 4]


async def talk(connection: Connection) -> None:
    with trio.fail_after(5):
        while True:
            await connection.send("still talking")


async def test_what_the_peer_said_before_it_vanished_is_the_reason_when_sending_fails() -> None:
    async def closing(connection: Served, path: str, headers: Headers) -> None:
        await connection.close(4000, "not any more")

    async with served(closing) as port, open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection:
        with pytest.raises(ModelFailed) as caught:
            await talk(connection)
    assert (caught.value.code, caught.value.fatal) == ("ws_4000", True)


async def test_closing_from_another_task_ends_a_receive_under_way() -> None:
    async def receive(connection: Connection) -> None:
        with pytest.raises(ModelFailed):
            await connection.receive()

    async with (
        served(echo) as port,
        open_websocket(f"ws://127.0.0.1:{port}/", {}) as connection,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(receive, connection)
        await trio.testing.wait_all_tasks_blocked()
        await connection.close()
