"""Offers that would have us send media to where no carrier's is: refused before a call is anything but a row.

The trunk's media comes from elsewhere than this machine, as any real carrier's does.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from callactors.sip import events as sip
from callactors.testing.calls import House, open_house
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.talking import talking

WAN = "  wan: {from: [127.0.0.33/32], media_from: [10.9.0.0/16]}"


@asynccontextmanager
async def carrier(data: Path) -> AsyncIterator[tuple[House, ScriptedCaller]]:
    """A house with a trunk that is not this machine's, and a peer of it."""
    async with open_house(data, trunks=WAN) as house:
        lines = tuple(msgspec.structs.replace(line, trunk="wan") for line in house.config.numbers)
        door = house.switchboard._admission
        object.__setattr__(door, "_plan", msgspec.structs.replace(house.config, numbers=lines).plan())
        async with scripted_caller(house.endpoint.address, host="127.0.0.33") as caller:
            yield house, caller


def sdp(host: str = "10.9.0.1", port: int = 30_000, more: str = "") -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n{more}"
    ).encode()


async def refused(caller: ScriptedCaller, body: bytes) -> int:
    caller.dial(body=body)
    return (await caller.sees(sip.Failed)).status


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "evil.example"])
async def test_media_to_where_no_carrier_is_is_488(host: str, autojump_clock: object, tmp_path: Path) -> None:
    async with carrier(tmp_path) as (house, caller):
        assert await refused(caller, sdp(host)) == 488
        assert (await house.record())["cause"] == "bad_offer"
        assert house.plane.statistics().open_streams == 0


@pytest.mark.parametrize("port", [22, 53])
async def test_media_to_a_servers_port_is_488(port: int, autojump_clock: object, tmp_path: Path) -> None:
    async with carrier(tmp_path) as (_, caller):
        assert await refused(caller, sdp(port=port)) == 488


@pytest.mark.parametrize(
    "body",
    [
        sdp(more="m=audio 30000 RTP/AVP 0\r\n" * 500),
        sdp(more="a=x\r\n" * 10_000),
        sdp(more="a=rtpmap:0 " + "P" * 60_000 + "/8000\r\n"),
        sdp(more="a=rtpmap:200 PCMU/8000\r\n").replace(b"AVP 0", b"AVP 200"),
        sdp(more="a=rtpmap:96 PCMU/0\r\n").replace(b"AVP 0", b"AVP 96"),
        sdp(port=0),
        sdp(more="a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "\r\n").replace(b"RTP/AVP", b"RTP/SAVP"),
    ],
    ids=["500 m= lines", "10000 a= lines", "a rtpmap of 60 kB", "payload type 200", "clock 0", "port 0", "SAVP"],
)
async def test_a_description_that_is_an_attack_is_488_and_cheap(
    body: bytes, autojump_clock: object, tmp_path: Path
) -> None:
    async with carrier(tmp_path) as (house, caller):
        began = time.perf_counter()
        offer = body[:60_000]
        assert await refused(caller, offer) in (488, 513)
        assert time.perf_counter() - began < 5
        assert house.mind.sound == b""


async def test_media_to_a_port_of_our_own_media_is_488_even_from_this_machine(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        talking(tmp_path) as talk,
        scripted_caller(talk.house.endpoint.address, host="127.0.0.31", seed=8) as other,
    ):
        ours = next(iter(talk.house.plane._streams.values())).address
        assert await refused(other, sdp(ours.host, ours.port)) == 488
        assert await refused(other, sdp(ours.host, ours.port + 1)) == 488
        await talk.goes_on()
