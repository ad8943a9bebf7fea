"""A far end's keys by every way there is: told once, kept from whoever must not hear them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio

from callactors.actors.messages import CallerAudio, DigitPressed
from callactors.actors.parts.inband_digits import LAG, InbandDigits
from callactors.actors.parts.keypad import DigitWay, Keypad
from callactors.audio import g711, tone
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.levels import dbfs, strength
from callactors.audio.linear import to_samples
from callactors.calls.line import Line
from callactors.sdp.offer import make_offer
from callactors.testing.calls import Mind, open_house
from callactors.testing.leg_bench import TRUNK, Bench, Side, leg_bench
from callactors.testing.scripted_caller import scripted_caller
from callactors.testing.user_agent import PhoneCall, user_agent
from callactors.testing.waiting import until

INBAND = attrs.evolve(TRUNK, dtmf="inband")
SPEECH = 500  # Hz


def batches(samples: Samples, format: AudioFormat = AudioFormat.PCMU) -> list[CallerAudio]:
    """8 kHz samples as a leg's batches of 60 ms."""
    made = list[CallerAudio]()
    for at in range(0, len(samples), 480):
        audio = convert(samples[at : at + 480].astype("<i2").tobytes(), AudioFormat.PCM16_8K, format)
        made.append(CallerAudio(at=at / 8000, leg=0, format=format, audio=audio, position=at))
    return made


def sentence(keys: str) -> Samples:
    """Speech, the keys as tones, speech."""
    typed = [np.concatenate([tone.dtmf(key, 80), tone.silence(80)]) for key in keys]
    return np.concatenate(
        [tone.sine(SPEECH, 300), tone.silence(100), *typed, tone.sine(SPEECH, 300), tone.silence(120)]
    )


@asynccontextmanager
async def up(inband: bool = True) -> AsyncIterator[tuple[Bench, Side, PhoneCall]]:
    """A call that is up: our leg, and the phone's side of it."""
    async with leg_bench(trunk=INBAND if inband else TRUNK) as bench, user_agent("127.0.0.41") as agent:
        call = agent.place(bench.uri)
        side = await bench.next_call()
        await side.leg.answer()
        await call.answered.wait()
        yield bench, side, call


def keys(side: Side) -> str:
    return "".join(pressed.digit for pressed in side.all(DigitPressed))


# -- tones in a leg's audio -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [AudioFormat.PCMU, AudioFormat.PCMA, AudioFormat.PCM16_16K, AudioFormat.PCM16])
def test_keys_are_taken_out_of_the_audio_and_the_rest_stays_where_it_was(format: AudioFormat) -> None:
    inband, sound = InbandDigits(), sentence("159D")
    told, heard = "", list[CallerAudio]()
    for batch in batches(sound, format):
        batch, digits = inband.hear(batch)
        told += digits
        heard.append(batch)
    assert told == "159D"
    rest = to_samples(b"".join(batch.audio for batch in heard), format)
    ms = format.rate // 1000
    assert dbfs(rest[400 * ms : (400 + 4 * 160) * ms]) < -60
    assert strength(rest[20 * ms : 280 * ms], SPEECH, rate=format.rate) > 0.9
    ends = [(batch.position, batch.position + len(batch.audio) * 8 // format.bytes_per_ms) for batch in heard]
    assert ends[0][0] == 0
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(ends))
    assert len(sound) - ends[-1][1] == LAG


def test_another_codec_in_the_middle_of_a_call_is_heard_too() -> None:
    inband, told = InbandDigits(), ""
    for format in (AudioFormat.PCMU, AudioFormat.PCM16, AudioFormat.PCMA):
        for batch in batches(sentence("7"), format):
            told += inband.hear(batch)[1]
    assert told == "777"


async def test_a_tone_is_a_digit_where_the_trunk_says_so(autojump_clock: object) -> None:
    async with up() as (_, side, phone):
        await phone.line.say(np.concatenate([tone.dtmf("4", 80), tone.silence(80), tone.dtmf("2", 80)])).spoken.wait()
        await until(lambda: keys(side) == "42")
        assert dbfs(side.samples()) < -55


async def test_a_tone_is_a_sound_where_events_are_agreed_on(autojump_clock: object) -> None:
    async with up(inband=False) as (_, side, phone):
        await phone.line.say(tone.dtmf("4", 200)).spoken.wait()
        await trio.sleep(0.5)
        assert keys(side) == ""
        assert dbfs(side.samples()) > -30


async def test_without_a_telephone_event_in_the_offer_tones_are_digits(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with open_house(tmp_path, mind) as house, scripted_caller(house.endpoint.address) as caller:
        address = caller.stream.address
        plain = make_offer(
            local_host=address.host, local_port=address.port, codecs=["pcmu"], session_id=1, events=False
        )
        caller.dial(body=bytes(plain))
        await caller.hears("greeting")
        caller.press("5")
        await trio.sleep(1)
        caller.hang_up()
        record = await house.record()
    assert [row["body"] for row in record["events"] if row["kind"] == "digit"] == ['{"digit":"5"}']


# -- one key by two ways ----------------------------------------------------------------------------------------------


def test_a_key_that_comes_by_two_ways_is_one_key_and_two_presses_are_two() -> None:
    keypad = Keypad()
    came: list[tuple[DigitWay, float]] = [("tone", 0.0), ("event", 0.1), ("tone", 0.3), ("event", 0.4), ("event", 0.7)]
    assert [keypad.pressed("5", way, at) for way, at in came] == [True, False, True, False, True]


def test_the_same_key_by_another_way_much_later_is_another_press() -> None:
    keypad = Keypad()
    assert keypad.pressed("5", "event", 0.0)
    assert keypad.pressed("5", "info", 3.0)
    assert keypad.pressed("6", "event", 3.1)


async def test_a_phone_that_sends_event_tone_and_info_presses_each_key_once(autojump_clock: object) -> None:
    async with up() as (_, side, phone):
        for digit in "122#":
            phone.line.say(tone.dtmf(digit, 100))
            phone.line.press(digit)
            await trio.sleep(0.4)
        phone.inform("#")
        await trio.sleep(1)
    assert keys(side) == "122#"


# -- in private -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inband", [True, False])
async def test_in_private_keys_are_sensitive_and_nothing_is_heard(autojump_clock: object, inband: bool) -> None:
    async with up(inband) as (_, side, phone):
        side.samples(), side.taped()
        side.leg.keypad.private = True
        phone.line.press("4")
        phone.inform("1")
        await phone.line.say(tone.sine(SPEECH, 600)).spoken.wait()
        await until(lambda: keys(side) in ("41", "14"))
        assert all(pressed.sensitive for pressed in side.all(DigitPressed))
        taped = [sound.audio for sound in side.taped() if isinstance(sound, CallerAudio)]
        assert {*b"".join(taped), *g711.encode(side.samples(), AudioFormat.PCMU)} <= {0xFF}
        assert side.leg.keypad.murmured()
        assert not side.leg.keypad.murmured()


async def test_what_is_private_stays_so_on_the_next_leg_of_the_line(autojump_clock: object) -> None:
    async with up() as (_, side, _phone):
        line = Line(side.leg.events)
        line.private = True
        line.adopt(side.leg)
        assert side.leg.keypad.private
        line.private = False
        assert not side.leg.keypad.private
