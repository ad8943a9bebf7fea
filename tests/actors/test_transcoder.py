"""Both directions of a call's audio: converted, queued, cut off, and told what was heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import attrs
import numpy as np
import trio
import trio.testing

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentAudio,
    AgentAudioEnded,
    AgentCutOff,
    AgentQueued,
    CallerAudio,
    CallerLastHeard,
    CallerStopped,
    Message,
    ModelTakes,
    PlayoutOverflowed,
    StopSpeaking,
)
from callactors.actors.transcoder import Transcoder
from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.levels import strength
from callactors.audio.tone import sine
from callactors.routing.cause import Cause
from callactors.routing.trunk import Target
from callactors.rtp.playout import Playout
from callactors.rtp.utterances import Heard
from callactors.sip.dialog import DialogId


@attrs.define(eq=False)
class PlayoutLeg:
    """A leg of nothing but a real play-out queue."""

    format: AudioFormat = AudioFormat.PCMU
    clock: Literal["ours", "theirs"] = "ours"
    events: Mailbox[Message] = attrs.field(factory=Mailbox)
    playout: Playout = attrs.field(factory=Playout)

    def play(self, utterance: str, audio: bytes) -> None:
        self.playout.play(utterance, audio)

    def end(self, utterance: str) -> None:
        self.playout.end(utterance)

    def flush(self) -> Heard:
        return self.playout.flush()

    def heard(self) -> Heard:
        return self.playout.heard()

    def frames(self, count: int) -> bytes:
        return b"".join(self.playout.take() or b"" for _ in range(count))

    async def answer(self) -> None: ...

    async def reject(self, code: int, reason: str, retry_after: int | None = None) -> None: ...

    async def send_digits(self, digits: str) -> None: ...

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None: ...

    def take_back(self) -> None: ...

    def hang_up(self, cause: Cause) -> None: ...


@attrs.frozen
class Bench:
    leg: PlayoutLeg
    from_leg: Mailbox[CallerAudio]
    to_model: Mailbox[CallerAudio]
    voice: Mailbox[Message]
    desk: Mailbox[Message]

    async def settle(self) -> None:
        await trio.testing.wait_all_tasks_blocked()

    async def told(self) -> Message:
        """The next thing the desk is told, but that an utterance was queued."""
        while isinstance(message := await self.desk.receive(), AgentQueued):
            pass
        return message


@asynccontextmanager
async def transcoding(format: AudioFormat = AudioFormat.PCMU) -> AsyncIterator[Bench]:
    bench = Bench(PlayoutLeg(format), Mailbox(16), Mailbox(16), Mailbox(512), Mailbox(64))
    async with trio.open_nursery() as nursery:
        await nursery.start(Transcoder(*attrs.astuple(bench, recurse=False)).run)
        yield bench
        nursery.cancel_scope.cancel()


def batch(audio: bytes, position: int = 0, format: AudioFormat = AudioFormat.PCMU) -> CallerAudio:
    return CallerAudio(at=1.0, leg=0, format=format, audio=audio, position=position, lost_ms=20, first_rtp_at=2.0)


async def test_the_callers_law_goes_through_untouched_where_the_model_takes_it() -> None:
    async with transcoding() as bench:
        bench.voice.offer(ModelTakes(at=0, session=1, format=AudioFormat.PCMU))
        await bench.settle()
        sent = batch(b"\x12" * 480)
        bench.from_leg.offer(sent)
        assert await bench.to_model.receive() is sent


async def test_a_model_of_24_khz_gets_24_khz_at_the_positions_of_the_leg() -> None:
    async with transcoding() as bench:
        speech = g711.encode(sine(1000, 600), AudioFormat.PCMU)
        for at in range(0, len(speech), 480):
            bench.from_leg.offer(batch(speech[at : at + 480], at))
        await bench.settle()
        got = [bench.to_model.receive_nowait() for _ in range(10)]
    samples = np.frombuffer(b"".join(piece.audio for piece in got), dtype=np.int16)
    assert [piece.position for piece in got[:3]] == [0, 480, 960]
    assert (got[0].lost_ms, got[0].first_rtp_at, got[0].format) == (20, 2.0, AudioFormat.PCM16)
    assert strength(samples[2400:12000], 1000, rate=24_000) > 0.99


async def test_the_models_24_khz_is_heard_in_the_callers_law() -> None:
    async with transcoding(AudioFormat.PCMA) as bench:
        speech = sine(700, 600, rate=24_000).tobytes()
        bench.voice.offer(AgentAudio(at=0, utterance="u", format=AudioFormat.PCM16, audio=speech))
        await bench.settle()
        heard = g711.decode(bench.leg.frames(25), AudioFormat.PCMA)
    assert strength(heard[800:], 700) > 0.99


async def test_cutting_off_tells_what_was_heard_and_drops_the_rest() -> None:
    async with transcoding() as bench:
        bench.voice.offer(AgentAudio(at=0, utterance="u", format=AudioFormat.PCMU, audio=b"\x12" * 8000))
        await bench.settle()
        bench.leg.frames(15)
        bench.voice.offer(StopSpeaking(at=0, session=1))
        cut = await bench.told()
        assert isinstance(cut, AgentCutOff)
        assert (cut.utterance, cut.ms) == ("u", 300)
        bench.voice.offer(AgentAudio(at=0, utterance="u", format=AudioFormat.PCMU, audio=b"\x12" * 800))
        bench.voice.offer(AgentAudioEnded(at=0, utterance="u"))
        await bench.settle()
        assert len(bench.leg.frames(5)) == 160  # one frame that fades out, and none of what came afterwards


async def test_nothing_sounding_is_cut_off_at_nothing() -> None:
    async with transcoding() as bench:
        bench.voice.offer(StopSpeaking(at=0, session=1))
        cut = await bench.told()
        assert isinstance(cut, AgentCutOff)
        assert (cut.utterance, cut.ms) == (None, 0)


async def test_more_than_90_seconds_is_told_to_the_desk_and_what_is_queued_still_sounds() -> None:
    async with transcoding() as bench:
        for _ in range(91):
            bench.voice.offer(AgentAudio(at=0, utterance="u", format=AudioFormat.PCMU, audio=b"\x12" * 8000))
        told = await bench.told()
        assert isinstance(told, PlayoutOverflowed)
        assert told.utterance == "u"
        assert bench.leg.playout.queued_ms() == 90_000


async def test_a_full_uplink_loses_its_oldest_batch() -> None:
    async with transcoding() as bench:
        bench.voice.offer(ModelTakes(at=0, session=1, format=AudioFormat.PCMU))
        await bench.settle()
        for number in range(20):
            bench.from_leg.offer(batch(b"\x12" * 480, number))
            await bench.settle()
        assert bench.to_model.receive_nowait().position == 4
        assert bench.to_model.dropped == 4


async def test_the_first_audio_of_an_utterance_in_play_out_is_told_once() -> None:
    async with transcoding() as bench:
        for _ in range(3):
            bench.voice.offer(AgentAudio(at=0, utterance="u", format=AudioFormat.PCMU, audio=b"\x20" * 4_000))
        await bench.settle()
        assert isinstance(bench.desk.receive_nowait(), AgentQueued)
        assert bench.desk.statistics().waiting == 0


async def test_where_the_caller_was_last_heard_is_told_when_the_model_says_they_stopped() -> None:
    async with transcoding() as bench:
        for place in range(20):
            audio = (b"\x10" * 240 + b"\x90" * 240) if place < 12 else b"\xff" * 480
            at = 100 + (place + 1) * 0.06
            bench.from_leg.offer(CallerAudio(at=at, leg=0, format=AudioFormat.PCMU, audio=audio, position=480 * place))
            await bench.settle()
        await bench.settle()
        bench.voice.offer(CallerStopped(at=101.2, session=3))
        told = await bench.told()
        assert isinstance(told, CallerLastHeard)
        assert (told.session, told.stopped_at, round(told.spoke_until, 3)) == (3, 101.2, 100.72)
