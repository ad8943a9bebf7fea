"""Calls we place: the agent speaks first, every try is in the record, who falls silent is called again, once."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from callactors.errors import NotPlaced
from callactors.testing.calling_out import NUMBER, SHOWN, calling_out, tones
from callactors.testing.calls import Mind, agent_says, until
from callactors.testing.manners import Manners
from callactors.testing.talking import with_policies


async def test_the_agent_speaks_first_and_the_record_knows_both_numbers(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with calling_out(tmp_path, mind=mind) as out:
        await out.place()
        phone = await out.a.next_call()
        phone.pick_up()
        await until(lambda: [tone.name for tone in tones(phone)] == ["greeting"])
        await agent_says(await mind.session(), "Shall I book it?", 400)
        await until(lambda: "agent" in [tone.name for tone in tones(phone)])
        phone.hang_up()
        record = await out.record()
    assert (record["direction"], record["called"], record["caller"]) == ("outbound", NUMBER, SHOWN)
    assert (record["cause"], record["ended_by"]) == ("callee_hung_up", "far_end")
    assert [(one["n"], one["trunk"], one["sip_code"]) for one in record["attempts"]] == [(0, "a", 200)]
    assert record["attempts"][0]["rang"] is not None
    assert out.house.switchboard.calls == {}


async def test_a_carrier_that_fails_costs_a_row_and_the_next_one_is_tried(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path, Manners(invite=503)) as out:
        await out.place()
        phone = await out.b.next_call()
        phone.pick_up()
        await until(lambda: tones(phone))
        phone.hang_up()
        record = await out.record()
    assert [(one["trunk"], one["sip_code"]) for one in record["attempts"]] == [("a", 503), ("b", 200)]
    assert record["attempts"][0]["answered"] is None
    assert all(one["ended"] for one in record["attempts"])


@pytest.mark.parametrize(("status", "cause"), [(486, "busy"), (603, "declined")])
async def test_a_person_who_says_no_ends_it(status: int, cause: str, autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path, Manners(invite=status)) as out:
        await out.place()
        record = await out.record()
        assert not out.b.calls
    assert (record["cause"], record["ended_by"], record["answered"]) == (cause, "far_end", None)
    assert [one["sip_code"] for one in record["attempts"]] == [status]


async def test_what_is_heard_before_the_answer_is_not_the_models(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with calling_out(tmp_path, Manners(early=True), mind=mind) as out:
        await out.place()
        phone = await out.a.next_call()
        await mind.session()
        await trio.sleep(2)
        assert not mind.sound
        phone.pick_up()
        await until(lambda: mind.sound)
        phone.hang_up()
        await out.record()


async def test_a_callee_who_falls_silent_is_called_again_by_the_next_trunk(
    autojump_clock: object, tmp_path: Path
) -> None:
    mind = Mind()
    async with calling_out(tmp_path, Manners(rtp=False), mind=mind) as out:
        await out.place()
        deaf = await out.a.next_call()
        deaf.pick_up()
        peer = await mind.session()
        phone = await out.b.next_call()
        assert deaf.ended_by == "them"
        phone.pick_up()
        await until(lambda: [tone.name for tone in tones(phone)] == ["cut_off"])
        await agent_says(peer, "Where were we?", 400)  # the same session: the conversation is kept
        await until(lambda: "agent" in [tone.name for tone in tones(phone)])
        phone.hang_up()
        record = await out.record()
    assert [(one["trunk"], one["reason"]) for one in record["attempts"]] == [
        ("a", "rtp_silence"),
        ("b", "callee_hung_up"),
    ]
    assert record["cause"] == "callee_hung_up"


async def test_silence_in_the_middle_of_a_call_is_waited_for_longer_than_at_its_beginning(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path, adapt=with_policies(silence=None)) as out:
        await out.place()
        phone = await out.a.next_call()
        phone.pick_up()
        await trio.sleep(20)
        fell_silent, phone.line.mute = trio.current_time(), True
        again = await out.b.next_call()
        assert 29 < trio.current_time() - fell_silent < 33
        again.hang_up()
        record = await out.record()
    assert [one["trunk"] for one in record["attempts"]] == ["a", "b"]
    assert record["cause"] == "rtp_silence"  # the second one declined: the silence is what ended it


async def test_a_callee_on_hold_is_not_silent(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path) as out:
        await out.place()
        phone = await out.a.next_call()
        phone.pick_up()
        await trio.sleep(2)
        assert await phone.hold() == 200
        phone.line.mute = True
        await trio.sleep(60)
        assert not phone.ended.is_set()
        phone.hang_up()
        await out.record()
        assert not out.b.calls


async def test_a_ringing_leg_is_in_the_ledger_as_a_dialog_that_another_process_could_end(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path) as out:
        await out.place()
        phone = await out.a.next_call()
        await until(lambda: out.house.events("rings"))
        await out.house.ledger.flush()
        (attempt,) = out.house.records()[0]["attempts"]
        assert attempt["remote_tag"]
        assert attempt["remote_target"].startswith("sip:")
        phone.hang_up()
        await out.record()


async def test_a_day_that_is_spent_places_no_call(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path, more="limits: {usd_per_day: 1}") as out:
        house = out.house
        house.switchboard.purse.spend(2, house.ledger.wall(trio.current_time()))
        with pytest.raises(NotPlaced, match="usd_per_day"):
            await out.place()
        assert (await out.record())["cause"] == "day_cost"


async def test_nobody_is_called_a_third_time(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path, Manners(rtp=False), Manners(rtp=False)) as out:
        await out.place()
        (await out.a.next_call()).pick_up()
        (await out.b.next_call()).pick_up()
        record = await out.record()
        assert (len(out.a.calls), len(out.b.calls)) == (1, 1)
    assert (record["cause"], record["ended_by"]) == ("rtp_silence", "us")


async def test_a_silent_callee_with_nowhere_else_to_try_ends_by_the_silence(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path, Manners(rtp=False)) as out:
        await out.place(trunk="a")
        (await out.a.next_call()).pick_up()
        out.b.manners = Manners(invite=503)
        record = await out.record()
    assert record["cause"] == "rtp_silence"


async def test_the_disclosure_is_heard_out_whoever_speaks(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with calling_out(tmp_path, mind=mind) as out:
        await out.place()
        phone = await out.a.next_call()
        phone.pick_up()
        peer = await mind.session()
        await until(lambda: tones(phone))
        await peer.caller_starts()
        await until(lambda: [tone.ms for tone in tones(phone)] == [400])
        phone.hang_up()
        record = await out.record()
    assert "disclosed" in [event["kind"] for event in record["events"]]


@pytest.mark.parametrize(
    ("number", "more", "cause"),
    [
        ("+442071838750", "", "not_permitted"),
        ("911", "", "not_permitted"),
        (NUMBER, "outbound: {do_not_call: never.csv}", "do_not_call"),
        (NUMBER, "outbound: {consent: agreed.csv}", "no_consent"),
    ],
)
async def test_a_forbidden_call_is_a_record_and_a_sentence_and_no_packet(
    number: str, more: str, cause: str, autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "never.csv").write_text(f"number\n{NUMBER}\n")
    (tmp_path / "agreed.csv").write_text("number\n+13125550199\n")
    async with calling_out(tmp_path, more=more) as out:
        with pytest.raises(NotPlaced) as refused:
            await out.place(number)
        record = await out.record()
        assert not out.a.messages
    assert (record["cause"], record["ended_by"], record["attempts"]) == (cause, "us", [])
    assert record["events"][-1]["body"] is not None
    assert str(refused.value) in str(record["events"][-1]["body"])


async def test_a_caller_id_that_is_not_ours_is_never_shown(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path) as out:
        with pytest.raises(NotPlaced, match=r"\+15550000000 is not a caller id of any trunk"):
            await out.place(caller="+15550000000")
        assert (await out.record())["cause"] == "caller_id"


async def test_a_drain_cancels_what_rings(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path) as out:
        await out.place()
        phone = await out.a.next_call()
        await out.house.switchboard.drain(1)
        await phone.wait_ended()
        record = await out.record()
    assert (record["cause"], record["answered"]) == ("drained", None)
    assert [(one["reason"], one["answered"]) for one in record["attempts"]] == [("drained", None)]


async def test_with_no_model_left_nobody_is_called_to_hear_an_apology(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path, mind=Mind(refuse=500)) as out:
        await out.place()
        record = await out.record()
    assert record["cause"] == "model_down"
