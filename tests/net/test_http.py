"""What a stranger's message names is fetched only from listed hosts, bounded in time and size."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio

from callactors.errors import NotFetched
from callactors.net.http import MAX_BYTES, fetch
from callactors.testing.certificate import certificate
from callactors.testing.stir import web_server


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return certificate(tmp_path)


def server_side(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_page_is_fetched_from_a_listed_host(pem: Path) -> None:
    async with web_server({"/a.pem?x=1": b"hello"}, server_side(pem)) as port:
        trust = ssl.create_default_context(cafile=str(pem))
        fetched = await fetch(f"https://127.0.0.1:{port}/a.pem?x=1", hosts=[f"127.0.0.1:{port}"], context=trust)
    assert (fetched.body, fetched.max_age) == (b"hello", None)


async def test_how_long_it_stays_good_is_what_its_server_says(pem: Path) -> None:
    head = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=90"
    async with web_server({"/": b"x"}, server_side(pem), head=head) as port:
        trust = ssl.create_default_context(cafile=str(pem))
        assert (await fetch(f"https://127.0.0.1:{port}", hosts=[f"127.0.0.1:{port}"], context=trust)).max_age == 90.0


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/",
        "https://listed.example.evil.example/",
        "https://listed.example@evil.example/",
        "https://user@listed.example/",
        "https://listed.example:8443/",
        "http://listed.example/",
        "file:///etc/passwd",
        "https://listed.example:99999/",
        "https://[::1",
        "",
    ],
)
async def test_nobody_but_a_listed_host_is_asked(url: str) -> None:
    with pytest.raises(NotFetched):
        await fetch(url, hosts=["listed.example"])


async def test_an_address_that_no_request_line_could_hold_is_not_asked() -> None:
    with pytest.raises(NotFetched, match="InvalidURL"):
        await fetch("https://127.0.0.1:9/a\x01.pem", hosts=["127.0.0.1:9"])


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]"])
async def test_our_own_link_is_not_asked_even_where_somebody_listed_it(host: str) -> None:
    with pytest.raises(NotFetched, match="own link"):
        await fetch(f"https://{host}/latest", hosts=[f"{host}:443"])


async def test_a_listed_name_that_leads_to_this_machine_is_not_followed() -> None:
    with pytest.raises(NotFetched, match="private address"):
        await fetch("https://localhost/a.pem", hosts=["localhost"])


async def test_a_certificate_of_ten_megabytes_is_left_after_64_kilobytes(pem: Path) -> None:
    async with web_server({"/": b"x" * 10_000_000}, server_side(pem)) as port:
        trust = ssl.create_default_context(cafile=str(pem))
        with pytest.raises(NotFetched, match=str(MAX_BYTES)):
            await fetch(f"https://127.0.0.1:{port}/", hosts=[f"127.0.0.1:{port}"], context=trust)


async def test_a_server_that_says_nothing_costs_a_bounded_time(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(NotFetched, match="ConnectTimeout"):
            await fetch(f"https://127.0.0.1:{port}/", hosts=[f"127.0.0.1:{port}"])
        nursery.cancel_scope.cancel()
    for listener in listeners:
        await listener.aclose()


@pytest.mark.parametrize("head", ["HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/", "HTTP/1.1 404 Not Found", "x"])
async def test_redirects_and_refusals_are_the_end(pem: Path, head: str) -> None:
    async with web_server({"/": b"x"}, server_side(pem), head=head) as port:
        trust = ssl.create_default_context(cafile=str(pem))
        with pytest.raises(NotFetched):
            await fetch(f"https://127.0.0.1:{port}/", hosts=[f"127.0.0.1:{port}"], context=trust)


async def test_a_server_whose_certificate_nobody_trusts_is_not_heard(pem: Path) -> None:
    async with web_server({"/": b"x"}, server_side(pem)) as port:
        with pytest.raises(NotFetched):
            await fetch(f"https://127.0.0.1:{port}/", hosts=[f"127.0.0.1:{port}"])
