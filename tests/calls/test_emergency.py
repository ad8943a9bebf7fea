"""Calls for help: at once to the emergency trunk, whatever else is full; words and an alarm when nobody takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from callactors.errors import LedgerBroken
from callactors.sip import events as sip
from callactors.sip.message import Request
from callactors.sip.multipart import PIDF, SDP, Location, part_of, with_location
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_rows import Row
from callactors.testing.calling_out import tones
from callactors.testing.calls import House, Mind, open_house, until
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.user_agent import UserAgent, user_agent

HELP = "127.0.0.45"
PLACE = '<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:desk@example.com"/>'


@attrs.frozen
class Scene:
    house: House
    caller: ScriptedCaller
    help: UserAgent


@asynccontextmanager
async def scene(
    data: Path,
    manners: Manners | None = None,
    *,
    more: str = "",
    emergency: str = "",
    country: str = "US",
    shown: str = "",
) -> AsyncIterator[Scene]:
    """A house with an emergency trunk, and somebody who may need it."""
    async with user_agent(HELP, name="help", manners=manners) as agent:
        trunks = f'  help: {{from: [{HELP}/32], to: "sip:{agent.address}", channels: 1, cps: 1{shown}}}'
        rules = f"emergency: {{trunk: help{emergency}}}\n{more}"
        async with (
            open_house(data, Mind(), trunks=trunks, more=rules, loopback=f", country: {country}") as house,
            scripted_caller(house.endpoint.address) as caller,
        ):
            yield Scene(house, caller, agent)


async def ringing(s: Scene) -> PhoneCall:
    """The call the emergency trunk gets."""
    with trio.fail_after(20):
        return await s.help.next_call()


def invite_of(agent: UserAgent) -> Request:
    """The INVITE the emergency trunk got."""
    requests = [logged.message for logged in agent.messages if isinstance(logged.message, Request)]
    return next(request for request in requests if request.method == "INVITE")


async def test_911_is_put_through_and_both_hear_each_other(autojump_clock: object, tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.caller.dial("911")
        phone = await ringing(s)
        phone.pick_up()
        await s.caller.sees(sip.Answered)
        s.caller.say(600)
        await until(lambda: "caller" in [tone.name for tone in tones(phone)])
        phone.hang_up()
        await s.caller.sees(sip.HungUp)
        record = await s.house.record()
    assert (record["cause"], record["called"], record["scenario"]) == ("emergency", "911", None)
    assert [(one["n"], one["trunk"]) for one in record["attempts"]] == [(0, "loopback"), (1, "help")]
    assert str(invite_of(s.help).uri).startswith("sip:911@")
    assert s.house.switchboard.briefs == set()


@pytest.mark.parametrize(
    ("registered", "shown"), [('"+15550100", "+15550142"', "+15550142"), ('"+15550100"', "+15550100")]
)
async def test_help_can_call_back_whoever_called_where_that_number_is_ours_to_show(
    registered: str, shown: str, autojump_clock: object, tmp_path: Path
) -> None:
    async with scene(tmp_path, shown=f", caller_ids: [{registered}]") as s:
        s.caller.dial("911")
        await ringing(s)
        assert f"<sip:{shown}@" in (invite_of(s.help).headers.get("From") or "")


async def test_no_model_ever_hears_a_call_for_help(autojump_clock: object, tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.caller.dial("911")
        phone = await ringing(s)
        phone.pick_up()
        await s.caller.sees(sip.Answered)
        await trio.sleep(3)
        assert s.caller.names == []
        assert s.house.mind.sound == b""
        assert s.house.switchboard.calls == {}
        s.caller.hang_up()
        assert (await s.house.record())["ended_by"] == "far_end"


@pytest.mark.parametrize(
    ("dialled", "country", "reached"),
    [("9911", "US", "911"), ("933", "US", "933"), ("112", "DE", "112"), ("999", "GB", "999"), ("+1911", "US", "911")],
)
async def test_a_call_for_help_is_what_its_country_dials(
    dialled: str, country: str, reached: str, autojump_clock: object, tmp_path: Path
) -> None:
    async with scene(tmp_path, emergency=', numbers: ["9911"]', country=country) as s:
        s.caller.dial(dialled)
        await ringing(s)
        assert str(invite_of(s.help).uri).startswith(f"sip:{reached}@")
        s.caller.hang_up()
        assert (await s.house.record())["cause"] == "cancelled"


async def test_limits_and_a_drain_stand_in_nobodys_way(autojump_clock: object, tmp_path: Path) -> None:
    limits = "limits: {calls: 1, per_caller_minute: 1}"
    async with (
        scene(tmp_path, more=limits) as s,
        scripted_caller(s.house.endpoint.address, host="127.0.0.31", seed=8) as other,
    ):
        await other.call()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.house.switchboard.drain, 30)
            for number in range(2):
                s.caller.dial("911")
                phone = await ringing(s)
                phone.pick_up()
                await s.caller.sees(sip.Answered, number + 1)
                phone.hang_up()
                await s.caller.sees(sip.HungUp, number + 1)
            nursery.cancel_scope.cancel()
        assert s.house.switchboard.draining


async def test_a_drain_waits_for_a_call_for_help_to_end_by_itself(autojump_clock: object, tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.caller.dial("911")
        phone = await ringing(s)
        phone.pick_up()
        await s.caller.sees(sip.Answered)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.house.switchboard.drain, 1)
            await trio.sleep(15)
            assert not s.caller.seen(sip.HungUp)
            phone.hang_up()
        assert (await s.house.record())["cause"] == "emergency"


async def test_our_place_goes_along(autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hq.xml").write_text(PLACE)
    monkeypatch.chdir(tmp_path)
    async with scene(tmp_path, emergency=", location: hq.xml") as s:
        s.caller.dial("911")
        await ringing(s)
        invite = invite_of(s.help)
        s.caller.hang_up()
        await s.house.record()
    kind, place = invite.headers.get("Content-Type") or "", invite.headers.get("Geolocation") or ""
    assert part_of(PIDF, kind, invite.body).decode() == PLACE
    assert b"m=audio" in part_of(SDP, kind, invite.body)
    assert place.strip("<>").removeprefix("cid:").encode() in invite.body
    assert invite.headers.get("Geolocation-Routing") == "yes"


async def test_the_callers_own_place_is_better_than_ours(autojump_clock: object, tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.caller.offered = s.caller.offer()
        body, kind = with_location(bytes(s.caller.offered), Location("room@pbx", PLACE))
        s.caller.dial("911", body=body, headers=(("Content-Type", kind),))
        await ringing(s)
        invite = invite_of(s.help)
        s.caller.hang_up()
        await s.house.record()
    assert part_of(PIDF, invite.headers.get("Content-Type") or "", invite.body).decode() == PLACE


async def test_an_emergency_trunk_that_fails_is_words_and_an_alarm(autojump_clock: object, tmp_path: Path) -> None:
    with capture_logs() as logged:
        async with scene(tmp_path, Manners(invite=503)) as s:
            s.caller.dial("911")
            await s.caller.hears("emergency")
            assert (await s.caller.sees(sip.HungUp)).q850 == 38
            record = await s.house.record()
    assert (record["cause"], record["ended_by"]) == ("emergency_failed", "us")
    assert [one["sip_code"] for one in record["attempts"]] == [200, 503]
    assert "emergency_failed" in [event["kind"] for event in record["events"]]
    assert "emergency.not_connected" in [line["event"] for line in logged]


async def test_without_an_emergency_trunk_the_caller_is_told_what_to_do(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial("112")
        await caller.hears("emergency")
        record = await house.record()
    assert record["cause"] == "emergency_failed"
    assert house.mind.sound == b""


async def test_a_caller_who_gives_up_while_help_rings_cancels_it(autojump_clock: object, tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        s.caller.dial("911")
        phone = await ringing(s)
        phone.ring()
        await trio.sleep(1)
        s.caller.hang_up()
        await phone.wait_ended()
        record = await s.house.record()
    assert (record["cause"], record["answered"]) == ("cancelled", None)


async def test_a_broken_ledger_does_not_keep_help_away(
    autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as s:

        async def broken(ledger: object, row: object) -> None:
            raise LedgerBroken("the disk is full")

        monkeypatch.setattr(type(s.house.ledger), "durable", broken)
        s.caller.dial("911")
        phone = await ringing(s)
        phone.pick_up()
        await s.caller.sees(sip.Answered)
        phone.hang_up()
        await s.caller.sees(sip.HungUp)


async def test_help_does_not_wait_for_a_disk_that_hangs(
    autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(ledger: Ledger, row: Row) -> None:
        await trio.sleep_forever()

    async with scene(tmp_path) as s:
        monkeypatch.setattr(Ledger, "durable", hangs)
        began = trio.current_time()
        s.caller.dial("911")
        (await ringing(s)).pick_up()
        await s.caller.sees(sip.Answered)
        assert trio.current_time() - began < 3
        s.caller.hang_up()
