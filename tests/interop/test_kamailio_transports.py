"""Kamailio as an SBC over TCP and TLS: calls both ways, one connection for many, and certificates that do not pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from tests.interop.support import Exchange, free_port

SBC, INSIDE, OUTSIDE = "127.0.0.40", "127.0.0.1", "127.0.0.10"
NUMBER = "+13125550100"
HOUSE = """\
version: 1
node: house
listen:
  rtp: 34000-34999
  sip:
    - {{udp: "127.0.0.1:0"}}
    - {{tcp: "127.0.0.1:{tcp}"}}
    - {{tls: "127.0.0.1:{tls}", cert: "{cert}", key: "{cert}", ca: "{ca}"}}
trunks:
  carrier:
    from: [127.0.0.40/32]
    media_from: [127.0.0.10/32]
{extra}
numbers:
  - {{match: "+13125550100", trunk: carrier, scenario: salon}}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
timers: {{first_rtp: 60, call_max: {call_max}}}
"""


@attrs.frozen
class Sbc:
    """Where Kamailio is, for UDP and TCP and for TLS."""

    plain: Address
    tls: Address

    def hop(self, transport: Transport) -> Hop:
        return Hop(*(self.tls if transport == "tls" else self.plain), transport)


@asynccontextmanager
async def sbc(
    folder: Path, inside: Address, outside: Address, transport: Transport, shown: Path, ca: Path
) -> AsyncIterator[Sbc]:
    """Kamailio between them; `shown` is its certificate in both directions."""
    made = Sbc(Address(SBC, free_port(SBC)), Address(SBC, free_port(SBC)))
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
    transport: Transport, tmp_path: Path, exchange: Exchange
) -> None:
    authority = Authority(tmp_path)
    caller = UserAgent(OUTSIDE, wire=UdpSocket(OUTSIDE, 0), name="caller")
    tcp, tls = free_port(INSIDE), free_port(INSIDE)
    listen = Address(INSIDE, tls if transport == "tls" else tcp)
    config = HOUSE.format(tcp=tcp, tls=tls, cert=authority.issue(INSIDE), ca=authority.ca, call_max=2, extra="")
    with exchange.run(config=config, sip="") as program:
        async with (
            sbc(tmp_path, listen, caller.address, transport, authority.issue(SBC), authority.ca) as proxy,
            agents(caller),
        ):
            call = caller.place(f"sip:{NUMBER}@{proxy.plain}", caller="through", to=proxy.hop("udp"))
            with trio.fail_after(5):
                await call.answered.wait()
            with trio.fail_after(8):
                await call.ended.wait()
            assert call.ended_by == "them"
        (record,) = await program.closed("through")
        assert record["answered"]
        assert f"Via: SIP/2.0/{transport.upper()} {listen}" in program.capture()


@pytest.mark.parametrize(("shown", "status"), [("right", 200), ("wrong name", 0), ("self-made", 0)])
async def test_only_the_certificate_with_the_trunks_name_passes(
    shown: str, status: int, tmp_path: Path, exchange: Exchange
) -> None:
    authority = Authority(tmp_path)
    shows = {
        "right": lambda: authority.issue("sbc.example", SBC),
        "wrong name": lambda: authority.issue("other.example", SBC),
        "self-made": lambda: certificate(tmp_path, SBC),
    }[shown]()
    caller = UserAgent(OUTSIDE, wire=UdpSocket(OUTSIDE, 0), name="caller")
    tls = free_port(INSIDE)
    identity = f'    tls: {{ca: "{authority.ca}", identity: [sbc.example]}}'
    cert = authority.issue(INSIDE)
    config = HOUSE.format(tcp=free_port(INSIDE), tls=tls, cert=cert, ca=authority.ca, call_max=30, extra=identity)
    with exchange.run(config=config, sip="") as program:
        async with (
            sbc(tmp_path, Address(INSIDE, tls), caller.address, "tls", shows, authority.ca) as proxy,
            agents(caller),
        ):
            if status:
                call = await caller.dial(f"sip:{NUMBER}@{proxy.plain}", caller="known")
                call.hang_up()
                await program.closed("known")
            else:
                with pytest.raises(NotAnswered):
                    await caller.dial(f"sip:{NUMBER}@{proxy.plain}", caller="unknown", ring=6)
                assert program.calls() == []
