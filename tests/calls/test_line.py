"""The line of a call: what is said on it while nobody is there, whose facts count, what nothing cuts short."""

from __future__ import annotations

from pathlib import Path

import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentCutOff, CallRinging, DigitPressed, Message
from callactors.audio.format import AudioFormat
from callactors.calls.line import NOBODY, Line
from callactors.routing.cause import Cause
from callactors.rtp.utterances import Heard
from callactors.testing.calling_out import calling_out
from callactors.testing.calls import until


def nobody() -> Line:
    return Line(Mailbox[Message](8))


async def test_what_is_said_while_nobody_is_there_was_not_heard_and_keeps_nobody_waiting() -> None:
    line = nobody()
    line.play("item_1", bytes(800))
    line.end("item_1")
    told = line.events.receive_nowait()
    assert isinstance(told, AgentCutOff)
    assert (told.utterance, told.ms) == ("item_1", 0)
    assert (line.heard(), line.flush(), line.format) == (Heard(None, 0), Heard(None, 0), AudioFormat.PCMU)


async def test_without_a_leg_every_verb_is_harmless() -> None:
    line = nobody()
    line.take_back()
    line.hang_up(Cause.COMPLETED)
    await line.answer()
    await line.reject(503, "")
    await line.send_digits("1")
    assert (line.number, line.status) == (NOBODY, None)


async def test_only_the_current_legs_facts_are_the_conversations() -> None:
    line = nobody()
    assert line.concerns(AgentCutOff(at=0, utterance=None, ms=0))
    assert not line.concerns(CallRinging(at=0, leg=0, early_media=False))
    assert not line.concerns(DigitPressed(at=0, leg=1, digit="0"))


async def test_a_key_pressed_on_a_leg_that_was_left_is_nobodys(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path) as out:
        call = await out.place()
        phone = await out.a.next_call()
        phone.pick_up()
        await until(lambda: call.conductor.answered)
        call.boxes.desk.offer(DigitPressed(at=trio.current_time(), leg=7, digit="5"))
        call.boxes.desk.offer(DigitPressed(at=trio.current_time(), leg=0, digit="6"))
        await trio.sleep(1)
        phone.hang_up()
        record = await out.record()
    assert [event["body"] for event in record["events"] if event["kind"] == "digit"] == ['{"digit":"6"}']
