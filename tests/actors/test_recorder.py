"""A recording: caller left, agent right, aligned by position; a disk that fails costs the recording, never the call."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import numpy as np
import trio

from callactors.actors.messages import AgentHeard, CallerAudio, PauseRecording, RecordingWanted, ResumeRecording
from callactors.actors.parts.tape import LONGEST, Order, Sound, Tape
from callactors.actors.recorder import TICK, Recorder
from callactors.audio import g711
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.levels import strength
from callactors.audio.tone import sine
from callactors.config.schema import RecordingMode
from callactors.net import offload
from callactors.stores.deck import Deck
from callactors.stores.spool import Spool

PCMU = AudioFormat.PCMU


def caller(
    samples: Samples, position: int, format: AudioFormat = PCMU, *, leg: int = 0, at: float = 0.0
) -> CallerAudio:
    """As a leg tells it: `at` its end, where nothing else is said."""
    at = at or (position + len(samples)) / 8000
    audio = convert(samples.astype("<i2").tobytes(), AudioFormat.PCM16_8K, format)
    return CallerAudio(at=at, leg=leg, format=format, audio=audio, position=position)


def agent(samples: Samples, position: int) -> AgentHeard:
    at = (position + len(samples)) / 8000
    return AgentHeard(at=at, leg=0, format=PCMU, audio=g711.encode(samples, PCMU), position=position)


def pause(at: float, reason: str = "digits") -> PauseRecording:
    return PauseRecording(at=at, reason=reason)


def resume(at: float, reason: str = "digits") -> ResumeRecording:
    return ResumeRecording(at=at, reason=reason)


@attrs.define(eq=False)
class Taping:
    """A recorder at work, and what it told."""

    tape: Tape
    recorder: Recorder
    told: list[tuple[str, dict[str, object]]]
    deck: Deck

    def events(self, kind: str) -> list[dict[str, object]]:
        return [facts for name, facts in self.told if name == kind]


@asynccontextmanager
async def taping(path: Path, mode: RecordingMode = "always") -> AsyncIterator[Taping]:
    """On the virtual clock; leaving it ends the call, then the deck."""
    offload.INLINE.set(True)
    tape, deck = Tape(mode), Deck()
    told: list[tuple[str, dict[str, object]]] = []
    recorder = Recorder(tape, deck, lambda rate: Spool(path, rate), lambda kind, **facts: told.append((kind, facts)))
    async with trio.open_nursery() as lasting:
        await lasting.start(deck.run)
        async with trio.open_nursery() as call:
            await call.start(recorder.run)
            yield Taping(tape, recorder, told, deck)
            call.cancel_scope.cancel()
        lasting.cancel_scope.cancel()


async def recorded(path: Path, *heard: Sound | Order, mode: RecordingMode = "always") -> Taping:
    """All of it told at once, and the call's end."""
    async with taping(path, mode) as house:
        for one in heard:
            if isinstance(one, CallerAudio | AgentHeard):
                house.tape.offer(one)
            else:
                house.tape.tell(one)
    return house


def channels(path: Path, rate: int = 8000) -> tuple[Samples, Samples]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, rate, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def silent(samples: Samples) -> bool:
    return not np.any(np.abs(samples) > 8)


# -- where things are ------------------------------------------------------------------------------------------------


