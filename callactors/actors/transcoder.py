"""Between leg and model: the caller's batches in the model's encoding, the agent's audio in the leg's.

- The one actor that touches play-out: it plays, ends and flushes, and tells what was truly heard.
- Deltas are converted in slices of at most 200 ms: a one-second chunk would make every other call late.
- Nothing here waits for the far end: a full uplink loses its oldest batch, counted by its mailbox.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import trio

from callactors.actors.leg import Leg
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
from callactors.audio.convert import Converter, Together
from callactors.audio.format import AudioFormat
from callactors.audio.speech_end import SpeechEnd, onset
from callactors.errors import PlayoutFull

SLICE_MS = 200


class Transcoder:
    """Both directions of one call's audio. While `deaf` the model hears nothing of the caller: they are on hold."""

    def __init__(
        self,
        leg: Leg,
        from_leg: Mailbox[CallerAudio],
        to_model: Mailbox[CallerAudio],
        voice: Mailbox[Message],
        desk: Mailbox[Message],
        together: Together | None = None,
    ) -> None:
        self.leg, self.from_leg, self.to_model = leg, from_leg, to_model
        self.voice, self.desk = voice, desk
        self.together = Together() if together is None else together
        self.deaf = False
        self._wanted = AudioFormat.PCM16
        self._up: Converter | None = None
        self._down: dict[str, Converter] = {}  # by utterance
        self._speech = SpeechEnd()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as ways:
            ways.start_soon(self._uplink)
            ways.start_soon(self._downlink)
            task_status.started()

    # -- caller to model -----------------------------------------------------------------------------------------

    async def _uplink(self) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await self.from_leg.pour(self._hear)

    def _hear(self, batch: CallerAudio) -> bool:
        """One batch, in the media plane's own tick."""
        if self.deaf:
            return True
        self._speech.hears(batch.at, batch.position, batch.format, batch.audio)
        if batch.format is self._wanted:
            self.to_model.offer(batch)
        else:
            self._convert(batch)
        return True

    def _convert(self, batch: CallerAudio) -> None:
        """With those of other calls, if the media plane has more of them just now."""
        up = self._up
        if up is None or (up.source, up.target) != (batch.format, self._wanted):
            up = self._up = Converter(batch.format, self._wanted)
        self.together.convert(up, batch.audio, partial(self._converted, batch, up.target))

    def _converted(self, batch: CallerAudio, format: AudioFormat, audio: bytes) -> None:
        self.to_model.offer(
            CallerAudio(
                at=batch.at,
                leg=batch.leg,
                format=format,
                audio=audio,
                position=batch.position,
                lost_ms=batch.lost_ms,
                first_rtp_at=batch.first_rtp_at,
            )
        )

    # -- model to caller -----------------------------------------------------------------------------------------

    async def _downlink(self) -> None:
        with suppress(trio.EndOfChannel):
            while True:
                await self.voice.pour(self._take)
                await self._do(await self.voice.receive())

    def _take(self, message: Message) -> bool:
        """What need not wait is done in the session's own step, which brings it; False for the rest."""
        match message:
            case AgentAudio() if len(message.audio) <= SLICE_MS * message.format.bytes_per_ms:
                return self._play(message, message.audio) or self.desk.put(_overflowed(message))
            case AgentAudioEnded():
                self._down.pop(message.utterance, None)
                self.leg.end(message.utterance)
            case ModelTakes():
                self._wanted = message.format
            case _:
                return False
        return True

    async def _do(self, message: Message) -> None:
        match message:
            case AgentAudio():
                await self._play_slices(message)
            case StopSpeaking():
                await self._cut_off(message.session)
            case CallerStopped():
                await self._tell_last_heard(message)

    async def _play_slices(self, message: AgentAudio) -> None:
        """Convert and queue, slice by slice; past 90 s the session is told, and cancels that response."""
        step = SLICE_MS * message.format.bytes_per_ms
        for start in range(0, len(message.audio), step):
            if not self._play(message, message.audio[start : start + step]):
                await self.desk.send(_overflowed(message))
                return
            await trio.lowlevel.checkpoint()

    def _play(self, message: AgentAudio, piece: bytes) -> bool:
        """One slice; False when too much is queued already."""
        known = len(self._down)
        down = self._converter(message)
        audio = down.feed(piece)
        try:
            self.leg.play(message.utterance, audio)
        except PlayoutFull:
            return False
        if len(self._down) > known:
            quiet = onset(audio, down.target)
            self.desk.offer(AgentQueued(at=trio.current_time(), utterance=message.utterance, onset=quiet))
        return True

    def _converter(self, message: AgentAudio) -> Converter:
        """One converter an utterance: a resampler's history belongs to what it has heard."""
        down = self._down.get(message.utterance)
        if down is None or (down.source, down.target) != (message.format, self.leg.format):
            down = self._down[message.utterance] = Converter(message.format, self.leg.format)
        return down

    async def _tell_last_heard(self, stopped: CallerStopped) -> None:
        spoke_until = self._speech.last()
        if spoke_until is not None:
            now, session = trio.current_time(), stopped.session
            await self.desk.send(
                CallerLastHeard(at=now, session=session, stopped_at=stopped.at, spoke_until=spoke_until)
            )

    async def _cut_off(self, session: int) -> None:
        heard = self.leg.flush()
        self._down.clear()
        await self.desk.send(
            AgentCutOff(at=trio.current_time(), utterance=heard.utterance, ms=heard.ms, session=session)
        )


def _overflowed(message: AgentAudio) -> PlayoutOverflowed:
    return PlayoutOverflowed(at=trio.current_time(), utterance=message.utterance)
