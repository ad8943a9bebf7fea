"""The leg's verbs and facts over a real endpoint and plane, as the far end sees them."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from callactors.actors.parts.referring import outcome_of
from callactors.routing.cause import Cause
from callactors.sip import events as sip
from callactors.testing.scripted_caller import ScriptedCaller
from callactors.testing.talking import shouting, talking


def digits(record: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["body"] for row in record["events"] if row["kind"] == "digit"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "completed"),
        (202, "completed"),
        (486, "refused"),
        (600, "refused"),
        (603, "refused"),
        (408, "no_answer"),
        (480, "no_answer"),
        (487, "no_answer"),
        (404, "failed"),
        (503, "failed"),
    ],
)
def test_the_final_status_of_a_referred_call_is_the_transfers_outcome(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Duration=1\r\nsignal = #\r\n", "#"),
        ("application/dtmf", b"7", "7"),
        ("Application/DTMF-Relay ; charset=us-ascii", b"Signal=0\r\n", "0"),
        ("application/dtmf-relay", b"Signal= 10\r\nDuration=100\r\n", "*"),
        ("application/dtmf", b"11", "#"),
    ],
)
async def test_a_digit_by_info_is_a_digit(
    autojump_clock: object, tmp_path: Path, kind: str, body: bytes, digit: str
) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        shout(talk.inside("INFO", body, Content_Type=kind), talk.house.endpoint.address)
        await trio.sleep(1)
        shout(talk.inside("BYE"), talk.house.endpoint.address)  # with a later CSeq than the phone's own
        record = await talk.house.record()
    assert digits(record) == [f'{{"digit":"{digit}"}}']


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/dtmf-relay", b"Signal=xyz"),
        ("application/dtmf-relay", b"Signal=16"),
        ("application/dtmf-relayed", b"Signal=1"),
        ("application/dtmf-relay", b"\xff\x00" * 5000),
        ("application/dtmf", b""),
        ("text/plain", b"5"),
    ],
)
async def test_an_info_that_is_no_digit_is_none(autojump_clock: object, tmp_path: Path, kind: str, body: bytes) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        shout(talk.inside("INFO", body, Content_Type=kind), talk.house.endpoint.address)
        await talk.goes_on()
        shout(talk.inside("BYE"), talk.house.endpoint.address)
        record = await talk.house.record()
    assert digits(record) == []


async def test_a_re_invite_without_an_offer_is_answered_with_ours(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        talk.caller.offer_again(body=b"")
        answer = await talk.caller.sees(sip.Reanswered)
    assert answer.status == 200
    assert b"m=audio" in answer.body


async def test_a_repeated_offer_keeps_the_version_and_a_new_one_counts_it_up(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        for codecs in (("pcmu",), ("pcmu",), ("pcma",)):
            talk.caller.offer_again(codecs=codecs)
            await talk.caller.sees(sip.Reanswered, len(talk.caller.seen(sip.Reanswered)) + 1)
    versions = [event.body.split(b"\r\n")[1].split()[2] for event in talk.caller.seen(sip.Reanswered)]
    assert versions == [b"1", b"1", b"2"]


@pytest.mark.parametrize("where", ["our own port", "a neighbour on the link"])
async def test_an_offer_to_send_where_no_carrier_listens_is_refused_and_the_call_goes_on(
    autojump_clock: object, tmp_path: Path, where: str
) -> None:
    async with talking(tmp_path) as talk:
        host, port = talk.media if where == "our own port" else ("169.254.169.254", 4000)
        offer = talk.caller.offer()
        media = tuple(attrs.evolve(line, port=port) for line in offer.media)
        talk.caller.offer_again(body=bytes(attrs.evolve(offer, host=host, media=media)))
        answer = await talk.caller.sees(sip.Reanswered)
        await talk.goes_on()
    assert answer.status == 488


async def test_a_peers_refer_is_declined(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        refer = talk.inside("REFER", Refer_To="<sip:evil@203.0.113.9>", Contact="<sip:a@127.0.0.30:9>")
        shout(refer, talk.house.endpoint.address)
        await talk.caller.until(lambda: 603 in talk.caller.statuses("REFER"))
        await talk.goes_on()


async def test_hanging_up_twice_is_one_bye(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        (call,) = talk.house.switchboard.calls.values()
        call.line.hang_up(Cause.AGENT_HUNG_UP)
        call.line.hang_up(Cause.CRASH)
        hung_up = await talk.caller.sees(sip.HungUp)
        await trio.sleep(1)
        assert len(talk.caller.requests("BYE")) == 1
    assert hung_up.text == "agent_hung_up"


async def test_a_bye_with_a_reason_is_kept_in_the_record(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        leave(talk.caller, 19)
        record = await talk.house.record()
    assert (record["cause"], record["attempts"][0]["q850"]) == ("caller_hung_up", 19)


async def test_the_quality_of_both_directions_is_in_the_record(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await trio.sleep(3)
        record = await talk.hang_up()
    into, out = record["quality"]
    assert (into["direction"], out["direction"]) == ("in", "out")
    assert into["packets"] > 150
    assert out["packets"] > 150
    assert into["lost"] <= 1
    assert into["mos"] > 4


def leave(caller: ScriptedCaller, q850: int) -> None:
    assert caller.session is not None  # it called
    caller.endpoint.finish(caller.session, q850=q850, text="no answer")


async def test_our_bye_says_why(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="timers: {call_max: 2}") as talk:
        await talk.caller.sees(sip.HungUp)
        (bye,) = talk.caller.requests("BYE")
    assert bye.headers.get("Reason") == 'Q.850;cause=16;text="call_max"'


async def test_a_peer_that_moves_is_where_the_record_says_it_is(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, shouting() as shout:
        offer = talk.caller.requests("INVITE", "out")[0].body
        moved = talk.inside("INVITE", offer, Contact="<sip:moved@127.0.0.30:5099>", Content_Type="application/sdp")
        shout(moved, talk.house.endpoint.address)
        await talk.goes_on()
        record = await talk.hang_up()
    assert record["attempts"][0]["remote_target"] == "sip:moved@127.0.0.30:5099"
