"""Between leg and model: the caller's batches in the model's encoding, the agent's audio in the leg's.

- The one actor that touches play-out: it plays, ends and flushes, and tells what was truly heard.
- Deltas are converted in slices of at most 200 ms: a one-second chunk would make every other call late.
- Nothing here waits for the far end: a full uplink loses its oldest batch, counted by its mailbox.
"""

from __future__ import annotations

from contextlib import suppress

import attrs
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
from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.audio.speech_end import SpeechEnd, onset
from callactors.errors import PlayoutFull

SLICE_MS = 200


@attrs.define(eq=False)
class Transcoder:
    """Both directions of one call's audio. While `deaf` the model hears nothing of the caller: they are on hold."""

    leg: Leg
    from_leg: Mailbox[CallerAudio]
    to_model: Mailbox[CallerAudio]
    voice: Mailbox[Message]
    desk: Mailbox[Message]
    deaf: bool = False
    _wanted: AudioFormat = attrs.field(default=AudioFormat.PCM16, init=False)
    _up: Converter | None = attrs.field(default=None, init=False)
    _down: dict[str, Converter] = attrs.field(factory=dict, init=False)
    _speech: SpeechEnd = attrs.field(factory=SpeechEnd, init=False)

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
        if not self.deaf:
            self._speech.hears(batch.at, batch.position, batch.format, batch.audio)
            self.to_model.offer(self._for_model(batch))
        return True

    def _for_model(self, batch: CallerAudio) -> CallerAudio:
        if batch.format is self._wanted:
            return batch
        up = self._up
        if up is None or (up.source, up.target) != (batch.format, self._wanted):
            up = self._up = Converter(batch.format, self._wanted)
        return CallerAudio(
            at=batch.at,
            leg=batch.leg,
            format=self._wanted,
            audio=up.feed(batch.audio),
            position=batch.position,
            lost_ms=batch.lost_ms,
            first_rtp_at=batch.first_rtp_at,
        )

    # -- model to caller -----------------------------------------------------------------------------------------

    async def _downlink(self) -> None:
        async for message in self.voice:
            match message:
                case AgentAudio():
                    await self._play(message)
                case AgentAudioEnded():
                    self._down.pop(message.utterance, None)
                    self.leg.end(message.utterance)
                case StopSpeaking():
                    await self._cut_off(message.session)
                case CallerStopped():
                    await self._tell_last_heard(message)
                case ModelTakes():
                    self._wanted = message.format

    async def _play(self, message: AgentAudio) -> None:
        """Convert and queue, slice by slice; past 90 s the session is told, and cancels that response."""
        step = SLICE_MS * message.format.bytes_per_ms
        known = len(self._down)
        down = self._converter(message)
        first = len(self._down) > known
        for start in range(0, len(message.audio), step):
            audio = down.feed(message.audio[start : start + step])
            try:
                self.leg.play(message.utterance, audio)
            except PlayoutFull:
                await self.desk.send(PlayoutOverflowed(at=trio.current_time(), utterance=message.utterance))
                return
            if first and not start:
                quiet = onset(audio, down.target)
                self.desk.offer(AgentQueued(at=trio.current_time(), utterance=message.utterance, onset=quiet))
            await trio.lowlevel.checkpoint()

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
