"""Starting a process that takes calls: what cannot be had is one sentence with a remedy, and orphans harm nobody."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
import trio

from callactors.audio.format import AudioFormat
from callactors.calls.contain import first_of
from callactors.commands.run import start
from callactors.commands.serving import serving
from callactors.config import Config, override
from callactors.config.config import replace
from callactors.config.trunk_schema import TrunkSettings
from callactors.errors import CallactorsError
from callactors.net.udp import UdpSocket
from callactors.sip.address import Address, Hop
from callactors.sip.dialog import DialogFacts
from callactors.speech.brain import Brain
from callactors.stores.ledger import open_ledger
from callactors.stores.ledger_rows import AttemptRow, CallOpened
from callactors.testing.calls import settings
from callactors.testing.sip_script import request


class Mute:
    """A brain that is only asked for phrases, and has nothing to say."""

    async def phrase(self, text: str, format: AudioFormat) -> bytes:
        return b""


MUTE = cast(Brain, Mute())


def house(data: Path, sip: str = "127.0.0.1:0", web: str = "off") -> Config:
    return override(settings(data), sip=sip, web=web, data=str(data))


async def problem(config: Config) -> str:
    """Why it does not start."""
    try:
        async with serving(config, brain=MUTE):
            return ""
    except (CallactorsError, ExceptionGroup) as error:
        return str(first_of(error))


@contextmanager
def taken(kind: socket.SocketKind) -> Iterator[str]:
    with socket.socket(socket.AF_INET, kind) as bound:
        bound.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            bound.listen()
        yield f"127.0.0.1:{bound.getsockname()[1]}"


async def test_a_sip_address_that_is_taken_is_named_with_a_remedy(tmp_path: Path) -> None:
    with taken(socket.SOCK_DGRAM) as address:
        said = await problem(house(tmp_path, sip=address))
    assert said.startswith(f"SIP cannot listen on {address}: Address already in use; ")
    assert "--sip" in said


async def test_a_web_address_that_is_taken_is_named_with_a_remedy(tmp_path: Path) -> None:
    with taken(socket.SOCK_STREAM) as address:
        said = await problem(house(tmp_path, web=address))
    assert said.startswith(f"the web face cannot listen on {address}: Address already in use; ")
    assert "--web" in said


async def test_a_data_folder_that_is_a_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = await problem(house(tmp_path / "file" / "data"))
    assert "Not a directory" in said
    assert "--data" in said


async def test_a_store_that_is_no_database_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "stores.db").write_text("this is no database, however long it is " * 100)
    said = await problem(house(tmp_path))
    assert said.startswith("stores.url: sqlite:///")
    assert "not a database" in said
    assert "\n" not in said


async def test_a_folder_another_process_holds_is_named_with_a_remedy(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "other"):
        assert "--data DIR" in await problem(house(tmp_path))


def test_run_says_it_on_one_line_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").touch()
    try:
        assert start(house(tmp_path / "data"), None) == 1
    finally:
        structlog.reset_defaults()  # the log went to a stderr that ends with this test
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def facts(peer: Address) -> DialogFacts:
    """A dialog a process that died had with `peer`."""
    return DialogFacts(
        sip_call_id="orphan@x", local_tag="t1-a", remote_tag="b", cseq=3, local_uri="sip:100@127.0.0.1",
        remote_uri="sip:caller@127.0.0.1", local_address="127.0.0.1:5060", remote_address=str(peer), route_set=(),
        remote_target=f"sip:caller@{peer}",
    )  # fmt: skip


async def leave_an_orphan(config: Config, peer: Address) -> None:
    async with open_ledger(Path(config.ledger.path), config.node) as ledger:
        ledger.queue(CallOpened(call="c1", direction="inbound", started=1))
        await ledger.durable(AttemptRow(call="c1", n=0, leg=0, facts=facts(peer), answered=2))


async def test_an_orphans_peer_that_is_of_no_trunk_any_more_gets_its_bye_and_may_speak(tmp_path: Path) -> None:
    peer = UdpSocket("127.0.0.77", 0)
    narrow: dict[str, Any] = {"loopback": TrunkSettings(sources=(ipaddress.IPv4Network("127.0.0.30/32"),))}
    config = replace(house(tmp_path), trunks=narrow)
    try:
        await leave_an_orphan(config, peer.address)
        with trio.fail_after(20):
            async with serving(config, brain=MUTE) as up:
                bye = b"".join(data for data, _ in await peer.receive())
                peer.send(request("OPTIONS", via=str(peer.address)), Hop(*up.sip))
                answer = b"".join(data for data, _ in await peer.receive())
    finally:
        peer.close()
    assert bye.startswith(b"BYE ")
    assert b"CSeq: 1003 BYE" in bye
    assert answer


async def fetch(address: Address, path: str) -> tuple[int, str]:
    """The status and body of a page."""
    async with await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def test_a_process_that_serves_has_a_page_of_meters_and_says_when_it_is_full(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with serving(house(tmp_path, web="127.0.0.1:0"), brain=MUTE) as up:
            assert up.web is not None
            while up.switchboard.vitals().sample < 2:  # noqa: ASYNC110 - the pulse announces nothing
                await trio.sleep(0.02)
            status, page = await fetch(up.web, "/metrics")
            up.switchboard.room.calls = 0
            busy, told = await fetch(up.web, "/readyz")
    assert status == 200
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    assert float(values["callactors_descriptors"]) > 3
    assert float(values["callactors_memory_bytes"]) > 1e7
    assert float(values["callactors_loop_lag_seconds_count"]) >= 1
    assert float(values["callactors_rtp_ports_free"]) == 200
    assert (busy, "limits.calls is 0" in told) == (503, True)
