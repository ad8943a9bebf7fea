"""TLS between two wires: whose certificate counts, in which direction, by which name (RFC 5922)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from callactors.errors import Unusable
from callactors.net.tls import Secure, client_context, server_context
from callactors.net.wires import Listener, Wires
from callactors.sip.address import Address, Hop
from callactors.sip.tls_names import bears, names_of
from callactors.testing.certificate import Authority, certificate

MESSAGE = b"OPTIONS sip:desk@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"


def server(shown: Path, clients: Path | None = None, host: str = "127.0.0.1") -> Wires:
    context = server_context(str(shown), str(shown), None if clients is None else str(clients))
    return Wires([Listener("tls", Address(host, 0), context)])


def client(trusted: Path, shown: Path | None = None, wanted: tuple[str, ...] = ()) -> Wires:
    context = client_context(str(trusted), None if shown is None else str(shown))
    listeners = [Listener("udp", Address("127.0.0.2", 0))]
    return Wires(listeners, secure=lambda hop: Secure(context, wanted or (hop.server or hop.host,)))


@asynccontextmanager
async def running(*wires: Wires) -> AsyncIterator[trio.MemoryReceiveChannel[bool]]:
    """Serve both; what the first one loses."""
    lost_in, lost = trio.open_memory_channel[bool](10)
    wires[0].on_lost = lambda hop, broken: lost_in.send_nowait(broken)
    async with trio.open_nursery() as nursery:
        for wire in wires:
            await nursery.start(wire.run)
        yield lost
        nursery.cancel_scope.cancel()
    for wire in wires:
        wire.close()


async def heard_by(calling: Wires, called: Wires, name: str = "") -> Hop:
    """The flow a message comes by."""
    calling.send(MESSAGE, Hop(*called.address, "tls", server=name))
    with trio.fail_after(3):
        ((_, source),) = await called.receive()
    return source


async def refused_by(calling: Wires, called: Wires, lost: trio.MemoryReceiveChannel[bool]) -> None:
    calling.send(MESSAGE, Hop(*called.address, "tls"))
    with trio.fail_after(3):
        await lost.receive()
    with trio.move_on_after(0.05) as nothing:
        await called.receive()
    assert nothing.cancelled_caught


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_both_ends_learn_the_names_of_the_other(authority: Authority) -> None:
    ours = authority.issue("carrier.example", "sip:trunk.example")
    calling, called = client(authority.ca, ours), server(authority.issue("127.0.0.1", "*.house.example"), authority.ca)
    async with running(calling, called):
        flow = await heard_by(calling, called)
        assert called.names(flow.flow) == ("carrier.example", "trunk.example")
        called.send(MESSAGE, flow)
        with trio.fail_after(3):
            ((_, back),) = await calling.receive()
        assert calling.names(back.flow) == ("127.0.0.1", "*.house.example")


async def test_who_shows_no_certificate_has_no_name(authority: Authority) -> None:
    calling, called = client(authority.ca), server(authority.issue("127.0.0.1"), authority.ca)
    async with running(calling, called):
        assert called.names((await heard_by(calling, called)).flow) == ()


async def test_a_self_made_client_certificate_ends_the_handshake(authority: Authority, tmp_path: Path) -> None:
    calling = client(authority.ca, certificate(tmp_path, "127.0.0.2"))
    called = server(authority.issue("127.0.0.1"), authority.ca)
    async with running(calling, called) as lost:
        await refused_by(calling, called, lost)


async def test_a_self_made_server_certificate_is_not_spoken_to(authority: Authority, tmp_path: Path) -> None:
    calling, called = client(authority.ca), server(certificate(tmp_path))
    async with running(calling, called) as lost:
        await refused_by(calling, called, lost)


async def test_a_server_with_another_name_is_not_spoken_to(authority: Authority) -> None:
    calling = client(authority.ca, wanted=("sbc.carrier.example",))
    called = server(authority.issue("sbc.other.example"))
    async with running(calling, called) as lost:
        await refused_by(calling, called, lost)
        assert calling.counters["wrong_names"] == 1


async def test_the_name_looked_up_is_the_name_the_server_must_bear(authority: Authority) -> None:
    calling, called = client(authority.ca), server(authority.issue("sip:carrier.example"))
    async with running(calling, called):
        assert (await heard_by(calling, called, "carrier.example")).host == "127.0.0.2"


async def test_a_connection_is_shared_only_by_those_whose_name_its_server_bears(authority: Authority) -> None:
    calling, called = client(authority.ca), server(authority.issue("one.example", "two.example"))
    async with running(calling, called) as lost:
        first = await heard_by(calling, called, "one.example")
        assert await heard_by(calling, called, "two.example") == first
        calling.send(MESSAGE, Hop(*called.address, "tls", server="three.example"))
        with trio.fail_after(3):
            assert await lost.receive() is False
        assert calling.counters["wrong_names"] == 1


async def test_someone_who_never_shakes_hands_is_hung_up_on(authority: Authority) -> None:
    called = server(authority.issue("127.0.0.1"))
    async with running(called):
        stream = await trio.open_tcp_stream(*called.address)
        await stream.send_all(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
        with trio.fail_after(3):
            while await stream.receive_some():
                pass
        await stream.aclose()


SUBJECTS = [
    (("URI", "sip:carrier.example"), ("carrier.example",)),
    (("URI", "SIPS:Carrier.Example;lr"), ("carrier.example",)),
    (("URI", "sip:alice@carrier.example"), ()),
    (("URI", "https://carrier.example"), ()),
    (("DNS", "*.Carrier.Example"), ("*.carrier.example",)),
    (("IP Address", "0:0:0:0:0:0:0:1"), ("::1",)),
    (("IP Address", "<invalid>"), ()),
    (("email", "x@carrier.example"), ()),
]


@pytest.mark.parametrize(("entry", "names"), SUBJECTS)
def test_a_certificate_speaks_for_hosts_not_for_people(entry: tuple[str, str], names: tuple[str, ...]) -> None:
    assert names_of({"subjectAltName": (entry,)}) == names


@pytest.mark.parametrize(
    ("names", "wanted", "fits"),
    [
        (["carrier.example"], ["CARRIER.example."], True),
        (["carrier.example"], ["x", "carrier.example"], True),
        (["*.carrier.example"], ["a.carrier.example"], True),
        (["*.carrier.example"], ["a.b.carrier.example"], False),
        (["*.carrier.example"], ["carrier.example"], False),
        (["*.0.0.1"], ["127.0.0.1"], False),
        (["carrier.example"], ["evilcarrier.example"], False),
        ([], ["carrier.example"], False),
        (["carrier.example"], [], False),
    ],
)
def test_a_name_is_borne_exactly_or_under_one_star(names: list[str], wanted: list[str], fits: bool) -> None:
    assert bears(names, wanted) is fits


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("not a certificate")
    with pytest.raises(Unusable, match=r"rubbish\.pem"):
        server_context(str(rubbish), str(rubbish))
    with pytest.raises(Unusable, match=r"missing\.pem"):
        client_context(str(tmp_path / "missing.pem"))
