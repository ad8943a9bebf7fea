"""What a tone sounds like at the other end of a call: a phone, SIP, RTP, leg and transcoder, and a model that listens.

Distortion is what is left when the best-fitting sine is taken away; positions near the ends are left out.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs
import numpy as np
import pytest
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentAudio,
    AgentAudioEnded,
    AgentCutOff,
    CallAnswered,
    CallerAudio,
    Message,
    StopSpeaking,
)
from callactors.actors.transcoder import Transcoder
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.tone import sine
from callactors.testing.leg_bench import Side, leg_bench
from callactors.testing.user_agent import PhoneCall, user_agent

PHONE = "127.0.0.42"
SWEEP = (300, 425, 610, 850, 1020, 1330, 1710, 2130, 2570, 3010, 3400)  # Hz; none divides 8000
LEVEL = -10.0  # dBFS


M = TypeVar("M", bound=Message)


def taken(box: Mailbox[M]) -> list[M]:
    return [box.receive_nowait() for _ in range(box.statistics().waiting)]


@attrs.define(eq=False)
class Talk:
    """A phone in a call whose model hears PCM16 at 24 kHz and speaks it."""

    phone: PhoneCall
    side: Side
    to_model: Mailbox[CallerAudio]
    voice: Mailbox[Message]
    desk: Mailbox[Message]

    async def ask(self, sound: Samples) -> Samples:
        """What the model hears of it, at 24 kHz."""
        self._heard()
        self.phone.line.say(sound)
        await trio.sleep(len(sound) / 8000 + 0.3)
        return self._heard()

    def _heard(self) -> Samples:
        return np.frombuffer(b"".join(batch.audio for batch in taken(self.to_model)), "<i2")

    async def answer(self, sound: Samples, utterance: str = "u") -> float:
        """The model says it (24 kHz); when it began."""
        since = trio.current_time()
        audio = sound.astype("<i2").tobytes()
        for at in range(0, len(audio), 9_600):
            piece = audio[at : at + 9_600]
            await self.voice.send(AgentAudio(at=since, utterance=utterance, format=AudioFormat.PCM16, audio=piece))
        await self.voice.send(AgentAudioEnded(at=since, utterance=utterance))
        return since


@asynccontextmanager
async def talking() -> AsyncIterator[Talk]:
    async with leg_bench() as bench, user_agent(PHONE) as agent:
        phone = agent.place(bench.uri)
        side = await bench.next_call()
        await side.leg.answer()
        await side.tells(CallAnswered)
        await phone.answered.wait()
        to_model, voice, desk = Mailbox[CallerAudio](math.inf), Mailbox[Message](math.inf), Mailbox[Message](math.inf)
        async with trio.open_nursery() as nursery:
            await nursery.start(Transcoder(side.leg, side.leg.audio, to_model, voice, desk).run)
            await trio.sleep(0.2)
            yield Talk(phone, side, to_model, voice, desk)
            nursery.cancel_scope.cancel()


@attrs.frozen
class Fit:
    """How a sine came through: distortion in dB below it, and its level in dBFS."""

    snr: float
    level: float


def fit(sound: Samples, pitch: float, rate: int) -> Fit:
    """Of half a second in the middle of what was heard."""
    loud = np.flatnonzero(np.abs(sound.astype(int)) > 2_000)
    middle = (int(loud[0]) + int(loud[-1])) // 2
    piece = sound[middle - rate // 4 : middle + rate // 4].astype(float)
    turn = 2 * np.pi * pitch / rate * np.arange(len(piece))
    basis = np.stack([np.sin(turn), np.cos(turn), np.ones_like(turn)], axis=1)
    found, *_ = np.linalg.lstsq(basis, piece, rcond=None)
    rest = piece - basis @ found
    amplitude = math.hypot(found[0], found[1])
    return Fit(10 * math.log10(amplitude**2 / 2 / float(np.mean(rest**2))), 20 * math.log10(amplitude / 32767))


def steepest(sound: Samples) -> int:
    return int(np.abs(np.diff(sound.astype(np.int32))).max())


@pytest.mark.parametrize("pitch", SWEEP)
async def test_a_tone_is_clean_one_way_and_back_and_as_loud_as_it_was(autojump_clock: object, pitch: int) -> None:
    async with talking() as talk:
        heard = await talk.ask(sine(pitch, 800, level=LEVEL))
        there = fit(heard, pitch, 24_000)
        since = await talk.answer(sine(pitch, 800, rate=24_000, level=LEVEL))
        await trio.sleep(1.2)
        down = fit(talk.phone.line.samples(since), pitch, 8_000)
        since = await talk.answer(heard, "echo")
        await trio.sleep(1.6)
        back = fit(talk.phone.line.samples(since), pitch, 8_000)
    assert min(there.snr, down.snr) >= 36
    assert back.snr >= 33
    assert all(abs(way.level - LEVEL) <= 0.5 for way in (there, down, back))


@pytest.mark.parametrize("pitch", [300, 1020, 3010])
async def test_an_agent_that_is_cut_off_fades_and_does_not_click(autojump_clock: object, pitch: int) -> None:
    tone = sine(pitch, 2_000, rate=24_000, level=LEVEL)
    async with talking() as talk:
        since = await talk.answer(tone)
        await trio.sleep(0.733)
        await talk.voice.send(StopSpeaking(at=since, session=1))
        await trio.sleep(0.5)
        heard = talk.phone.line.samples(since)
        told = [message for message in taken(talk.desk) if isinstance(message, AgentCutOff)]
    begun = int(np.flatnonzero(np.abs(heard.astype(int)) > 500)[0])
    assert len(told) == 1
    assert not heard[begun + 8 * (told[0].ms + 25) :].any()
    assert steepest(heard) <= 1.1 * steepest(sine(pitch, 100, level=LEVEL))


@pytest.mark.parametrize("pitch", [300, 1020, 3010])
async def test_lost_packets_and_pauses_of_the_caller_do_not_click(autojump_clock: object, pitch: int) -> None:
    async with talking() as talk:
        talk.phone.line.say(sine(pitch, 3_000, level=LEVEL))
        for _ in range(8):
            await trio.sleep(0.3)
            talk.phone.line.mute = not talk.phone.line.mute
        await trio.sleep(1.5)
        heard = await talk.ask(np.zeros(80, np.int16))
    assert steepest(heard) <= 1.15 * steepest(sine(pitch, 100, rate=24_000, level=LEVEL))
