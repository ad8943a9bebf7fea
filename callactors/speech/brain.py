"""The Brain: the one owner, per process, of the embedded speech stack. Cascades borrow it.

- Two decodes and two syntheses at once, however many callers: more only grows memory. A CapacityLimiter each.
- `run` owns the voice children; started() means every weight is verified, loaded and warm.
- Blocking work goes through net/offload; VAD (0.07 ms a chunk) stays on the loop.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import trio

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.errors import Ours
from callactors.net.offload import in_thread
from callactors.speech import weights
from callactors.speech.mind_protocol import MakeMind, MindProtocol
from callactors.speech.phrases import Phrases
from callactors.speech.pieces import pieces
from callactors.speech.ranker import Rank, SentenceEncoder, rank_by_words
from callactors.speech.stt.whisper import Whisper
from callactors.speech.tts.voice import Voice, VoiceDied
from callactors.speech.vad import Silero, Vad
from callactors.speech.wave import Samples

WORKERS = 2


class BrainNotReady(Ours):
    """The brain was asked to work before `run` had started it."""


@attrs.frozen
class Spoken:
    """One piece of an answer: its words, and how they sound in the format asked for."""

    text: str
    audio: bytes


@attrs.define(eq=False)
class Speech:
    """The pieces of one answer still to be spoken. It holds nothing open, so it may be dropped half-way."""

    _brain: Brain
    _format: AudioFormat
    _pieces: deque[str]

    def __aiter__(self) -> Speech:
        return self

    async def __anext__(self) -> Spoken:
        if not self._pieces:
            raise StopAsyncIteration
        piece = self._pieces.popleft()
        return Spoken(piece, await self._brain.say(piece, self._format))


@attrs.define(eq=False)
class Brain:
    """VAD, speech-to-text, text-to-speech, ranking and minds for every call of this process.

    `model_dir` overrides the installed weights, `data` is where phrases are cached, `make_mind` makes one mind a call.
    """

    model_dir: Path | None = None
    data: Path | None = None
    make_mind: MakeMind | None = None
    workers: int = WORKERS
    rank: Rank = attrs.field(default=rank_by_words, init=False)
    _silero: Silero | None = attrs.field(default=None, init=False)
    _whisper: Whisper | None = attrs.field(default=None, init=False)
    _voices: list[Voice] = attrs.field(factory=list, init=False)  # the idle ones
    _phrases: Phrases = attrs.field(init=False)
    _hearing: trio.CapacityLimiter = attrs.field(init=False)
    _speaking: trio.CapacityLimiter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._phrases = Phrases(weights.VOICE.sha256, self.data / "phrases" if self.data else None)
        self._hearing = trio.CapacityLimiter(self.workers)
        self._speaking = trio.CapacityLimiter(self.workers)

    async def run(self, task_status: trio.TaskStatus[Brain] = trio.TASK_STATUS_IGNORED) -> None:
        """Load everything (2-3 s), then keep the voice children alive. Raises WeightsMissing, VoiceDied."""
        files = await in_thread(weights.find_all, self.model_dir)
        async with trio.open_nursery() as children:
            async with trio.open_nursery() as loading:
                for _ in range(self.workers):
                    loading.start_soon(self._start_voice, children, files)
                loading.start_soon(self._load, files)
            task_status.started(self)

    async def _start_voice(self, children: trio.Nursery, files: weights.BrainFiles) -> None:
        voice = Voice(files.voice, files.voice_config)
        await children.start(voice.run)
        self._voices.append(voice)

    async def _load(self, files: weights.BrainFiles) -> None:
        self._silero = await in_thread(Silero.load, files.vad)
        whisper = await in_thread(Whisper.load, files.whisper, self.workers)
        await in_thread(whisper.transcribe, np.zeros(8_000, np.int16))  # the first decode is the slow one
        self._whisper = whisper
        if files.encoder:
            self.rank = (await in_thread(SentenceEncoder.load)).rank

    # -- hearing --

    def listen(self) -> Vad:
        """An ear for one caller. Raises BrainNotReady."""
        if self._silero is None:
            raise BrainNotReady("the brain is not running")
        return self._silero.listen()

    async def transcribe(self, samples: Samples) -> str:
        """The words in one utterance (int16, 8 kHz), empty when there are none. Waits for one of the workers."""
        if self._whisper is None:
            raise BrainNotReady("the brain is not running")
        return await in_thread(self._whisper.transcribe, samples, limiter=self._hearing)

    # -- speaking --

    def speak(self, text: str, format: AudioFormat) -> Speech:
        """`text` piece by piece (`async for spoken in ...`), each as soon as it is made; a known phrase is one."""
        return Speech(self, format, deque([text] if self.cached(text, format) else pieces(text)))

    def cached(self, text: str, format: AudioFormat) -> bytes | None:
        """The sound of a phrase said before, from memory; never blocks. `phrase` puts it there, and on disk."""
        return self._phrases.recall(text, format)

    async def say(self, text: str, format: AudioFormat) -> bytes:
        """The sound of a short text in `format`, from memory where it was said before. Raises VoiceDied."""
        known = await self._phrases.load(text, format) or await self._from_linear(text, format)
        if known is None:
            known = await self._synthesise(text, format)
            self._phrases.remember(text, format, known)
        return known

    async def _from_linear(self, text: str, format: AudioFormat) -> bytes | None:
        """A phrase kept as 8 kHz PCM serves both laws of G.711."""
        if format not in (AudioFormat.PCMU, AudioFormat.PCMA):
            return None
        linear = await self._phrases.load(text, AudioFormat.PCM16_8K)
        if linear is None:
            return None
        known = Converter(AudioFormat.PCM16_8K, format).feed(linear)
        self._phrases.remember(text, format, known)
        return known

    async def phrase(self, text: str, format: AudioFormat) -> bytes:
        """The sound of a fixed phrase (greeting, filler, goodbye), kept on disk for the next start too."""
        known = await self._phrases.load(text, format)
        if known is None:
            wide = await self._phrases.load(text, AudioFormat.PCM16) if format is AudioFormat.PCM16_8K else None
            if wide is not None:
                known = Converter(AudioFormat.PCM16, format).feed(wide)
            else:
                known = b"".join([await self._synthesise(piece, format) for piece in pieces(text)])
            await self._phrases.store(text, format, known)
        return known

    async def _synthesise(self, text: str, format: AudioFormat) -> bytes:
        """One retry: a child that died has a successor within two seconds."""
        try:
            pcm = await self._borrow_voice(text, format.rate)
        except VoiceDied:
            pcm = await self._borrow_voice(text, format.rate)
        source = AudioFormat.PCM16 if format.rate == 24_000 else AudioFormat.PCM16_8K
        return Converter(source, format).feed(pcm)

    async def _borrow_voice(self, text: str, rate: int) -> bytes:
        async with self._speaking:
            if not self._voices:
                raise BrainNotReady("the brain is not running")
            voice = self._voices.pop(0)
            try:
                return await _read_all(voice, text, rate)
            finally:
                self._voices.append(voice)

    # -- thinking --

    def think(self) -> MindProtocol:
        """A fresh mind for one conversation."""
        return (self.make_mind or partial(_embedded_mind, lambda query, candidates: self.rank(query, candidates)))()


async def _read_all(voice: Voice, text: str, rate: int) -> bytes:
    await voice.begin(text, rate)
    pcm = bytearray()
    while (sentence := await voice.sentence()) is not None:
        pcm += sentence
    return bytes(pcm)


def _embedded_mind(rank: Callable[[str, list[str]], list[float]]) -> MindProtocol:
    from callactors.speech.mind import Mind  # only where a script or a chat model has not taken its place

    return Mind("", (), now=lambda: datetime.datetime.now().astimezone(), rank=rank)