async def test_caller_is_left_agent_is_right_and_both_are_where_they_were_heard(
    autojump_clock: object, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "call.wav"
    await recorded(path, caller(sine(400, 1000), 0), agent(sine(700, 500), 12_000), caller(sine(400, 60), 16_000))
    left, right = channels(path)
    assert len(left) == len(right) == 16_480
    assert strength(left[:8000], 400) > 0.99
    assert silent(left[8000:16_000])
    assert strength(right[12_000:16_000], 700) > 0.99
    assert silent(right[:12_000])


async def test_a_long_call_is_written_as_it_goes_and_any_player_can_play_it_meanwhile(
    autojump_clock: object, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    async with taping(path) as house:
        for second in range(10):
            house.tape.offer(caller(sine(400, 1000), 8000 * second))
            await trio.sleep(1)
        await trio.sleep(1)
        assert 8000 * 7 < len(channels(path)[0]) < 80_000
    assert len(channels(path)[0]) == 80_000


async def test_what_is_on_the_tape_when_the_call_ends_is_kept(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    house = await recorded(path, caller(sine(400, 1000), 0))
    assert len(channels(path)[0]) == 8000
    assert house.events("recording_ended") == [{"seconds": 1.0, "paused": []}]


async def test_a_change_of_codec_is_not_heard_on_tape(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    tone = sine(400, 1000)
    await recorded(path, caller(tone[:4000], 0), caller(tone[4000:], 4000, AudioFormat.PCMA))
    assert strength(channels(path)[0], 400) > 0.99


async def test_a_wideband_call_is_recorded_at_its_own_rate(autojump_clock: object, tmp_path: Path) -> None:
    for format in (AudioFormat.PCM16, AudioFormat.PCM16_16K):
        path = tmp_path / f"{format}.wav"
        batches = [caller(sine(400, 60), 480 * n, format) for n in range(20)]
        house = await recorded(path, *batches, agent(sine(700, 500), 9600))
        left, right = channels(path, format.rate)
        times = format.rate // 8000
        assert len(left) == 9600 * times + 4000 * times
        assert strength(right[9600 * times :], 700 / times) > 0.99
        assert house.events("recording")[0]["rate"] == format.rate


async def test_a_narrow_leg_in_a_wideband_recording_has_no_seams(autojump_clock: object, tmp_path: Path) -> None:
    path, tone = tmp_path / "call.wav", sine(400, 2000)
    narrow = [caller(tone[at : at + 480], 480 + at) for at in range(0, 14_400, 480)]
    await recorded(path, caller(sine(400, 60), 0, AudioFormat.PCM16), *narrow)
    left, _ = channels(path, 24_000)
    steps = np.abs(np.diff(left[3000:].astype(int)))
    assert steps.max() < 1.1 * np.abs(np.diff(tone.astype(int))).max() / 3 + 64


async def test_a_batch_that_comes_too_late_changes_nothing_written(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    async with taping(path) as house:
        for second in range(5):
            house.tape.offer(caller(sine(400, 1000), 8000 * second))
        await trio.sleep(3)
        house.tape.offer(agent(sine(700, 1000), 0))
    left, right = channels(path)
    assert strength(left, 400) > 0.99
    assert not np.any(right[:8000])


async def test_an_hour_on_hold_keeps_its_length_and_costs_no_memory_or_disk(
    autojump_clock: object, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    hour = 3600 * 8000
    await recorded(path, caller(sine(400, 1000), 0), caller(sine(400, 1000), hour))
    assert path.stat().st_size == 44 + 4 * (hour + 8000)
    assert path.stat().st_blocks * 512 < 1_000_000  # a hole in the file, not an hour of zeros
    left, _ = channels(path)
    assert strength(left[hour : hour + 8000], 400) > 0.99
    assert not left[8000:hour].any()


async def test_a_leg_that_takes_over_goes_on_where_the_clock_says(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    await recorded(path, caller(sine(400, 500), 0), caller(sine(700, 500), 0, leg=1, at=3.5))
    left, _ = channels(path)
    begins = next(at for at in range(4000, len(left)) if abs(int(left[at])) > 200)
    assert strength(left[:4000], 400) > 0.99
    assert 24_000 <= begins <= 24_000 + 4100  # a batch is told when it has ended
    assert strength(left[begins:], 700) > 0.99


async def test_a_leg_that_takes_over_erases_nothing(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    await recorded(path, caller(sine(400, 500), 0), caller(sine(700, 500), 0, leg=1, at=0.1))
    left, _ = channels(path)
    assert strength(left[:4000], 400) > 0.99
    assert strength(left[4000:], 700) > 0.99


# -- who may be recorded, and when -----------------------------------------------------------------------------------


async def test_a_pause_is_silence_on_both_sides_and_the_record_says_where(
    autojump_clock: object, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    both: list[Sound] = [caller(sine(400, 4000), 0), agent(sine(700, 4000), 0)]
    house = await recorded(path, *both, pause(1.0), resume(2.0))
    for side, pitch in zip(channels(path), (400, 700), strict=True):
        assert strength(side[:7500], pitch) > 0.99
        assert not side[8000:16_000].any()
        assert strength(side[16_600:], pitch) > 0.99
    assert house.events("recording_paused") == [{"reason": "digits"}]
    assert house.events("recording_resumed") == [{"reason": "digits"}]
    assert house.events("recording_ended") == [{"seconds": 4.0, "paused": [[0.94, 2.06]]}]


async def test_each_reason_pauses_for_itself(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    orders: list[Order] = [pause(1.0), pause(1.5, "held"), resume(2.0), resume(3.0, "held"), resume(3.5, "unheard of")]
    await recorded(path, caller(sine(400, 4000), 0), *orders)
    left, _ = channels(path)
    assert not left[8000:24_000].any()
    assert strength(left[24_600:], 400) > 0.99


async def test_what_is_said_in_a_pause_never_reaches_the_disk_not_even_for_a_moment(
    autojump_clock: object, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    async with taping(path) as house:
        for second in range(6):
            if second == 2:
                house.tape.tell(pause(trio.current_time()))
            now = trio.current_time() + 1
            house.tape.offer(caller(sine(400, 1000), 8000 * second, at=now))
            await trio.sleep(1)
            assert not channels(path)[0][16_000:].any() if path.exists() else True
    assert not channels(path)[0][16_000:].any()


async def test_nothing_before_a_consent_is_on_tape_and_the_file_begins_with_it(
    autojump_clock: object, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    async with taping(path, "consent") as house:
        house.tape.offer(caller(sine(400, 1000), 0))
        await trio.sleep(1)
        assert not house.tape.tell(RecordingWanted(at=1.0, wanted=True, by="api"))
        assert house.tape.tell(RecordingWanted(at=trio.current_time(), wanted=True, by="tool"))
        house.tape.offer(caller(sine(700, 2000), 8000, at=trio.current_time() + 2))
    left, _ = channels(path)
    assert len(left) == 16_000
    assert strength(left[1000:], 700) > 0.99


async def test_a_consent_taken_back_ends_the_recording(autojump_clock: object, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    async with taping(path, "on_demand") as house:
        begun = trio.current_time()
        house.tape.tell(RecordingWanted(at=begun, wanted=True, by="api"))
        house.tape.offer(caller(sine(400, 1000), 0, at=begun + 1))
        await trio.sleep(1)
        house.tape.tell(RecordingWanted(at=begun + 1, wanted=False, by="tool"))
        house.tape.offer(caller(sine(700, 1000), 8000, at=begun + 2))
    assert len(channels(path)[0]) == 8000


async def test_a_call_that_may_not_be_recorded_is_not_whoever_asks(tmp_path: Path) -> None:
    tape = Tape("off")
    assert not tape.tell(RecordingWanted(at=0, wanted=True, by="tool"))
    tape.offer(caller(sine(400, 1000), 0))
    assert tape.take() == ([], [])


async def test_a_call_without_a_sound_leaves_no_file(autojump_clock: object, tmp_path: Path) -> None:
    house = await recorded(tmp_path / "call.wav")
    assert files(tmp_path) == []
    assert house.told == []


# -- disks -----------------------------------------------------------------------------------------------------------


async def test_a_recording_that_cannot_be_opened_is_an_event(autojump_clock: object, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    house = await recorded(tmp_path / "taken" / "call.wav", caller(sine(400, 60), 0))
    assert house.recorder.failed
    assert [kind for kind, _ in house.told].count("recording_failed") == 1


async def test_a_disk_that_fills_up_ends_the_recording_and_what_was_written_stays_readable(
    autojump_clock: object, tmp_path: Path
) -> None:
    @attrs.define(eq=False)
    class SmallDisk(Spool):
        def append(self, audio: bytes) -> None:
            if self.size > 100_000:
                raise OSError(28, "No space left on device")
            Spool.append(self, audio)

    path = tmp_path / "call.wav"
    async with taping(path) as house:
        house.recorder.spool = lambda rate: SmallDisk(path, rate)
        for second in range(10):
            house.tape.offer(caller(sine(400, 1000), 8000 * second))
            await trio.sleep(1)
        assert not house.tape.on
    assert [facts["error"] for facts in house.events("recording_failed")] == ["[Errno 28] No space left on device"]
    assert house.events("recording_ended") == []
    assert strength(channels(path)[0], 400) > 0.99


async def test_a_disk_that_does_not_answer_costs_a_minute_of_memory_at_most(
    autojump_clock: object, tmp_path: Path
) -> None:
    tape = Tape("always")
    recorder = Recorder(tape, Deck(), lambda rate: Spool(tmp_path / "x.wav", rate))  # a deck that never runs
    async with trio.open_nursery() as call:
        await call.start(recorder.run)
        tape.offer(caller(sine(400, 60), 0))
        await trio.sleep(TICK + 0.5)  # it has been taken
        for batch in range(LONGEST + 10):
            tape.offer(caller(sine(400, 60), 480 * batch))
        await trio.sleep(100)
        assert tape.dropped == 10
        call.cancel_scope.cancel()


async def test_many_calls_share_their_trips_to_the_thread(autojump_clock: object, tmp_path: Path) -> None:
    offload.INLINE.set(True)
    deck, tapes = Deck(), [Tape("always") for _ in range(20)]
    async with trio.open_nursery() as lasting:
        await lasting.start(deck.run)
        async with trio.open_nursery() as calls:
            for number, tape in enumerate(tapes):
                path = tmp_path / f"{number}.wav"
                await calls.start(Recorder(tape, deck, lambda rate, path=path: Spool(path, rate)).run)  # type: ignore[misc]
            for second in range(10):
                for tape in tapes:
                    tape.offer(caller(sine(400, 1000), 8000 * second))
                await trio.sleep(1)
            calls.cancel_scope.cancel()
        lasting.cancel_scope.cancel()
    assert {len(channels(file)[0]) for file in files(tmp_path)} == {80_000}
    statistics = deck.statistics()
    assert statistics.waiting == statistics.failed == 0
    assert statistics.trips < statistics.done / 10


def test_the_tape_is_off_until_somebody_loads_it() -> None:
    tape = Tape()
    tape.offer(caller(sine(400, 60), 0))
    tape.load("always")
    tape.offer(caller(sine(400, 60), 480))
    assert [sound.position for sound in tape.take()[1]] == [480]
