"""What admission turns away, and what it says: unknown numbers, full trunks, eager callers, money that is spent."""

from __future__ import annotations

from pathlib import Path

import msgspec
import trio

from callactors.config.schema import Prices
from callactors.realtime import events as e
from callactors.realtime.items import Response, TokenDetails, Usage
from callactors.routing.cause import Cause
from callactors.sip import events as sip
from callactors.sip.multipart import Location, with_location
from callactors.stores.ledger_rows import CallClosed, CallOpened
from callactors.testing.calls import Facts, House, Mind, open_house
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.scripted_model import Peer
from callactors.testing.talking import talking


async def costs(peer: Peer, audio_out: int) -> None:
    """A response that used so many tokens."""
    usage = Usage(output_tokens=audio_out, output_token_details=TokenDetails(audio_tokens=audio_out))
    response = peer.name("resp")
    await peer.tell(
        e.ResponseCreated(response=Response(id=response)),
        e.ResponseDone(response=Response(id=response, status="completed", usage=usage)),
    )


def priced(house: House) -> House:
    house.switchboard.purse.prices = {"main": Prices(audio_out=1000)}
    return house


async def ended_by(house: House, cause: str) -> Facts:
    """The record of the call that ended so: ids of one millisecond have no order."""
    with trio.fail_after(60):
        while True:
            await house.ledger.flush()
            found = [record for record in house.records() if record["cause"] == cause]
            if found:
                return found[0]
            await trio.sleep(0.05)


async def refused(caller: ScriptedCaller, called: str = "100") -> int:
    caller.dial(called)
    return (await caller.sees(sip.Failed, len(caller.seen(sip.Failed)) + 1)).status


async def test_a_number_nobody_serves_is_404_and_no_scenario_hears_of_it(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        assert await refused(caller, "4711") == 404
        record = await house.record()
    assert (record["cause"], record["scenario"], record["called"]) == ("no_route", None, "4711")
    assert house.mind.sound == b""


async def test_a_number_that_is_closed_now_is_404_too(autojump_clock: object, tmp_path: Path) -> None:
    more = "hours: {never: {zone: UTC, open: ['mon 00:00-00:01'], closed: []}}\n"
    async with open_house(tmp_path, more=more) as house:
        door = house.switchboard._admission
        lines = tuple(msgspec.structs.replace(line, when="never") for line in house.config.numbers)
        object.__setattr__(door, "_plan", msgspec.structs.replace(house.config, numbers=lines).plan())
        async with scripted_caller(house.endpoint.address) as caller:
            assert await refused(caller) == 404


async def test_a_trunks_channels_are_exact(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, loopback=", channels: 1") as house,
        scripted_caller(house.endpoint.address) as one,
        scripted_caller(house.endpoint.address, host="127.0.0.31", seed=8) as two,
    ):
        await one.call()
        assert await refused(two) == 503
        record = await ended_by(house, "trunk_full")
    assert (record["cause"], record["attempts"][0]["reason"]) == ("trunk_full", "trunks.loopback.channels is 1")


async def test_more_calls_a_second_than_the_trunk_may_bring_are_503(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, loopback=", cps: 0.1") as house,
        scripted_caller(house.endpoint.address) as one,
        scripted_caller(house.endpoint.address, host="127.0.0.31", seed=8) as two,
    ):
        one.dial()
        await one.until(lambda: 180 in one.statuses())
        assert await refused(two) == 503
        await trio.sleep(11)
        await two.call()
        record = await ended_by(house, "trunk_rate")
    assert record["attempts"][0]["sip_code"] == 503


async def test_a_caller_who_calls_too_often_hears_that_all_lines_are_busy(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        open_house(tmp_path, more="limits: {per_caller_minute: 1}") as house,
        scripted_caller(house.endpoint.address) as caller,
        scripted_caller(house.endpoint.address, host="127.0.0.31", seed=8) as again,
    ):
        await caller.call()
        again.dial()
        await again.hears("busy")
        assert (await again.sees(sip.HungUp)).q850 == 21
        record = await ended_by(house, "caller_rate")
    assert (record["cause"], record["ended_by"]) == ("caller_rate", "us")
    assert record["attempts"][0]["sip_code"] == 200
    assert len(house.switchboard.briefs) == 0


async def test_a_call_that_has_cost_enough_ends_in_words(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="limits: {usd_per_call: 0.5}") as talk:
        priced(talk.house)
        await costs(talk.peer, 400)
        await talk.goes_on()
        await costs(talk.peer, 200)
        await talk.caller.hears("busy")
        record = await talk.house.record()
    assert (record["cause"], record["ended_by"]) == ("call_cost", "us")
    assert record["usd"] == 0.6


async def test_when_the_days_money_is_spent_the_next_caller_is_told(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="limits: {usd_per_day: 0.5}") as talk:
        priced(talk.house)
        await costs(talk.peer, 600)
        await talk.goes_on()
        async with scripted_caller(talk.house.endpoint.address, host="127.0.0.31", seed=8) as next_:
            next_.dial()
            await next_.hears("busy")
            record = await ended_by(talk.house, "day_cost")
    assert record["ended_by"] == "us"


async def test_a_restart_does_not_refill_the_purse(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        now = house.ledger.wall(trio.current_time())
        house.ledger.queue(CallOpened(call="c1", direction="inbound", started=now))
        house.ledger.queue(CallClosed(call="c1", ended=now, cause=Cause.COMPLETED, ended_by="us", usd=0.7))
    async with (
        open_house(tmp_path, more="limits: {usd_per_day: 0.5}") as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        caller.dial()
        await caller.hears("busy")


async def test_what_the_network_says_of_a_call_is_kept(autojump_clock: object, tmp_path: Path) -> None:
    said = (("Diversion", "<sip:+1312@h>;reason=no-answer"), ("P-Asserted-Identity", "<sip:+13125550199@h>"))
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial(headers=said)
        await caller.sees(sip.Answered)
        caller.hang_up()
        record = await house.record()
    assert record["caller"] == "+13125550199"
    (headers,) = [event["body"] for event in record["events"] if event["kind"] == "headers"]
    assert msgspec.json.decode(headers)["Diversion"] == "<sip:+1312@h>;reason=no-answer"


async def test_an_offer_among_other_parts_is_the_offer(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        body, kind = with_location(bytes(caller.offer()), Location("a@b", "<x/>"))
        caller.dial(body=body, headers=(("Content-Type", kind),))
        await caller.sees(sip.Answered)
        caller.hang_up()
        assert (await house.record())["cause"] == "caller_hung_up"


async def test_an_invite_without_an_offer_gets_ours_with_the_ringing(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path, Mind()) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial(body=b"")
        rings = await caller.sees(sip.Progressed)
        caller.hang_up()
        assert (await house.record())["cause"] == "cancelled"
    assert rings.offers
    assert b"m=audio" in rings.body
