"""Whole calls in every codec: what both ends hear, what a change in the middle leaves, and what a refusal says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from callactors.audio.tone import sine
from callactors.sip import events as sip
from callactors.testing.calls import PITCHES, Mind, agent_says, open_house
from callactors.testing.putting_through import putting_through
from callactors.testing.scripted_caller import scripted_caller
from callactors.testing.waiting import until

EVERY = ", codecs: [opus, g722, pcmu, pcma]"


@pytest.mark.parametrize("codec", ["opus", "g722"])
async def test_a_wideband_call_is_heard_by_both_ends_and_the_model_gets_24_khz(
    codec: str, autojump_clock: object, tmp_path: Path
) -> None:
    mind = Mind()
    async with (
        open_house(tmp_path, mind, loopback=EVERY) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call(codecs=(codec, "pcmu"))
        assert caller.agreement is not None
        assert caller.agreement.codec == codec
        peer = await mind.session()
        await caller.hears("greeting")
        caller.say(400)
        await peer.expect_audio(24_000 * 2 * 400 // 1000)
        await agent_says(peer, "We're open until six.", 800)
        await trio.sleep(2)
        caller.hang_up()
        record = await house.record()
    assert record["cause"] == "caller_hung_up"
    assert caller.names == ["greeting", "agent"]
    assert [tone.ms for tone in caller.ears.tones] == [pytest.approx(400, abs=40), pytest.approx(800, abs=40)]
    assert [facts["codec"] for facts in house.events("answered")] == [codec]
    assert [json.loads(row["body"])["codec"] for row in record["events"] if row["kind"] == "answered"] == [codec]


async def test_a_key_pressed_on_an_opus_call_is_one_key(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with (
        open_house(tmp_path, mind, loopback=EVERY) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call(codecs=("opus",))
        await mind.session()
        await caller.hears("greeting")
        caller.press("0")
        record = await house.record()
    assert (record["cause"], len(record["transfers"])) == ("transferred", 1)
    assert caller.agreement is not None
    assert caller.agreement.event_clock == 48_000


async def test_a_caller_in_opus_and_a_desk_in_g711_hear_each_other(autojump_clock: object, tmp_path: Path) -> None:
    refers = "never, codecs: [opus, pcmu]"  # more keys of the caller's trunk
    async with putting_through(tmp_path, "bridged", refers=refers) as through:
        caller = through.talk.caller
        caller.offer_again(codecs=("opus",))
        await caller.sees(sip.Reanswered)
        await trio.sleep(3)
        await through.ask()
        desk = await through.desk_answers()
        await until(lambda: through.talk.house.events("transfer_ended"))
        caller.say(600)
        desk.line.say(sine(PITCHES["agent again"], 600))
        await until(lambda: "caller" in through.desk_hears(desk))
        await caller.until(lambda: "agent again" in caller.names)
        assert caller.agreement is not None
        assert (caller.agreement.codec, desk.line.codec) == ("opus", "pcmu")
        await through.talk.hang_up()


@pytest.mark.parametrize(("first", "then"), [("opus", "pcmu"), ("pcma", "opus"), ("g722", "opus")])
async def test_a_codec_changed_in_the_middle_leaves_both_ends_hearing_each_other(
    first: str, then: str, autojump_clock: object, tmp_path: Path
) -> None:
    mind = Mind()
    async with (
        open_house(tmp_path, mind, loopback=EVERY) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call(codecs=(first,))
        peer = await mind.session()
        await caller.hears("greeting")
        await agent_says(peer, "Let me tell you all about our cuts and colours.", 2000)
        await caller.hears("greeting", "agent")
        caller.offer_again(codecs=(then,))
        await caller.sees(sip.Reanswered)
        await trio.sleep(3)
        already = peer.audio
        caller.say(400)
        await peer.expect_audio(already + 3200)
        await agent_says(peer, "Anything else?", 600, sounds="agent again")
        await caller.hears("agent again")
        caller.hang_up()
        record = await house.record()
    assert record["cause"] == "caller_hung_up"
    assert caller.names[0] == "greeting"
    assert sum(tone.ms for tone in caller.ears.tones if tone.name == "agent") == pytest.approx(2000, abs=60)


async def test_a_caller_with_nothing_but_g729_is_refused_and_the_record_says_what_it_offered(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with open_house(tmp_path, Mind(), loopback=EVERY) as house, scripted_caller(house.endpoint.address) as caller:
        offer = bytes(caller.offer()).replace(b"RTP/AVP 0 101", b"RTP/AVP 18 101")
        caller.dial(body=offer.replace(b"a=rtpmap:0 PCMU/8000", b"a=rtpmap:18 G729/8000"))
        refused = await caller.sees(sip.Failed)
        record = await house.record()
    assert refused.status == 488
    assert record["cause"] == "bad_offer"
    assert "no codec of ours is offered: G729/8000" in str(record)
