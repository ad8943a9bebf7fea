"""Transfers with real phones: attended between two baresips, a bridge where a phone takes no REFER, and the way back.

Everything is judged on the wire and in the record: who was referred where, who hears whom, what the caller is told.
What baresip 1.0.0 cannot do is done by phones of ours: it neither sends Replaces (it leaves it in the Request-URI, as
it stands in the Refer-To) nor knows one, and its `transfer` is always blind.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trio

from callactors.audio.tone import silence, sine
from callactors.audio.wav import write
from callactors.stores.ledger_reader import Facts
from callactors.testing import ears
from callactors.testing.manners import Manners
from callactors.testing.user_agent import user_agent
from tests.interop.desks import ANNOUNCES, BACK, BRIEFS, CALLERS, MUTE, RTP, Caller, Desks, answer_to, at, desks, header
from tests.interop.softphone import softphone
from tests.interop.support import Exchange, sipp, until
from tests.interop.tap import Packet, Tap, tapping
from tests.interop.test_softphone import CALLER_TONE, DESK_TONE, audio_port, hears, quiet, tone

Way = tuple[str, str, int | None]
RATE = 8000
BRIDGED_WITHIN = 80.0  # ms from the caller's packet to the desk's


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Desks]:
    with desks(Exchange(tmp_path_factory.mktemp("desks"), phrases)) as running:
        yield running


# -- attended --------------------------------------------------------------------------------------------------------


async def test_an_attended_transfer_joins_two_baresips_after_a_spoken_briefing(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "anna", tone(tmp_path, CALLER_TONE), sip=at()) as phone,
        softphone(tmp_path / "desk", "desk", tone(tmp_path, DESK_TONE), sip=desk, answers=True) as person,
    ):
        caller = Caller(house, phone, tap, "anna")
        await caller.asks("attended")
        await person.wait_for("CALL_ESTABLISHED", 2)
        await phone.wait_for("CALL_CLOSED")
        consult, successor = tap.sip(b"INVITE", to=desk)
        assert await house.said(BRIEFS) in tap.law[audio_port(answer_to(tap, consult))]
        [refer] = tap.sip(b"REFER", to=phone.address)
        assert [sounds for sounds in tap.speech[caller.port] if consult.at < sounds < refer.at]  # music meanwhile
        assert b"Replaces=" + header("call-id", consult).replace(b"@", b"%40") in header("refer-to", refer)
        offered, answered = audio_port(successor), audio_port(answer_to(tap, successor))
        await until(lambda: hears(tap, offered, DESK_TONE), what="the desk at the caller's ear")
        await until(lambda: hears(tap, answered, CALLER_TONE), what="the caller at the desk's ear")
        record = await caller.record()
        ended = trio.current_time()
        await until(lambda: tap.packets[-1].at > ended + 0.2)
        assert not [p for p in tap.packets if p.at > ended and p.source.port in RTP]
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")
    assert ways(record) == [("attended", "completed", 200)]
    assert [(one["trunk"], one["sip_code"]) for one in record["attempts"]] == [("phones", 200), ("desk", 200)]


async def test_a_desk_that_knows_replaces_gives_up_our_consult_call_for_the_callers(
    house: Desks, tmp_path: Path
) -> None:
    async with house.phone("desk", Manners(invite=200)) as desk, user_agent("127.0.0.1", name="bo") as caller:
        call = await caller.dial(house.dials("attended"), caller="bo")
        call.line.press("0")
        with trio.fail_after(20):
            await call.transferred.wait()
            await call.wait_ended()
        consult, successor = desk.calls
        assert successor.replaced is consult
        assert (consult.ended_by, call.ended_by) == ("us", "them")
        assert call.successor is not None
        call.successor.line.say(sine(CALLER_TONE, 500))
        await until(lambda: ears.hears(successor.line.samples(), CALLER_TONE), what="the caller at the desk's ear")
    [record] = await house.program.closed("bo")
    assert house.ways(record["call"]) == [("attended", "completed", 200)]


async def test_another_phone_takes_the_place_of_a_baresip_and_the_agent_talks_on(house: Desks, tmp_path: Path) -> None:
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "carl", quiet(tmp_path), sip=at()) as phone,
        user_agent("127.0.0.1", name="other") as other,
    ):
        caller = Caller(house, phone, tap, "carl")
        await caller.calls("bridged", "dead")
        replaced = ";".join(
            (
                header("call-id", caller.answer).decode(),
                "to-tag=" + tag("to", caller.answer),
                "from-tag=" + tag("from", caller.answer),
            )
        )
        taking = other.place(house.dials("bridged", "dead"), replaces=replaced)
        await phone.wait_for("CALL_CLOSED")
        taking.line.press("0")  # the agent is still there: nobody can be reached, and it says so
        ear = taking.line.address.port
        words = await house.said(BACK)
        await until(lambda: words in tap.law[ear], what="the agent at the other phone's ear")
        taking.hang_up()
        record = await caller.record()
    assert taking.status == 200
    assert [(one["trunk"], one["sip_code"]) for one in record["attempts"]][:2] == [("phones", 200), ("phones", 200)]


# -- bridged ---------------------------------------------------------------------------------------------------------


async def test_a_baresip_that_takes_no_refer_is_bridged_to_another_and_both_talk(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "dora", beats(tmp_path, CALLER_TONE), sip=at(), transferable=False) as phone,
        softphone(tmp_path / "desk", "desk", tone(tmp_path, DESK_TONE), sip=desk, answers=True) as person,
    ):
        caller = Caller(house, phone, tap, "dora")
        await caller.asks("blind_bridged")
        await person.wait_for("CALL_ESTABLISHED")
        [invite] = tap.sip(b"INVITE", to=desk)
        ear = audio_port(answer_to(tap, invite))
        briefing = await house.said(BRIEFS)
        await until(lambda: briefing in tap.law[ear], what="the briefing at the desk's ear")
        await until(lambda: hears(tap, caller.port, DESK_TONE), what="the desk at the caller's ear")
        inward = audio_port(caller.answer)
        delays = await until(
            lambda: timely(one_way(tap, inward, ear)), 25, f"the caller at the desk's ear within {BRIDGED_WITHIN} ms"
        )
        await phone.order("sndcode", "5")
        await until(lambda: digits(tap, ear) == [5], what="the caller's 5 at the desk")
        await person.order("sndcode", "7")
        await until(lambda: digits(tap, caller.port) == [7], what="the desk's 7 at the caller")
        await phone.order("hangup")
        await person.wait_for("CALL_CLOSED")
        record = await caller.record()
    assert ways(record) == [("blind", "refused", 501), ("bridged", "completed", None)]
    assert (record["cause"], record["ended_by"], record["outcome"]) == ("transferred", "far_end", "handed_off")
    assert [(one["trunk"], one["sip_code"]) for one in record["attempts"]] == [("phones", 200), ("desk", 200)]
    assert {(one["leg"], one["direction"]) for one in record["quality"]} == {
        (leg, way) for leg in (0, 1) for way in ("in", "out")
    }
    assert all(one["packets"] > 50 and one["mos"] > 3.5 for one in record["quality"])
    print("bridged, one way, ms:", *(round(delay, 1) for delay in delays))


async def test_a_refer_that_gets_405_ends_in_a_bridge_to_a_baresip(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    number, _, _ = house.dials("blind_bridged").removeprefix("sip:").partition("@")
    async with (
        tapping() as tap,
        softphone(tmp_path / "desk", "desk", tone(tmp_path, DESK_TONE), sip=desk, answers=True) as person,
    ):
        done = await sipp(tmp_path, house.program.sip, "-s", number, scenario="refuses_to_be_referred", host=CALLERS)
        assert done.code == 0, done.errors
        await person.wait_for("CALL_CLOSED")
        [invite] = tap.sip(b"INVITE", to=desk)
        assert hears(tap, audio_port(tap.sip(b"INVITE", to=house.program.sip)[0]), DESK_TONE)
        ear = audio_port(answer_to(tap, invite))
        assert tap.speech[ear][-1] > tap.sip(b"ACK", to=desk)[0].at + 1.5  # long after the briefing: SIPp speaks
    [record] = await house.program.closed("sipp")
    assert house.ways(record["call"]) == [("blind", "refused", 405), ("bridged", "completed", None)]
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")


async def test_a_trunk_that_takes_no_refer_is_never_asked_and_the_desk_may_hang_up(
    house: Desks, tmp_path: Path
) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "emil", tone(tmp_path, CALLER_TONE), sip=at(MUTE)) as phone,
        softphone(tmp_path / "desk", "desk", quiet(tmp_path), sip=desk, answers=True, codecs="pcma") as person,
    ):
        caller = Caller(house, phone, tap, "emil")
        await caller.asks("all")
        await person.wait_for("CALL_ESTABLISHED")
        [invite] = tap.sip(b"INVITE", to=desk)
        await until(lambda: hears(tap, audio_port(answer_to(tap, invite)), CALLER_TONE), what="the caller at the desk")
        await person.order("hangup")
        await phone.wait_for("CALL_CLOSED")
        record = await caller.record()
        assert not tap.sip(b"REFER", to=phone.address)
    assert ways(record) == [("blind", "failed", None), ("attended", "failed", None), ("bridged", "completed", None)]
    assert (record["cause"], record["ended_by"], record["outcome"]) == ("transferred", "far_end", "handed_off")


# -- the way back ----------------------------------------------------------------------------------------------------

GONE_WRONG: dict[tuple[str, str], list[Way]] = {
    ("blind", "busy"): [("blind", "refused", 486)],
    ("blind", "declines"): [("blind", "refused", 603)],
    ("blind", "silent"): [("blind", "no_answer", None)],
    ("blind", "dead"): [("blind", "no_answer", None)],  # of which baresip tells nobody
    ("attended", "busy"): [("attended", "refused", 486)],
    ("attended", "declines"): [("attended", "refused", 603)],
    ("attended", "silent"): [("attended", "no_answer", None)],
    ("attended", "dead"): [("attended", "failed", None)],
    ("bridged", "busy"): [("bridged", "refused", 486)],
    ("bridged", "declines"): [("bridged", "refused", 603)],
    ("bridged", "silent"): [("bridged", "no_answer", None)],
    ("bridged", "dead"): [("bridged", "failed", None)],
    ("all", "busy"): [("blind", "refused", 501), ("attended", "refused", 486)],  # nobody is called twice
    ("all", "declines"): [("blind", "refused", 501), ("attended", "refused", 603)],
    ("all", "silent"): [("blind", "refused", 501), ("attended", "no_answer", None)],
    ("all", "dead"): [("blind", "refused", 501), ("attended", "failed", None)],
}


async def test_a_transfer_that_fails_returns_the_caller_to_the_agent_who_says_so(house: Desks, tmp_path: Path) -> None:
    found: dict[tuple[str, str], list[Way]] = {}
    voice = quiet(tmp_path)

    async def fails(way: str, person: str) -> None:
        name = f"{way}-{person}"
        async with softphone(tmp_path / name, name, voice, sip=at(), transferable=way != "all") as phone:
            caller = Caller(house, phone, tap, name)
            await caller.asks(way, person)
            await caller.hears(BACK, 30)
            if way == "blind":  # baresip's own call to the other one is hung up first
                await phone.order("hangup")
            await phone.order("hangup")
            record = await caller.record()
            assert (record["cause"], record["outcome"]) == ("caller_hung_up", "none")
            found[way, person] = ways(record)

    async with (
        tapping() as tap,
        house.phone("busy", Manners(invite=486)),
        house.phone("declines", Manners(invite=603)),
        house.phone("silent"),
        trio.open_nursery() as callers,
    ):
        for way, person in GONE_WRONG:
            callers.start_soon(fails, way, person)
    assert found == GONE_WRONG


async def test_a_caller_whose_transfer_failed_may_ask_again(house: Desks, tmp_path: Path) -> None:
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "jane", quiet(tmp_path), sip=at()) as phone,
        house.phone("busy", Manners(invite=486)),
    ):
        caller = Caller(house, phone, tap, "jane")
        await caller.asks("bridged", "busy")
        await caller.hears(BACK)
        await phone.order("sndcode", "0")
        await caller.hears(BACK, times=2)
        await phone.order("hangup")
        record = await caller.record()
    assert ways(record) == [("bridged", "refused", 486)] * 2


async def test_a_desk_that_hangs_up_on_the_briefing_sends_the_caller_back_at_once(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "kurt", quiet(tmp_path), sip=at()) as phone,
        softphone(tmp_path / "desk", "desk", quiet(tmp_path), sip=desk, answers=True) as person,
    ):
        caller = Caller(house, phone, tap, "kurt")
        await caller.asks("attended_bridged")
        await person.wait_for("CALL_ESTABLISHED")
        await person.order("hangup")
        await person.wait_for("CALL_CLOSED")
        await caller.hears(BACK, 5)
        await phone.order("hangup")
        record = await caller.record()
        assert len(tap.sip(b"INVITE", to=desk)) == 1
    assert ways(record) == [("attended", "refused", None)]


async def test_a_baresip_put_through_after_we_gave_up_is_let_go(house: Desks, tmp_path: Path) -> None:
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "lena", quiet(tmp_path), sip=at()) as phone,
        softphone(tmp_path / "desk", "silent", quiet(tmp_path), sip=house.people["silent"]) as person,
    ):
        caller = Caller(house, phone, tap, "lena")
        await caller.asks("blind", "silent")
        await person.wait_for("CALL_INCOMING")
        await caller.hears(BACK)
        await person.order("accept")
        await phone.wait_for("CALL_CLOSED")
        record = await caller.record()
        assert not person.told("CALL_CLOSED")  # the two talk
    assert ways(record) == [("blind", "completed", 200)]
    assert (record["cause"], record["ended_by"], record["outcome"]) == ("transferred", "us", "handed_off")


# -- hanging up meanwhile --------------------------------------------------------------------------------------------


async def test_a_caller_who_hangs_up_while_the_desk_rings_ends_that_call(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "finn", quiet(tmp_path), sip=at()) as phone,
        softphone(tmp_path / "desk", "desk", quiet(tmp_path), sip=desk) as person,
    ):
        caller = Caller(house, phone, tap, "finn")
        await caller.asks("attended")
        await person.wait_for("CALL_INCOMING")
        await phone.order("hangup")
        await person.wait_for("CALL_CLOSED")
        record = await caller.record()
        assert tap.sip(b"CANCEL", to=desk)
    assert ways(record) == [("attended", "failed", None)]
    assert (record["cause"], record["outcome"]) == ("caller_hung_up", "none")


async def test_a_caller_who_hangs_up_while_the_desk_is_briefed_ends_that_call(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "gina", quiet(tmp_path), sip=at()) as phone,
        softphone(tmp_path / "desk", "desk", quiet(tmp_path), sip=desk, answers=True) as person,
    ):
        caller = Caller(house, phone, tap, "gina")
        await caller.asks("bridged")
        await person.wait_for("CALL_ESTABLISHED")
        await phone.order("hangup")
        await person.wait_for("CALL_CLOSED")
        record = await caller.record()
        assert tap.sip(b"BYE", to=desk)
    assert ways(record) == [("bridged", "failed", None)]
    assert (record["cause"], record["outcome"]) == ("caller_hung_up", "none")


# -- referred by the caller ------------------------------------------------------------------------------------------


async def test_a_baresip_transfers_our_agent_to_the_desk_where_it_talks_on(house: Desks, tmp_path: Path) -> None:
    desk = house.people["desk"]
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "hugo", quiet(tmp_path), sip=at()) as phone,
        softphone(tmp_path / "desk", "desk", quiet(tmp_path), sip=desk, answers=True) as person,
    ):
        caller = Caller(house, phone, tap, "hugo")
        await caller.calls("bridged", "dead")
        await phone.order("transfer", f"sip:desk@{desk}")
        await person.wait_for("CALL_ESTABLISHED")
        await phone.wait_for("CALL_CLOSED")
        [invite] = tap.sip(b"INVITE", to=desk)
        ear = audio_port(answer_to(tap, invite))
        await person.order("sndcode", "0")
        words = await house.said(ANNOUNCES)
        await until(lambda: words in tap.law[ear], what="the agent at the desk's ear")
        await person.order("hangup")
        record = await caller.record()
    assert [(one["trunk"], one["sip_code"]) for one in record["attempts"]][:2] == [("phones", 200), ("desk", 200)]


async def test_a_baresip_transfers_our_agent_into_a_call_that_the_desk_has(house: Desks, tmp_path: Path) -> None:
    async with (
        tapping() as tap,
        softphone(tmp_path / "caller", "mona", quiet(tmp_path), sip=at()) as phone,
        user_agent("127.0.0.1", name="colleague") as colleague,
        house.phone("desk", Manners(invite=200)) as desk,
    ):
        consult = await colleague.dial(f"sip:desk@{desk.address}")
        caller = Caller(house, phone, tap, "mona")
        await caller.calls("bridged", "dead")
        call = colleague.endpoint.dialog(consult.session)
        replaced = f"{call.call_id}%3Bto-tag%3D{call.remote_tag}%3Bfrom-tag%3D{call.local_tag}".replace("@", "%40")
        await phone.order("transfer", f"sip:desk@{desk.address}?Replaces={replaced}")
        await phone.wait_for("CALL_CLOSED")
        with trio.fail_after(10):
            await consult.wait_ended()
        desk.calls[-1].line.press("0")
        words = await house.said(ANNOUNCES)
        await until(lambda: words in tap.law[desk.calls[-1].line.address.port], what="the agent at the desk's ear")
        desk.calls[-1].hang_up()
        record = await caller.record()
    assert desk.calls[1].replaced is desk.calls[0]
    assert [(one["trunk"], one["sip_code"]) for one in record["attempts"]][:2] == [("phones", 200), ("desk", 200)]


async def test_a_baresip_may_not_transfer_our_agent_to_a_stranger(house: Desks, tmp_path: Path) -> None:
    async with tapping() as tap, softphone(tmp_path / "caller", "iris", quiet(tmp_path), sip=at()) as phone:
        caller = Caller(house, phone, tap, "iris")
        await caller.calls("bridged", "dead")
        await phone.order("transfer", "sip:stranger@127.0.0.1:5999")
        refused = await phone.wait_for("TRANSFER_FAILED")
        record = await caller.record()  # baresip hangs up when its transfer is refused
    assert refused["param"] == "603 Decline"
    assert (record["cause"], len(record["attempts"])) == ("caller_hung_up", 1)
    assert "refer_denied" in [one["kind"] for one in record["events"]]


# -- what is on the wire ---------------------------------------------------------------------------------------------


def ways(record: Facts) -> list[Way]:
    """Every attempt at a transfer: kind, outcome and code."""
    return [(one["kind"], one["outcome"], one["sip_code"]) for one in record["transfers"]]


def tag(name: str, packet: Packet) -> str:
    return header(name, packet).rpartition(b";tag=")[2].decode()


def digits(tap: Tap, port: int) -> list[int]:
    """The keys that came to a port (RFC 4733), each once."""
    events = [p.data for p in tap.packets if p.destination.port == port and p.is_event]
    return list({data[4:8]: data[12] for data in events}.values())


def beats(folder: Path, frequency: float) -> Path:
    """A tone of 200 ms every 500 ms, for half a minute."""
    file = folder / "beats.wav"
    file.write_bytes(write(np.concatenate([sine(frequency, 200), silence(300)] * 60), RATE))
    return file


def onsets(tap: Tap, port: int) -> list[float]:
    """When each tone after a pause began at this port: the packet's time, and where in it."""
    found, before = [], 0.0
    for packet in tap.packets:
        if packet.destination.port != port or not packet.is_rtp_audio:
            continue
        sounding = np.flatnonzero(np.abs(packet.audio.astype(np.int32)) > 2000)
        if not sounding.size:
            continue
        if packet.at - before > 0.15:
            found.append(packet.at + float(sounding[0]) / RATE)
        before = packet.at
    return found


def one_way(tap: Tap, inward: int, outward: int) -> list[float]:
    """ms between each tone's arrival at us and at the far side, once both have been joined for a while."""
    came, left = onsets(tap, inward), onsets(tap, outward)
    return [(then - max(at for at in came if at <= then)) * 1000 for then in left[2:]]


def timely(delays: list[float]) -> list[float]:
    """The last of them when they are what a bridge adds: what a machine's pause has piled up goes after a while."""
    last = delays[-3:]
    return last if len(last) == 3 and sorted(last)[1] < BRIDGED_WITHIN else []
