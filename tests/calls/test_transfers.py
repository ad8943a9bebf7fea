"""Every way a transfer can end, as the caller hears it, the model is told it, and the record keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from callactors.sip import events as sip
from callactors.testing.calls import agent_begins
from callactors.testing.scripted_caller import ScriptedCaller, Transfers, answers, notifies
from callactors.testing.talking import Talk, talking

BUSY = b"SIP/2.0 486 Busy Here\r\n"


async def transferred(talk: Talk) -> str:
    """The model asks for the front desk; what it is told of it."""
    return await talk.asks("transfer_to_human", target="front_desk")


@pytest.mark.parametrize(
    ("transfers", "outcome", "code"),
    [
        (answers(603), "refused", 603),
        (answers(405), "refused", 405),
        (notifies(b"SIP/2.0 486 Busy Here\r\n"), "refused", 486),
        (notifies(b"SIP/2.0 408 Request Timeout\r\n"), "no_answer", 408),
        (notifies(b"SIP/2.0 503 Service Unavailable\r\n"), "failed", 503),
        (notifies(b"not a status line"), "no_answer", None),
        (answers(202), "no_answer", None),
    ],
)
async def test_a_caller_nobody_took_is_back_with_the_agent_who_says_so(
    autojump_clock: object, tmp_path: Path, transfers: Transfers, outcome: str, code: int | None
) -> None:
    async with talking(tmp_path, transfers=transfers) as talk:
        output = await transferred(talk)
        assert f"not taken: {outcome}" in output
        await talk.caller.hears("greeting", "transfer", "back")
        await talk.goes_on()
        record = await talk.hang_up()
    assert [(row["outcome"], row["sip_code"]) for row in record["transfers"]] == [(outcome, code)]
    assert [(row["tool"], row["state"]) for row in record["tool_runs"]] == [("transfer_to_human", "failed")]
    assert (record["cause"], record["outcome"]) == ("caller_hung_up", "none")


async def test_without_a_notify_the_caller_is_taken_back_after_the_no_answer_time(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, transfers=answers(202)) as talk:
        await transferred(talk)
        referred = trio.current_time() - 30
        await talk.caller.hears("back")
        assert trio.current_time() - referred == pytest.approx(30.4, abs=0.5)


async def test_a_caller_put_through_after_all_is_let_go(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, transfers=answers(202)) as talk:
        await transferred(talk)
        await talk.caller.hears("back")
        assert talk.caller.session is not None
        talk.caller.endpoint.notify(talk.caller.session, b"SIP/2.0 180 Ringing\r\n", terminated=False)
        talk.caller.endpoint.notify(talk.caller.session, b"SIP/2.0 200 OK\r\n", terminated=True)
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert [(row["outcome"], row["sip_code"]) for row in record["transfers"]] == [("completed", 200)]
    assert (record["cause"], record["ended_by"], record["outcome"]) == ("transferred", "us", "handed_off")


async def test_a_referral_that_fails_after_we_gave_up_is_no_news(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, transfers=answers(202)) as talk:
        await transferred(talk)
        await talk.caller.hears("back")
        assert talk.caller.session is not None
        talk.caller.endpoint.notify(talk.caller.session, BUSY, terminated=True)
        await talk.goes_on()
        record = await talk.hang_up()
    assert [row["outcome"] for row in record["transfers"]] == ["no_answer"]


async def test_a_bye_in_place_of_the_notify_is_a_presumed_transfer(autojump_clock: object, tmp_path: Path) -> None:
    def leave(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        answers(202)(caller, refer)
        caller.hang_up()

    async with talking(tmp_path, transfers=leave) as talk:
        await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        record = await talk.house.record()
        assert not talk.caller.requests("BYE")
    assert [row["outcome"] for row in record["transfers"]] == ["presumed"]
    assert (record["cause"], record["ended_by"], record["outcome"]) == ("transferred", "far_end", "handed_off")
    assert [row["state"] for row in record["tool_runs"]] == ["finished"]


async def test_a_hold_that_a_failed_transfer_left_is_lifted(autojump_clock: object, tmp_path: Path) -> None:
    refers: list[sip.ReferReceived] = []

    def hold(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        answers(202)(caller, refer)
        refers.append(refer)
        caller.offer_again(direction="sendonly")

    async with talking(tmp_path, transfers=hold) as talk:
        call = await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        await talk.caller.sees(sip.Reanswered)
        assert talk.caller.direction == "sendonly"
        assert talk.caller.session is not None
        talk.caller.endpoint.notify(talk.caller.session, b"SIP/2.0 486 Busy Here\r\n", terminated=True)
        await talk.caller.sees(sip.Reoffered)
        assert talk.caller.direction == "sendrecv"
        assert "refused" in await talk.told(call)
        await talk.caller.hears("greeting", "transfer", "back")
        await talk.goes_on()
    assert len(refers) == 1


async def test_a_provisional_notify_ends_nothing(autojump_clock: object, tmp_path: Path) -> None:
    def ring(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        answers(202)(caller, refer)
        assert caller.session is not None
        for status in (b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 180 Ringing\r\n"):
            caller.endpoint.notify(caller.session, status, terminated=False)

    async with talking(tmp_path, transfers=ring) as talk:
        await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        await talk.caller.hears("transfer")
        await trio.sleep(5)
        assert talk.caller.names == ["greeting", "transfer"]
        assert talk.caller.session is not None
        talk.caller.endpoint.notify(talk.caller.session, b"SIP/2.0 200 OK\r\n", terminated=True)
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert record["cause"] == "transferred"


async def test_the_digit_0_leads_to_the_front_desk(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        talk.caller.press("0")
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert talk.caller.names == ["greeting", "transfer"]
    assert [request.headers.get("Refer-To") for request in talk.caller.requests("REFER")] == [
        "<sip:desk@127.0.0.1:5070>"
    ]
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")


async def test_the_digit_0_cuts_the_agent_short_but_not_the_announcement(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        await agent_begins(talk.peer, "Let me tell you everything about our prices.", 20_000)
        await talk.caller.hears("greeting", "agent")
        pressed = trio.current_time()
        talk.caller.press("0")
        await talk.caller.hears("greeting", "agent", "transfer")
        await talk.caller.sees(sip.HungUp)
        assert trio.current_time() - pressed < 5
        record = await talk.house.record()
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")


async def test_a_digit_whose_transfer_fails_brings_the_caller_back_too(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, transfers=answers(603)) as talk:
        talk.caller.press("0")
        await talk.caller.hears("greeting", "transfer", "back")
        await talk.goes_on()


async def test_a_second_digit_while_a_transfer_is_under_way_starts_no_other(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, transfers=answers(202)) as talk:
        talk.caller.press("00")
        await talk.caller.hears("back")
        await trio.sleep(3)
        assert len(talk.caller.requests("REFER")) == 1


async def test_a_model_that_asks_twice_is_told_that_a_transfer_is_under_way(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, transfers=answers(202)) as talk:
        first = await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        second = await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        assert "already" in await talk.peer.tool_output(second)
        assert "no_answer" in await talk.told(first)


@pytest.mark.parametrize(
    "target",
    ["sip:+88216123456", "tel:19005550142", "sip:x@evil;transport=tcp", "sip:internal@127.0.0.1", "front_desk\r\nX: 1"],
)
async def test_a_target_the_scenario_does_not_name_is_never_dialled(
    target: str, autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        call = await talk.peer.request_tool("transfer_to_human", {"target": target})
        assert "no one called" in await talk.told(call)
        await talk.goes_on()
        assert not talk.caller.requests("REFER")
        record = await talk.hang_up()
    assert [(row["tool"], row["state"]) for row in record["tool_runs"]] == [("transfer_to_human", "failed")]
    denied = [json.loads(row["body"]) for row in record["events"] if row["kind"] == "transfer_denied"]
    assert denied == [{"target": target}]


async def test_a_caller_who_hangs_up_during_the_announcement_is_no_transfer(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
        await talk.caller.hears("transfer")
        record = await talk.hang_up()
    assert not talk.caller.requests("REFER")
    assert (record["cause"], record["outcome"], record["transfers"]) == ("caller_hung_up", "none", [])
    assert [row["state"] for row in record["tool_runs"]] == ["failed"]
