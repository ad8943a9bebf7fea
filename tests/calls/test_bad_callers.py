"""What callers and carriers send that they should not, and when they leave: the call goes on, or ends, and says why."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import trio

from callactors.rtp.packet import RtpPacket
from callactors.sip import events as sip
from callactors.sip.message import Request, to_bytes
from callactors.testing.calls import Mind, open_house, until
from callactors.testing.pool_wire import PoolWire
from callactors.testing.scripted_caller import scripted_caller
from callactors.testing.sip_script import request
from callactors.testing.talking import shouting, talking, with_tools
from callactors.tools.desk import Desk
from callactors.tools.tool import tool

NONSENSE = b"v=0\r\nthis is no description\r\n"


# -- packets ----------------------------------------------------------------------------------------------------------


async def test_malformed_sip_does_not_disturb_a_call(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        good = talk.inside("INFO")
        dice = Random(1)
        for cut in range(0, len(good), 7):
            shout(good[:cut], talk.house.endpoint.address)
            shout(good[:cut] + dice.randbytes(30) + good[cut + 5 :], talk.house.endpoint.address)
        shout(dice.randbytes(2000), talk.house.endpoint.address)
        shout(good.replace(b"INFO", b"NOSUCH"), talk.house.endpoint.address)
        await talk.goes_on()
        record = await talk.hang_up()
    assert record["cause"] == "caller_hung_up"


async def test_malformed_rtp_and_rtcp_do_not_disturb_a_call(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        own, dice = talk.caller.stream.pair, Random(2)
        for size in range(0, 1500, 30):
            junk = dice.randbytes(size)
            for data in (junk, b"\x80" + junk, b"\x80\x00" + junk, b"\x81\xc8\x00\x06" + junk, b"\x80\xe5" + junk):
                shout(data, talk.media)
                shout(data, talk.media._replace(port=talk.media.port + 1))
                own.rtcp.sendto(data, talk.media._replace(port=talk.media.port + 1))
            own.rtp.sendto(junk[:11], talk.media)
            own.rtp.sendto(b"\xff" + junk, talk.media)
        await talk.goes_on()
        record = await talk.hang_up()
    assert record["cause"] == "caller_hung_up"


async def test_a_strangers_rtp_is_not_heard(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, shouting("127.0.0.66") as shout:
        await trio.sleep(1)
        talk.house.mind.sounds[-1].clear()
        for number in range(50):
            shout(RtpPacket(0, number, number * 160, 99, b"\x10" * 160).to_bytes(), talk.media)
            await trio.sleep(0.02)
        assert b"\x10" * 160 not in talk.house.mind.sound


@pytest.mark.parametrize("body", [NONSENSE, b"\xff\x00", b"v=0\r\no=- 1 1 IN IP4 127.0.0.30\r\ns=-\r\nt=0 0\r\n"])
async def test_an_invite_with_a_malformed_description_is_refused_with_488_and_a_row(
    autojump_clock: object, tmp_path: Path, body: bytes
) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial(body=body)
        failed = await caller.sees(sip.Failed)
        record = await house.record()
        assert house.plane.statistics().open_streams == 0
    assert failed.status == 488
    assert (record["cause"], record["attempts"][0]["sip_code"]) == ("bad_offer", 488)


async def test_a_number_nobody_serves_is_refused_with_404_and_a_row(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial("999")
        assert (await caller.sees(sip.Failed)).status == 404
        record = await house.record()
    assert (record["cause"], record["called"]) == ("no_route", "999")


# -- offers in the middle of a call -----------------------------------------------------------------------------------


async def test_a_re_invite_with_a_nonsense_description_gets_488_and_the_call_goes_on(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        talk.caller.offer_again(body=NONSENSE)
        assert (await talk.caller.sees(sip.Reanswered)).status == 488
        await talk.goes_on()


async def test_the_codec_changes_in_the_middle_of_a_call(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        talk.caller.offer_again(codecs=("pcma",))
        assert (await talk.caller.sees(sip.Reanswered)).status == 200
        assert talk.caller.agreement is not None
        assert talk.caller.agreement.codec == "pcma"
        await talk.goes_on()


async def test_a_held_call_is_silent_and_goes_on_afterwards(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        talk.caller.offer_again(direction="sendonly")
        await talk.caller.sees(sip.Reanswered)
        assert talk.caller.direction == "sendonly"
        talk.caller.offer_again()
        await talk.caller.sees(sip.Reanswered, 2)
        await talk.goes_on()
        record = await talk.hang_up()
    assert [row["kind"] for row in record["events"] if row["kind"] in ("held", "resumed")] == ["held", "resumed"]


async def test_a_held_caller_who_sends_nothing_is_not_hung_up_on(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="timers: {rtp_silence: 5}") as talk:
        talk.caller.offer_again(direction="inactive")
        await talk.caller.sees(sip.Reanswered)
        await trio.sleep(7)
        assert not talk.caller.seen(sip.HungUp)


# -- silence ----------------------------------------------------------------------------------------------------------


async def test_rtp_that_stops_ends_the_call_with_rtp_silence(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="timers: {rtp_silence: 5}") as talk:
        talk.caller.stream.close()
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert (record["cause"], record["ended_by"]) == ("rtp_silence", "us")
    assert [row["body"] for row in record["events"] if row["kind"] == "rtp_silence"] == ['{"seconds":5.2}']


async def test_a_caller_whose_rtp_never_comes_is_hung_up_on(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial()
        caller.stream.close()
        hung_up = await caller.sees(sip.HungUp)
        record = await house.record()
    assert (record["cause"], hung_up.q850) == ("rtp_silence", 41)


# -- callers who leave ------------------------------------------------------------------------------------------------


async def test_a_caller_who_hangs_up_before_the_180_is_a_cancelled_call(autojump_clock: object, tmp_path: Path) -> None:
    """CANCEL right behind the INVITE, in one breath."""
    async with open_house(tmp_path) as house, shouting() as shout:
        async with scripted_caller(house.endpoint.address) as caller:
            caller.dial()
            (invite,) = caller.requests("INVITE", "out")
            headers = invite.headers.with_("CSeq", (invite.headers.get("CSeq") or "").replace("INVITE", "CANCEL"))
            shout(to_bytes(Request("CANCEL", invite.uri, headers)), house.endpoint.address)
            assert (await caller.sees(sip.Failed)).status == 487
        record = await house.record()
    assert (record["cause"], record["answered"], record["attempts"][0]["sip_code"]) == ("cancelled", None, 487)


async def test_a_caller_who_hangs_up_while_it_rings_is_a_cancelled_call(autojump_clock: object, tmp_path: Path) -> None:
    async def never_ready(peer: object) -> None:
        await trio.sleep_forever()

    async with (
        open_house(tmp_path, Mind(script=never_ready)) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        caller.dial()
        await caller.until(lambda: 180 in caller.statuses())
        caller.hang_up()
        record = await house.record()
        await until(lambda: house.plane.statistics().open_streams == 0)
    assert (record["cause"], record["ended_by"], record["answered"]) == ("cancelled", "far_end", None)


async def test_a_caller_who_never_acknowledges_the_200_is_hung_up_on(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path, more="timers: {first_rtp: 60}") as house, shouting() as shout:
        async with scripted_caller(house.endpoint.address) as caller:
            offer = bytes(caller.offer())
        shout(request("INVITE", uri="sip:100@127.0.0.1", via="127.0.0.30:9;rport", body=offer), house.endpoint.address)
        record = await house.record()
        assert house.plane.statistics().open_streams == 0
    assert (record["cause"], record["ended_by"], record["attempts"][0]["sip_code"]) == ("no_ack", "us", 408)


async def test_a_caller_who_hangs_up_between_200_and_ack_is_a_caller_who_hung_up(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with open_house(tmp_path) as house, shouting() as shout, scripted_caller(house.endpoint.address) as caller:
        offer = bytes(caller.offer())
        shout(request("INVITE", uri="sip:100@127.0.0.1", via="127.0.0.30:9;rport", body=offer), house.endpoint.address)
        await until(lambda: any(row["answered"] for row in house.records()))
        (row,) = house.records()
        tag = str(row["attempts"][0]["local_tag"])
        shout(
            request("BYE", uri="sip:100@127.0.0.1", via="127.0.0.30:9;rport", branch="z9hG4bKtwo", cseq=2, to_tag=tag),
            house.endpoint.address,
        )
        record = await house.record()
    assert (record["cause"], record["ended_by"]) == ("caller_hung_up", "far_end")


async def test_a_write_that_runs_when_the_caller_hangs_up_is_finished_and_recorded(
    autojump_clock: object, tmp_path: Path
) -> None:
    @tool(writes=True, outcome="crm_created")
    async def slow_note(desk: Desk, name: str) -> str:
        """Note a name, slowly.

        Args:
            name: The name.
        """
        await trio.sleep(3)
        desk.crm.remember(name, "5550199", "")
        return "noted"

    async with talking(tmp_path, adapt=with_tools(slow_note)) as talk:
        await talk.peer.request_tool("slow_note", {"name": "Dana"})
        await until(lambda: talk.house.events("tool"))
        record = await talk.hang_up()
        assert record["tool_runs"][0]["state"] == "started"
        assert talk.house.customers() == []
        await trio.sleep(4)
        record = await talk.house.record()
        assert [row["name"] for row in talk.house.customers()] == ["Dana"]
    assert [(run["tool"], run["state"]) for run in record["tool_runs"]] == [("slow_note", "finished")]
    assert (record["cause"], record["outcome"]) == ("caller_hung_up", "crm_created")


async def test_a_look_up_that_runs_when_the_caller_hangs_up_is_given_up_and_recorded(
    autojump_clock: object, tmp_path: Path
) -> None:
    @tool()
    async def slow_look() -> str:
        """Look, slowly."""
        await trio.sleep(3)
        return "found"

    async with talking(tmp_path, adapt=with_tools(slow_look)) as talk:
        await talk.peer.request_tool("slow_look", {})
        await until(lambda: talk.house.events("tool"))
        await trio.sleep(0.1)
        record = await talk.hang_up()
    assert [(run["state"], run["output"]) for run in record["tool_runs"]] == [
        ("failed", "the call ended before it was done")
    ]


# -- carriers with many addresses -------------------------------------------------------------------------------------


async def test_a_carrier_of_many_addresses_random_ports_and_no_rport_is_served(
    autojump_clock: object, tmp_path: Path
) -> None:
    pool = PoolWire(["127.0.0.40", "127.0.0.41"])
    mind = Mind()
    async with (
        open_house(tmp_path, mind) as house,
        scripted_caller(house.endpoint.address, host="127.0.0.40", wire=pool) as caller,
    ):
        await caller.call()
        await caller.hears("greeting")
        caller.hang_up()
        record = await house.record()
        await trio.sleep(1)
        assert pool.counters["wandered"] == 1  # the BYE came from the second address
        assert caller.statuses("BYE") == [200]
    assert (record["cause"], record["ended_by"]) == ("caller_hung_up", "far_end")
