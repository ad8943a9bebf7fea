"""What tests that speak share: a voice, ears, and `python -m callactors realtime` as a process of its own."""

from __future__ import annotations

import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np
import trio

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.speech import weights
from callactors.speech.stt.whisper import Whisper
from callactors.speech.tts.voice import Voice

ROOT = Path(__file__).parents[2]  # `-m callactors` is found here, installed or not
START = 60.0  # seconds a brain may take to load on a busy machine


# -- a voice and ears --------------------------------------------------------------------------------------------------


def spoken(sentences: Sequence[str]) -> dict[str, Samples]:
    """Each sentence in the embedded voice, as int16 at 24 kHz."""
    return trio.run(_spoken, sentences)


async def _spoken(sentences: Sequence[str]) -> dict[str, Samples]:
    voice = Voice(weights.find(weights.VOICE), weights.find(weights.VOICE_CONFIG))
    said: dict[str, Samples] = {}
    async with trio.open_nursery() as speaking:
        await speaking.start(voice.run)
        for sentence in sentences:
            await voice.begin(sentence, AudioFormat.PCM16.rate)
            said[sentence] = np.frombuffer(await _read(voice), np.int16)
        speaking.cancel_scope.cancel()
    return said


async def _read(voice: Voice) -> bytes:
    pieces = bytearray()
    while (piece := await voice.sentence()) is not None:
        pieces += piece
    return bytes(pieces)


@attrs.frozen
class Ears:
    """Speech to text, of audio in any of the formats of the wire."""

    whisper: Whisper

    @classmethod
    def open(cls) -> Ears:
        return cls(Whisper.load(weights.find_all(None).whisper, 1))

    def words(self, audio: bytes, format: AudioFormat) -> set[str]:
        """The words in it, in lower case."""
        return self.words_in(np.frombuffer(Converter(format, AudioFormat.PCM16_8K).feed(audio), np.int16))

    def words_in(self, samples: Samples) -> set[str]:
        """The words in int16 samples at 8 kHz."""
        return words(self.whisper.transcribe(samples))


def words(text: str) -> set[str]:
    """The words of a text, in lower case."""
    return set(re.findall(r"[a-z0-9']+", text.lower()))


# -- a model in another process ----------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Model:
    """A running `callactors realtime`."""

    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def children(self) -> list[Path]:
        """The /proc folders of its voice processes; Trio starts them from worker threads."""
        lists = [task.read_text().split() for task in Path(f"/proc/{self.process.pid}/task").glob("*/children")]
        return [Path(f"/proc/{child}") for children in lists for child in children]


@contextmanager
def realtime(*options: str) -> Iterator[Model]:
    """`callactors realtime` on a free port, until the block is left."""
    command = [sys.executable, "-m", "callactors", "realtime", "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            readable, _, _ = select.select([process.stdout], [], [], START)
            ready = process.stdout.readline() if readable else ""
            assert ready.startswith("READY realtime="), ready
            yield Model(process, ready.strip().removeprefix("READY realtime="))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)
