"""Kamailio as an SBC over TCP and TLS: calls both ways, one connection for many, and certificates that do not pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from callactors.net.udp import UdpSocket, Wire
from callactors.sip.address import Address, Hop, Transport
from callactors.testing.certificate import Authority, certificate
from callactors.testing.phone_call import PhoneCall
from callactors.testing.stream_wire import stream_wire
from callactors.testing.user_agent import NotAnswered, UserAgent
from tests.interop.proxy import CONFIGS, kamailio
from tests.interop.support import Exchange, Program, free_port

SBC, KNOWN_SBC, INSIDE, OUTSIDE = "127.0.0.40", "127.0.0.41", "127.0.0.1", "127.0.0.10"
NUMBER = "+13125550100"
HOUSE = """\
version: 1
node: house
listen:
  rtp: 34000-34999
  sip:
    - {{udp: "127.0.0.1:0"}}
    - {{tcp: "{tcp}"}}
    - {{tls: "{tls}", cert: "{cert}", key: "{cert}", ca: "{ca}"}}
trunks:
  carrier: {{from: [127.0.0.40/32], media_from: [127.0.0.10/32]}}
  known:
    from: [127.0.0.41/32]
    media_from: [127.0.0.10/32]
    tls: {{ca: "{ca}", identity: [sbc.example]}}
numbers:
  - {{match: "+13125550100", trunk: carrier, scenario: salon}}
  - {{match: "+13125550100", trunk: known, scenario: salon}}
directory:
  front_desk: {{sip: "sip:desk@127.0.0.10:5070", trunk: carrier}}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
timers: {{first_rtp: 60, call_max: 2}}
"""


@attrs.frozen
class House:
    """The program, where it listens, and who issued its certificate."""

    program: Program
    tcp: Address
    tls: Address
    authority: Authority


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[House]:
    """One house for TCP and TLS; its calls last two seconds."""
    folder = tmp_path_factory.mktemp("transports")
    authority = Authority(folder)
    tcp, tls = Address(INSIDE, free_port(INSIDE)), Address(INSIDE, free_port(INSIDE))
    config = HOUSE.format(tcp=tcp, tls=tls, cert=authority.issue(INSIDE), ca=authority.ca)
    with Exchange(folder, phrases).run(config=config, sip="") as program:
        yield House(program, tcp, tls, authority)


@attrs.frozen
class Sbc:
    """Where Kamailio is, for UDP and TCP and for TLS."""

    plain: Address
    tls: Address

    def hop(self, transport: Transport) -> Hop:
        return Hop(*(self.tls if transport == "tls" else self.plain), transport)


@asynccontextmanager
async def sbc(
    folder: Path, inside: Address, outside: Address, transport: str, shown: Path, ca: Path, host: str = SBC
) -> AsyncIterator[Sbc]:
    """Kamailio between them; `shown` is its certificate in both directions."""
    made = Sbc(Address(host, free_port(host)), Address(host, free_port(host)))
    tls = folder / "tls.cfg"
    text = (CONFIGS / "tls.cfg").read_text().replace("@CERTIFICATE@", str(shown)).replace("@CA@", str(ca))
    tls.write_text(text)
    words = {"inside": inside, "outside": outside, "transport": transport, "tls": tls, "tls_port": made.tls.port}
    async with kamailio(folder, "transports", made.plain, **words):
        yield made


@asynccontextmanager
async def agents(*made: UserAgent) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for agent in made:
            await nursery.start(agent.run)
        yield
        nursery.cancel_scope.cancel()


def inside_wire(transport: Transport, authority: Authority) -> Wire:
    if transport == "tcp":
        return stream_wire(INSIDE)
    return stream_wire(INSIDE, "tls", certificate=authority.issue(INSIDE), ca=authority.ca)


async def ends(call: PhoneCall) -> None:
    with trio.fail_after(5):
        await call.ended.wait()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_calls_are_placed_and_taken_through_kamailio_and_hung_up_by_either_side(
    transport: Transport, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    ours = UserAgent(INSIDE, wire=inside_wire(transport, authority), name="ours")
    theirs = UserAgent(OUTSIDE, wire=UdpSocket(OUTSIDE, 0), name="theirs")
    async with (
        sbc(tmp_path, ours.address, theirs.address, transport, authority.issue(SBC), authority.ca) as proxy,
        agents(ours, theirs),
    ):
        for caller, called, hop in ((ours, theirs, proxy.hop(transport)), (theirs, ours, proxy.hop("udp"))):
            for hangs_up in ("caller", "called"):
                call = caller.place(f"sip:desk@{proxy.plain}", to=hop)
                taken = await called.next_call()
                taken.pick_up()
                with trio.fail_after(5):
                    await call.answered.wait()
                (call if hangs_up == "caller" else taken).hang_up()
                await ends(taken if hangs_up == "caller" else call)
        assert {entry for entry in ours.endpoint.counters() if entry.startswith("connections_")} == set()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_the_house_takes_calls_through_kamailio_and_hangs_up_through_it(
    transport: Transport, tmp_path: Path, home: House
) -> None:
    caller = UserAgent(OUTSIDE, wire=UdpSocket(OUTSIDE, 0), name="caller")
    listen, shown = home.tls if transport == "tls" else home.tcp, home.authority.issue(SBC)
    async with (
        sbc(tmp_path, listen, caller.address, transport, shown, home.authority.ca) as proxy,
        agents(caller),
    ):
        call = await caller.dial(f"sip:{NUMBER}@{proxy.plain}", caller=transport)
        await ends(call)
        assert call.ended_by == "them"
    (record,) = await home.program.closed(transport)
    assert record["answered"]
    assert f"Via: SIP/2.0/{transport.upper()} {listen}" in home.program.capture()


async def test_the_certificate_with_the_trunks_name_passes(tmp_path: Path, home: House) -> None:
    caller = UserAgent(OUTSIDE, wire=UdpSocket(OUTSIDE, 0), name="caller")
    shown = home.authority.issue("sbc.example", KNOWN_SBC)
    async with (
        sbc(tmp_path, home.tls, caller.address, "tls", shown, home.authority.ca, KNOWN_SBC) as proxy,
        agents(caller),
    ):
        call = await caller.dial(f"sip:{NUMBER}@{proxy.plain}", caller="known")
        call.hang_up()
    await home.program.closed("known")


@pytest.mark.parametrize("shown", ["another name", "self-made", "no TLS at all"])
async def test_no_other_certificate_passes_from_the_same_address(shown: str, tmp_path: Path, home: House) -> None:
    caller = UserAgent(OUTSIDE, wire=UdpSocket(OUTSIDE, 0), name="caller")
    pem = certificate(tmp_path, KNOWN_SBC) if shown == "self-made" else home.authority.issue("other.example", KNOWN_SBC)
    listen, transport = (home.tcp, "tcp") if shown == "no TLS at all" else (home.tls, "tls")
    async with (
        sbc(tmp_path, listen, caller.address, transport, pem, home.authority.ca, KNOWN_SBC) as proxy,
        agents(caller),
    ):
        with pytest.raises(NotAnswered):
            await caller.dial(f"sip:{NUMBER}@{proxy.plain}", caller=shown.replace(" ", "-"), ring=6)
    assert all(record["caller"] in ("tcp", "tls", "known") for record in home.program.calls())
