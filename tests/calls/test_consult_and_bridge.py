"""A person on a leg of our own: briefed and referred to, or bridged; and the caller back with the agent when not."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import trio

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.levels import strength
from callactors.audio.tone import dtmf, sine
from callactors.rtp.events import DigitArrived
from callactors.sip import events as sip
from callactors.sip.message import Request
from callactors.testing.calling_out import tones
from callactors.testing.calls import PITCHES, Facts
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.putting_through import PuttingThrough, putting_through
from callactors.testing.scripted_caller import Ears, answers, notifies
from callactors.testing.user_agent import user_agent
from callactors.testing.waiting import until

BUSY = b"SIP/2.0 486 Busy Here\r\n"
FAILED = b"SIP/2.0 503 Service Unavailable\r\n"


def ways(record: Facts) -> list[tuple[str, str, int | None]]:
    return [(row["kind"], row["outcome"], row["sip_code"]) for row in record["transfers"]]


async def joined(through: PuttingThrough) -> PhoneCall:
    """The desk picked up, was briefed, and talks with the caller."""
    await through.ask()
    desk = await through.desk_answers()
    await until(lambda: through.talk.house.events("transfer_ended"))
    return desk


def speak(desk: PhoneCall, ms: int = 600) -> None:
    desk.line.say(sine(PITCHES["agent again"], ms))


async def until_heard(through: PuttingThrough, desk: PhoneCall, *names: str) -> None:
    await until(lambda: through.desk_hears(desk)[-len(names) :] == list(names))


# -- bridged ---------------------------------------------------------------------------------------------------------


async def test_a_refused_refer_ends_in_a_bridge_where_both_hear_each_other(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "blind", "bridged", transfers=answers(405)) as through:
        desk = await joined(through)
        through.talk.caller.say(600)
        await until_heard(through, desk, "briefing", "caller")
        speak(desk)
        await through.talk.caller.hears("agent again")
        desk.hang_up()
        await through.talk.caller.sees(sip.HungUp)
        record = await through.talk.house.record()
    assert ways(record) == [("blind", "refused", 405), ("bridged", "completed", None)]
    assert (record["cause"], record["ended_by"], record["outcome"]) == ("transferred", "far_end", "handed_off")
    assert [(row["leg"], row["trunk"], row["sip_code"]) for row in record["attempts"]] == [
        (0, "loopback", 200),
        (1, "desk", 200),
    ]
    assert {(row["leg"], row["direction"]) for row in record["quality"]} == {
        (0, "in"), (0, "out"), (1, "in"), (1, "out"),
    }  # fmt: skip


async def test_a_caller_who_hangs_up_ends_the_bridge(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "bridged") as through:
        desk = await joined(through)
        record = await through.talk.hang_up()
        await desk.wait_ended()
    assert desk.ended_by == "them"
    assert (record["cause"], record["ended_by"]) == ("transferred", "far_end")


async def test_the_agent_is_gone_once_both_are_joined(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "bridged") as through:
        desk = await joined(through)
        heard = through.talk.peer.audio
        through.talk.caller.say(1000)
        await until_heard(through, desk, "caller")
        await trio.sleep(40)  # nobody asks either of them whether they are still there
        assert through.talk.peer.audio == heard
        assert through.talk.caller.names == ["greeting", "transfer"]
        assert not desk.ended.is_set()


async def test_the_caller_hears_music_and_the_model_nothing_while_the_desk_is_dialled(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "bridged") as through:
        await through.ask()
        await through.desk.next_call()
        await until(lambda: through.talk.caller.direction == "recvonly")
        before = through.talk.peer.audio
        await trio.sleep(3)
        assert through.talk.peer.audio <= before + 1600


async def test_keys_are_passed_on_both_ways(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "bridged") as through:
        desk = await joined(through)
        through.talk.caller.press("40")
        desk.line.press("7")
        await until(lambda: desk.line.digits == ["4", "0"])
        await until(lambda: any(isinstance(event, DigitArrived) for event in through.talk.caller.media))


async def test_keys_that_are_tones_are_heard_at_the_desk_and_not_pressed_again(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "bridged", dtmf="inband") as through:
        desk = await joined(through)
        stream, since = through.talk.caller.stream, trio.current_time()
        stream.play("key", g711.encode(dtmf("4", 200), through.talk.caller.ears.format))
        await until(lambda: strength(desk.line.samples(since), 770) > 0.2, 10)
        await trio.sleep(1)
        assert desk.line.digits == []


async def test_a_hold_at_the_desk_and_its_end_leave_the_bridge_as_it_was(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "bridged") as through:
        desk = await joined(through)
        assert await desk.hold() == 200
        await trio.sleep(35)
        assert await desk.resume() == 200
        speak(desk)
        await through.talk.caller.hears("agent again")
        through.talk.caller.say(600)
        await until_heard(through, desk, "caller")


# -- attended --------------------------------------------------------------------------------------------------------


async def test_attended_refers_the_caller_to_the_briefed_desk_in_place_of_our_call(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "attended") as through:
        await through.ask()
        desk = await through.desk_answers()
        await desk.wait_ended()
        record = await through.talk.house.record()
        refer = through.talk.caller.requests("REFER")[0]
        assert through.desk_hears(desk) == ["briefing"]
    invite = next(entry.message for entry in through.desk.messages if isinstance(entry.message, Request))
    assert f"Replaces={(invite.headers.get('Call-ID') or '').replace('@', '%40')}" in (
        refer.headers.get("Refer-To") or ""
    )
    assert ways(record) == [("attended", "completed", 200)]
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")


@pytest.mark.parametrize("transfers", [answers(603), notifies(FAILED)])
async def test_an_attended_transfer_that_fails_returns_the_caller_and_frees_the_desk(
    autojump_clock: object, tmp_path: Path, transfers: object
) -> None:
    async with putting_through(tmp_path, "attended", transfers=transfers) as through:  # type: ignore[arg-type]  # a union of two makers
        request = await through.ask()
        desk = await through.desk_answers()
        await desk.wait_ended()
        assert "not taken" in await through.talk.told(request)
        await through.talk.caller.hears("back")
        await through.talk.goes_on()
        assert through.talk.caller.direction == "sendrecv"


async def test_a_refer_that_is_not_taken_bridges_with_the_desk_that_listens(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "attended", "bridged", transfers=answers(501)) as through:
        await through.ask()
        desk = await through.desk_answers()
        await until(lambda: len(through.talk.house.events("transfer_ended")) == 2)
        through.talk.caller.say(600)
        await until_heard(through, desk, "briefing", "caller")
        record = await through.talk.hang_up()
    assert ways(record) == [("attended", "refused", 501), ("bridged", "completed", None)]
    assert len(through.desk.calls) == 1


# -- nobody there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manners", "outcome", "code"),
    [
        (Manners(invite=486, rings=2), "refused", 486),
        (Manners(invite=603), "refused", 603),
        (Manners(invite=480, rings=3), "no_answer", 480),
        (Manners(invite=503), "failed", 503),
        (Manners(invite="ring"), "no_answer", None),
        (Manners(invite="silence"), "failed", None),
    ],
)
async def test_a_desk_that_does_not_answer_is_an_outcome_and_the_agent_says_so(
    autojump_clock: object, tmp_path: Path, manners: Manners, outcome: str, code: int | None
) -> None:
    async with putting_through(tmp_path, "bridged", manners=manners) as through:
        output = await through.talk.told(await through.ask())
        assert f"not taken: {outcome}" in output
        await through.talk.caller.hears("back")
        await through.talk.goes_on()
        record = await through.talk.hang_up()
    assert ways(record) == [("bridged", outcome, code)]
    assert (record["cause"], record["outcome"]) == ("caller_hung_up", "none")


async def test_a_caller_who_hangs_up_while_the_desk_rings_cancels_that_call(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with putting_through(tmp_path, "attended") as through:
        await through.ask()
        desk = await through.desk.next_call()
        record = await through.talk.hang_up()
        await desk.wait_ended()
    assert not desk.answered.is_set()
    assert ways(record) == [("attended", "failed", None)]
    assert record["cause"] == "caller_hung_up"
    assert all(row["ended"] is not None for row in record["attempts"])


async def test_a_desk_that_hangs_up_while_it_is_briefed_gets_nobody(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "bridged") as through:
        request = await through.ask()
        desk = await through.desk_answers()
        await until(lambda: through.desk_hears(desk))
        desk.hang_up()
        left = trio.current_time()
        await through.talk.caller.hears("back")
        assert trio.current_time() - left < 1.5
        assert "not taken: refused" in await through.talk.told(request)


async def test_a_number_for_help_is_never_dialled_as_a_transfer(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "attended", "bridged", dials="sip:911@127.0.0.45") as through:
        output = await through.talk.told(await through.ask())
        assert "not taken: refused" in output
        record = await through.talk.hang_up()
    assert through.desk.calls == []
    assert [row["leg"] for row in record["attempts"]] == [0]
    assert "transfer_denied" in [row["kind"] for row in record["events"]]


async def test_both_sides_of_a_bridge_are_on_the_recording(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "bridged", more="recording: {mode: always}\n") as through:
        desk = await joined(through)
        through.talk.caller.say(600)
        await until_heard(through, desk, "caller")
        speak(desk, 400)
        await through.talk.caller.until(lambda: heard_for(through.talk.caller.ears, "agent again") >= 200)
        record = await through.talk.hang_up()
    with wave.open(str(tmp_path / "recordings" / f"{record['id']}.wav")) as file:
        sides = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2).T
    assert [heard_in(side)[-1] for side in sides] == ["caller", "agent again"]


def heard_for(ears: Ears, name: str) -> int:
    """Milliseconds of this tone."""
    return sum(tone.ms for tone in ears.tones if tone.name == name)


def heard_in(samples: Samples) -> list[str]:
    """The tones on one side of a recording, by name."""
    ears = Ears()
    ears.hear(g711.encode(samples, AudioFormat.PCMU))
    return [tone.name for tone in ears.tones]


async def test_who_takes_the_callers_place_talks_with_the_desk(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "bridged") as through, user_agent("127.0.0.31") as other:
        desk = await joined(through)
        caller = through.talk.caller
        assert caller.session is not None
        named = caller.endpoint.dialog(caller.session)
        text = f"{named.call_id};to-tag={named.remote_tag};from-tag={named.local_tag}"
        taken = other.place(f"sip:100@{caller.to}", replaces=text)
        await caller.sees(sip.HungUp)
        speak(desk)
        await until(lambda: "agent again" in [tone.name for tone in tones(taken)])
        taken.line.say(sine(PITCHES["caller"], 600))
        await until_heard(through, desk, "caller")
        taken.hang_up()
        await desk.wait_ended()
        record = await through.talk.house.record()
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")
