"""The voice child: it speaks, it is started again when it dies, and it is never left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from callactors.speech import weights
from callactors.speech.tts.voice import Voice, VoiceDied


@asynccontextmanager
async def running() -> AsyncIterator[Voice]:
    voice = Voice(weights.find(weights.VOICE), weights.find(weights.VOICE_CONFIG))
    async with trio.open_nursery() as nursery:
        await nursery.start(voice.run)
        yield voice
        nursery.cancel_scope.cancel()


async def spoken(voice: Voice, text: str) -> list[bytes]:
    await voice.begin(text, 8_000)
    found = []
    while (sentence := await voice.sentence()) is not None:
        found.append(sentence)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_voice_lives_dies_and_lives_again() -> None:
    async with running() as voice:
        assert [len(pcm) > 3_000 for pcm in await spoken(voice, "Hello. How are you?")] == [True, True]
        assert await spoken(voice, "") == []
        await a_reader_that_goes_away_leaves_nothing_for_the_next(voice)
        first = await a_death_while_speaking_is_an_error_of_that_request(voice)
        assert await spoken(voice, "Back again.")
        second = voice.pid
        assert voice.starts == 2
    assert second is not None
    assert not alive(first)
    assert not alive(second)


async def a_reader_that_goes_away_leaves_nothing_for_the_next(voice: Voice) -> None:
    await voice.begin("This is a sentence nobody will wait for. Nor for this one.", 8_000)
    with trio.move_on_after(0.005):
        await voice.sentence()
    (pcm,) = await spoken(voice, "Yes.")
    assert len(pcm) < 16_000


async def a_death_while_speaking_is_an_error_of_that_request(voice: Voice) -> int:
    pid = voice.pid
    assert pid is not None
    await voice.begin("It will never say this long sentence, because it is about to be ended.", 8_000)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(VoiceDied):
        await rest(voice)
    return pid


async def rest(voice: Voice) -> None:
    while await voice.sentence() is not None:
        pass


async def test_a_voice_that_cannot_load_says_so_at_start(tmp_path: Path) -> None:
    voice = Voice(tmp_path / "absent.onnx", tmp_path / "absent.json")
    with pytest.RaisesGroup(pytest.RaisesExc(VoiceDied, match="could not be started")):
        async with trio.open_nursery() as nursery:
            await nursery.start(voice.run)
