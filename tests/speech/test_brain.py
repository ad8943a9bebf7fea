"""The brain, whole and real: it starts once, speaks, understands itself, and leaves no child behind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import trio

from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.errors import WeightsMissing
from callactors.speech.brain import Brain, BrainNotReady

TEXT = "Your appointment is tomorrow at three. Is that all right?"


def children() -> set[int]:
    """The processes we started, from whichever thread, and have not seen the end of."""
    lists = [task.read_text().split() for task in Path("/proc/self/task").glob("*/children")]
    return {int(pid) for pids in lists for pid in pids}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


async def test_a_brain_speaks_and_understands_and_leaves_nothing(tmp_path: Path) -> None:
    before = children()
    async with trio.open_nursery() as nursery:
        brain: Brain = await nursery.start(Brain(data=tmp_path).run)
        spoken = [piece async for piece in brain.speak(TEXT, AudioFormat.PCMU)]
        assert " ".join(piece.text for piece in spoken) == TEXT
        pcm = convert(b"".join(piece.audio for piece in spoken), AudioFormat.PCMU, AudioFormat.PCM16_8K)
        heard = words(await brain.transcribe(np.frombuffer(pcm, np.int16)))
        assert len(heard & words(TEXT)) >= len(words(TEXT)) - 2
        await a_phrase_is_kept_on_disk(brain, tmp_path)
        await more_callers_than_voices_take_turns(brain)
        assert len(children() - before) == 2
        nursery.cancel_scope.cancel()
    assert children() <= before


async def a_phrase_is_kept_on_disk(brain: Brain, data: Path) -> None:
    assert brain.cached("Good day, this is a machine.", AudioFormat.PCM16) is None
    audio = await brain.phrase("Good day, this is a machine.", AudioFormat.PCM16)
    assert brain.cached("Good day, this is a machine.", AudioFormat.PCM16) == audio
    assert await Brain(data=data).phrase("Good day, this is a machine.", AudioFormat.PCM16) == audio


async def more_callers_than_voices_take_turns(brain: Brain) -> None:
    lengths: list[int] = []

    async def caller(number: int) -> None:
        lengths.append(len(await brain.say(f"You are number {number}.", AudioFormat.PCMA)))

    async with trio.open_nursery() as callers:
        for number in range(5):
            callers.start_soon(caller, number)
    assert min(lengths) > 4_000


async def test_missing_weights_stop_the_start(tmp_path: Path) -> None:
    for name in ("model.bin", "silero_vad.onnx"):
        (tmp_path / name).write_bytes(b"not these")
    brain = Brain(model_dir=tmp_path)
    with pytest.RaisesGroup(WeightsMissing):
        async with trio.open_nursery() as nursery:
            await nursery.start(brain.run)


async def test_a_brain_that_does_not_run_says_so() -> None:
    with pytest.raises(BrainNotReady):
        Brain().listen()
    with pytest.raises(BrainNotReady):
        await Brain().transcribe(np.zeros(8, np.int16))
    with pytest.raises(BrainNotReady):
        await Brain().say("Hello.", AudioFormat.PCMU)
