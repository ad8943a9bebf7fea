"""A recording: caller left, agent right, aligned by position; a disk that fails costs the recording, never the call."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import trio
import trio.testing

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentHeard, CallerAudio
from callactors.actors.recorder import Recorder, Samples
from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.levels import strength
from callactors.audio.tone import sine
from callactors.net import offload

PCMU = AudioFormat.PCMU


def caller(samples: Samples, position: int, law: AudioFormat = PCMU) -> CallerAudio:
    return CallerAudio(at=0, leg=0, format=law, audio=g711.encode(samples, law), position=position)


def agent(samples: Samples, position: int) -> AgentHeard:
    return AgentHeard(at=0, leg=0, format=PCMU, audio=g711.encode(samples, PCMU), position=position)


async def recorded(path: Path, *sounds: CallerAudio | AgentHeard) -> Recorder:
    offload.INLINE.set(True)
    tape: Mailbox[CallerAudio | AgentHeard] = Mailbox(1000)
    recorder = Recorder(path, tape)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        for sound in sounds:
            tape.offer(sound)
        tape.close()
    return recorder


def channels(path: Path) -> tuple[Samples, Samples]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).reshape(-1, 2)
    return both[:, 0], both[:, 1]


async def test_caller_is_left_agent_is_right_and_both_are_where_they_were_heard(tmp_path: Path) -> None:
    path = tmp_path / "new" / "call.wav"
    await recorded(path, caller(sine(400, 1000), 0), agent(sine(700, 500), 12_000), caller(sine(400, 60), 16_000))
    left, right = channels(path)
    assert len(left) == len(right) == 16_480
    assert strength(left[:8000], 400) > 0.99
    assert not np.any(np.abs(left[8000:16_000]) > 8)
    assert strength(right[12_000:16_000], 700) > 0.99
    assert not np.any(np.abs(right[:12_000]) > 8)


async def test_a_long_call_is_written_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    tape: Mailbox[CallerAudio | AgentHeard] = Mailbox(1000)
    offload.INLINE.set(True)
    async with trio.open_nursery() as nursery:
        await nursery.start(Recorder(path, tape).run)
        for second in range(10):
            tape.offer(caller(sine(400, 1000), 8000 * second))
        await trio.testing.wait_all_tasks_blocked()
        assert path.stat().st_size > 4 * 8000 * 7
        nursery.cancel_scope.cancel()
    assert len(channels(path)[0]) == 80_000


async def test_what_is_on_the_tape_when_the_call_ends_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    tape: Mailbox[CallerAudio | AgentHeard] = Mailbox(1000)
    async with trio.open_nursery() as nursery:
        await nursery.start(Recorder(path, tape).run)
        tape.offer(caller(sine(400, 1000), 0))
        nursery.cancel_scope.cancel()
    assert len(channels(path)[0]) == 8000


async def test_a_change_of_codec_is_not_heard_on_tape(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    tone = sine(400, 1000)
    await recorded(path, caller(tone[:4000], 0), caller(tone[4000:], 4000, AudioFormat.PCMA))
    assert strength(channels(path)[0], 400) > 0.99


async def test_a_batch_that_comes_too_late_changes_nothing_written(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    long = [caller(sine(400, 1000), 8000 * second) for second in range(5)]
    await recorded(path, *long, agent(sine(700, 1000), 0))
    left, right = channels(path)
    assert strength(left, 400) > 0.99
    assert not np.any(right[:8000])


async def test_a_recording_that_cannot_be_opened_is_a_fact(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    recorder = await recorded(tmp_path / "taken" / "call.wav", caller(sine(400, 60), 0))
    assert recorder.failed


async def test_a_call_without_a_sound_is_an_empty_recording(tmp_path: Path) -> None:
    await recorded(tmp_path / "call.wav")
    assert len(channels(tmp_path / "call.wav")[0]) == 0


async def test_an_hour_on_hold_keeps_its_length_and_costs_no_memory_or_disk(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    hour = 3600 * 8000
    recorder = await recorded(path, caller(sine(400, 1000), 0), caller(sine(400, 1000), hour))
    assert len(recorder._caller.held) == 0
    assert path.stat().st_size == 44 + 4 * (hour + 8000)
    assert path.stat().st_blocks * 512 < 1_000_000  # a hole in the file, not an hour of zeros
    left, _ = channels(path)
    assert strength(left[hour : hour + 8000], 400) > 0.99
    assert not left[8000:hour].any()


async def test_a_leg_that_takes_over_goes_on_where_the_clock_says(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    first, second = caller(sine(400, 500), 0), caller(sine(700, 500), 0)
    await recorded(path, first, CallerAudio(at=3.0, leg=1, format=PCMU, audio=second.audio, position=0))
    left, _ = channels(path)
    assert strength(left[:4000], 400) > 0.99
    assert not np.any(np.abs(left[4000:24_000]) > 8)
    assert strength(left[24_000:], 700) > 0.99


async def test_a_leg_that_takes_over_erases_nothing(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    first, second = caller(sine(400, 500), 0), caller(sine(700, 500), 0)
    await recorded(path, first, CallerAudio(at=0.1, leg=1, format=PCMU, audio=second.audio, position=0))
    left, _ = channels(path)
    assert strength(left[:4000], 400) > 0.99
    assert strength(left[4000:], 700) > 0.99
