"""What the switchboard does when something of ours breaks at the door, and what a record says of a call nobody took."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from callactors.calls.playbook import Playbook, Specialist
from callactors.sip import events as sip
from callactors.testing.calls import Mind, open_house, until
from callactors.testing.scripted_caller import ScriptedCaller, answers, notifies, scripted_caller
from callactors.testing.scripted_model import Peer
from callactors.testing.talking import shouting, talking, with_policies


async def never_ready(peer: Peer) -> None:
    await trio.sleep_forever()


class Broken(Playbook):
    """A playbook with a bug in it."""

    def specialist(self, name: str, caller: str, language: str | None = None) -> Specialist:
        raise RuntimeError("a bug")


def break_it(book: Playbook) -> Playbook:
    return Broken(**{field.name: getattr(book, field.name) for field in attrs.fields(Playbook)})


async def test_a_bug_at_admission_is_one_500_with_its_row_and_the_next_invite_is_heard(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        open_house(tmp_path, adapt=break_it) as house,
        scripted_caller(house.endpoint.address) as caller,
        scripted_caller(house.endpoint.address, host="127.0.0.31", seed=8) as other,
    ):
        for unlucky in (caller, other):
            unlucky.dial()
            assert (await unlucky.sees(sip.Failed)).status == 500
        record = await house.record()
        assert house.plane.statistics().open_streams == 0
        assert len(house.records()) == 2
    assert (record["cause"], record["attempts"][0]["sip_code"]) == ("crash", 500)


async def test_a_number_with_parameters_behind_it_is_the_number(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial("100;npdi;rn=200")
        await caller.sees(sip.Answered)
        caller.hang_up()
        record = await house.record()
    assert record["called"] == "100"


async def test_an_invite_after_the_switchboard_has_ended_is_refused_and_ends_nothing(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        open_house(tmp_path, open_for_calls=False) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        async with trio.open_nursery() as nursery:
            await nursery.start(house.switchboard.run)
            nursery.cancel_scope.cancel()
        caller.dial()
        assert (await caller.sees(sip.Failed)).status == 503
        record = await house.record()
    assert record["cause"] == "overload"


async def test_a_call_cut_short_while_it_rings_is_refused_with_the_code_of_its_cause(
    autojump_clock: object, tmp_path: Path
) -> None:
    patient = "answer: {when: model_ready, within: 60}"
    async with (
        open_house(tmp_path, Mind(script=never_ready), more=patient) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        caller.dial()
        await until(lambda: 180 in caller.statuses())
        began = trio.current_time()
        await house.switchboard.drain(0)
        assert trio.current_time() - began < 1
        failed = await caller.sees(sip.Failed)
        record = await house.record()
    assert failed.status == 503
    assert (record["cause"], record["answered"], record["attempts"][0]["sip_code"]) == ("drained", None, 503)


async def test_a_caller_who_cancels_while_the_row_is_written_was_never_answered(
    autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path) as house, scripted_caller(house.endpoint.address) as caller:
        durable = house.ledger.durable

        async def slow(row: object) -> None:
            await durable(row)  # type: ignore[arg-type]  # whatever the call gave us
            caller.hang_up()
            await caller.sees(sip.Failed)

        monkeypatch.setattr(type(house.ledger), "durable", lambda ledger, row: slow(row))
        caller.dial()
        record = await house.record()
    assert (record["cause"], record["answered"]) == ("cancelled", None)
    assert (record["attempts"][0]["answered"], record["attempts"][0]["sip_code"]) == (None, 487)
    assert 200 not in caller.statuses()


async def test_a_trunk_without_refer_is_never_referred_and_the_caller_is_back(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, more="") as talk:
        leg = next(iter(talk.house.switchboard.calls.values())).line.current
        assert leg is not None
        leg.exchange.trunk = attrs.evolve(leg.trunk, refer=False)
        assert "not taken: failed" in await talk.asks("transfer_to_human", target="front_desk")
        await talk.caller.hears("greeting", "transfer", "back")
        assert not talk.caller.requests("REFER")


async def test_a_caller_who_hangs_up_before_the_refer_is_answered_was_not_transferred(
    autojump_clock: object, tmp_path: Path
) -> None:
    def leave(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        caller.hang_up()

    async with talking(tmp_path, transfers=leave) as talk:
        await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        record = await talk.house.record()
    assert (record["cause"], record["outcome"]) == ("caller_hung_up", "none")
    assert [row["outcome"] for row in record["transfers"]] == ["failed"]


async def test_a_transfer_under_way_when_the_call_is_drained_has_an_outcome_too(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, transfers=answers(202)) as talk:
        await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        await talk.caller.sees(sip.ReferReceived)
        await talk.house.switchboard.drain(0)
        record = await talk.house.record()
    assert record["cause"] == "drained"
    assert [row["outcome"] for row in record["transfers"]] == ["failed"]


async def test_a_caller_who_is_on_hold_is_not_asked_whether_they_are_there(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        talk.caller.offer_again(direction="sendonly")
        await talk.caller.sees(sip.Reanswered)
        await trio.sleep(25)
        talk.caller.offer_again()
        await talk.caller.sees(sip.Reanswered, 2)
        await trio.sleep(2)
        assert "still_there" not in talk.caller.names
        await talk.goes_on()


async def test_a_refused_transfer_can_be_followed_by_one_that_is_taken(autojump_clock: object, tmp_path: Path) -> None:
    tries = [notifies(b"SIP/2.0 486 Busy Here\r\n"), notifies(b"SIP/2.0 200 OK\r\n")]

    def in_turn(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        tries.pop(0)(caller, refer)

    async with talking(tmp_path, transfers=in_turn) as talk:
        assert "refused" in await talk.asks("transfer_to_human", target="front_desk")
        await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        record = await talk.house.record()
    assert [row["outcome"] for row in record["transfers"]] == ["refused", "completed"]
    assert record["cause"] == "transferred"


async def test_an_offer_the_caller_left_to_us_is_settled_by_its_ack(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        moved = talk.caller.plane.open(lambda event: None)
        body = bytes(talk.caller.offer()).replace(
            str(talk.caller.stream.address.port).encode(), str(moved.address.port).encode()
        )
        leg = next(iter(talk.house.switchboard.calls.values())).line.current
        assert leg is not None
        assert leg.agreement is not None
        shout(talk.inside("INVITE"), talk.house.endpoint.address)
        await trio.sleep(0.1)
        before = leg.agreement.remote
        shout(talk.inside("ACK", body, Content_Type="application/sdp"), talk.house.endpoint.address)
        await trio.sleep(0.1)
        assert (before, leg.agreement.remote) == (talk.caller.stream.address, moved.address)
        moved.close()


async def drops_after_70_seconds(peer: Peer) -> None:
    await peer.greet()
    await trio.sleep(70)
    await peer.drop()


async def test_a_model_that_drops_now_and_then_in_a_long_call_is_opened_again_each_time(
    autojump_clock: object, tmp_path: Path
) -> None:
    mind, calm = Mind(script=drops_after_70_seconds), with_policies(silence=None)
    async with (
        open_house(tmp_path, mind, adapt=calm, more="timers: {first_rtp: 1000}") as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call()
        await trio.sleep(300)
        assert len(house.events("model_lost")) == 4
        assert house.switchboard.calls
        assert caller.names == ["greeting"] + ["holding"] * 4
