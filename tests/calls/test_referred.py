"""A REFER that comes to us: whom it may name, what its sender is told, and who talks with the agent afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from callactors.sip import events as sip
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_rows import Row
from callactors.testing.calls import agent_says
from callactors.testing.manners import Manners
from callactors.testing.putting_through import PuttingThrough, putting_through

PERMITTED = 'permit: ["+1312"]\n'


def refer(through: PuttingThrough, uri: str) -> None:
    """The caller's side asks us to dial somebody else."""
    caller = through.talk.caller
    assert caller.session is not None
    caller.endpoint.refer(caller.session, uri)


async def answer(through: PuttingThrough) -> int:
    return (await through.talk.caller.sees(sip.ReferAnswered)).status


def told(through: PuttingThrough) -> list[int | None]:
    """The status of each NOTIFY the caller's side got."""
    return [event.status for event in through.talk.caller.seen(sip.Notified)]


async def test_the_agent_goes_on_with_whom_the_caller_referred_us_to(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, refers="directory") as through:
        refer(through, through.desk.uri)
        assert await answer(through) == 202
        desk = await through.desk_answers()
        await through.talk.caller.sees(sip.HungUp)
        assert told(through) == [100, 180, 200]
        await agent_says(through.talk.peer, "How can I help you?", 600)
        await trio.sleep(2)
        assert through.desk_hears(desk) == ["agent"]
        heard = through.talk.peer.audio
        await through.talk.peer.expect_audio(heard + 3200)
        desk.hang_up()
        record = await through.talk.house.record()
    assert [(row["trunk"], row["reason"]) for row in record["attempts"]] == [
        ("loopback", "transferred"),
        ("desk", "callee_hung_up"),
    ]
    assert record["cause"] == "callee_hung_up"


async def test_whoever_picks_up_and_puts_down_again_is_not_rung_a_second_time(
    autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable = Ledger.durable

    async def slowly(ledger: Ledger, row: Row) -> None:
        await trio.sleep(1)
        await durable(ledger, row)

    async with putting_through(tmp_path, refers="directory") as through:
        monkeypatch.setattr(Ledger, "durable", slowly)
        refer(through, through.desk.uri)
        desk = await through.desk_answers()
        desk.hang_up()
        await trio.sleep(3)
        assert (told(through), len(through.desk.calls)) == ([100, 180, 480], 1)
        await through.talk.goes_on()


@pytest.mark.parametrize(
    "uri", ["sip:+19005550100@127.0.0.30", "tel:+19005550100", "sip:evil@203.0.113.9", "sip:911@127.0.0.30", "tel:112"]
)
@pytest.mark.parametrize("refers", ["never", "directory", "permitted"])
async def test_nobody_may_refer_us_to_a_number_that_is_not_permitted(
    autojump_clock: object, tmp_path: Path, uri: str, refers: str
) -> None:
    async with putting_through(tmp_path, refers=refers, more=PERMITTED) as through:
        refer(through, uri)
        assert await answer(through) == 603
        await through.talk.goes_on()
        assert through.desk.calls == []


async def test_a_permitted_number_is_dialled_by_the_trunk_that_referred(autojump_clock: object, tmp_path: Path) -> None:
    routes = PERMITTED + 'routes: [{to: "+1", tries: [[{trunk: desk}]]}]\n'
    async with putting_through(tmp_path, refers="permitted", more=routes) as through:
        refer(through, "tel:+13125550142")
        assert await answer(through) == 202
        await through.desk_answers()
        await through.talk.caller.sees(sip.HungUp)
        assert "+13125550142" in str(through.desk.messages[0].message)


async def test_a_referral_that_fails_leaves_the_caller_with_the_agent(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, refers="directory", manners=Manners(invite=486, rings=1)) as through:
        refer(through, through.desk.uri)
        assert await answer(through) == 202
        await through.talk.caller.until(lambda: 486 in told(through))
        assert told(through) == [100, 180, 486]
        await through.talk.goes_on()


async def test_whoever_refers_and_hangs_up_at_once_has_referred_all_the_same(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, refers="directory") as through:
        refer(through, through.desk.uri)
        assert await answer(through) == 202
        ringing = await through.desk.next_call()
        through.talk.caller.hang_up()
        await trio.sleep(2)
        ringing.pick_up()
        await trio.sleep(1)
        await agent_says(through.talk.peer, "How can I help you?", 600)
        await trio.sleep(2)
        assert through.desk_hears(ringing) == ["agent"]


async def test_whoever_refers_hangs_up_and_reaches_nobody_has_ended_the_call(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, refers="directory", manners=Manners(invite=480, rings=3)) as through:
        refer(through, through.desk.uri)
        await answer(through)
        await trio.sleep(1)
        through.talk.caller.hang_up()
        record = await through.talk.house.record()
    assert record["cause"] == "caller_hung_up"


async def test_a_second_refer_while_the_first_is_under_way_is_declined(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, refers="directory") as through:
        refer(through, through.desk.uri)
        refer(through, through.desk.uri)
        await through.talk.caller.sees(sip.ReferAnswered, 2)
        assert {event.status for event in through.talk.caller.seen(sip.ReferAnswered)} == {202, 603}
        assert len(through.desk.calls) <= 1


async def test_a_replaces_in_the_refer_goes_into_the_invite(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, refers="directory") as through:
        refer(through, f"{through.desk.uri}?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2")
        assert await answer(through) == 202
        await trio.sleep(1)
        invite = through.desk.messages[0].message
        assert invite.headers.get("Replaces") == "a@b;to-tag=1;from-tag=2"
