"""Whole calls of an hour, on virtual time, with phones whose clocks are not ours: SIP, RTP, leg, model, record.

What is said once a minute is at its place in what the other side hears, in the last minute as in the first.
"""

from __future__ import annotations

import gc
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio

from callactors.audio.g711 import pcmu_decode
from callactors.audio.tone import sine
from callactors.testing.calls import Mind, agent_says, open_house
from callactors.testing.phone_call import PhoneCall
from callactors.testing.scripted_model import Peer
from callactors.testing.talking import with_policies
from callactors.testing.user_agent import user_agent

MINUTES = 60
RATE = 8_000
LOUD = 1_000
ASKED, ANSWERED = 200, 600  # ms
ANSWERED_WITHIN = 0.060  # seconds from the model's first delta to the caller's first packet with sound
IN_STEP = 0.040  # seconds a word's place in what is heard may wander; the clocks are 0.36 apart at the end
LEFT = 2_000  # objects that two hours of calls may leave: what was said, for a model that may have to take over


@attrs.frozen
class Minute:
    """What became of a word and its answer: seconds, but for the answer's packets."""

    lead: float  # by how much the word's place in what the model heard is before when it was spoken
    answered: float  # from the answer's first delta to its first packet at the caller
    packets: int  # of the answer, with sound


@attrs.define(eq=False)
class Hour:
    """A caller who says a word a minute, and a model that answers it."""

    call: PhoneCall
    peer: Peer
    sound: bytearray  # of the caller, as the model got it
    minutes: list[Minute] = attrs.field(factory=list)
    _forgotten: int = 0  # samples

    async def run(self) -> None:
        await trio.sleep(2)  # the greeting
        for _ in range(MINUTES):
            began = trio.current_time()
            self._forgotten += len(self.sound)
            self.sound.clear()
            self.call.line.heard.clear()
            lead, answered = await self._word()
            await trio.sleep_until(began + 59)
            packets = sum(packet.loud for packet in self.call.line.heard)
            self.minutes.append(Minute(lead, answered, packets))
            await trio.sleep_until(began + 60)

    async def _word(self) -> tuple[float, float]:
        """A word and its answer: `lead` and `answered`."""
        word = self.call.line.say(sine(1800, ASKED))
        await word.spoken.wait()
        await trio.sleep(0.5)
        loud = np.abs(pcmu_decode(bytes(self.sound))) > LOUD
        assert loud.any()
        assert word.began_at is not None
        await self.peer.caller_says("A word.", ASKED)
        told = trio.current_time()
        await agent_says(self.peer, "An answer.", ANSWERED)
        sounded = await self.call.line.wait_loud(told)
        assert sounded is not None
        return word.began_at - (self._forgotten + int(np.argmax(loud))) / RATE, sounded - told


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_every_word_is_where_it_was_said_for_an_hour_of_calls_with_phones_of_other_clocks(
    autojump_clock: object, tmp_path: Path
) -> None:
    mind, hours = Mind(), list[Hour]()
    calm = with_policies(silence=None, max_length=7200)
    async with (
        open_house(tmp_path, mind, adapt=calm, more="timers: {call_max: 2h}") as house,
        user_agent("127.0.0.10", name="phone") as phone,
        trio.open_nursery() as calls,
    ):
        for drift in (100e-6, -100e-6):
            call = await phone.dial(f"sip:100@{house.endpoint.address}")
            call.line.drift = drift
            hours.append(Hour(call, await mind.session(), mind.sounds[-1]))
            calls.start_soon(hours[-1].run)
        await trio.sleep(300)
        early = objects()
        await trio.sleep((MINUTES - 6) * 60)
        grown = objects() - early
        await trio.sleep(120)
        for hour in hours:
            hour.call.hang_up()
        records = [await house.record(number) for number in range(len(hours))]
    assert grown < LEFT
    for hour in hours:
        leads = [one.lead for one in hour.minutes]
        assert len(leads) == MINUTES
        assert max(leads) - min(leads) < IN_STEP
        assert max(one.answered for one in hour.minutes) < ANSWERED_WITHIN
        assert {one.packets for one in hour.minutes} == {ANSWERED // 20}
    for record in records:
        assert record["cause"] == "caller_hung_up"
        assert len(record["turns"]) == MINUTES
        for way in record["quality"]:
            assert way["lost"] == way["late"] == 0
            assert way["packets"] == pytest.approx((MINUTES * 60 + 60) * 50, rel=0.02)
