"""A call on tape: caller left, agent right, in one WAV (8 kHz, 16 bit), aligned to what each side really heard.

- Both channels are laid out by the leg's own positions, so silence and losses keep their length; a leg that takes over
  goes on where its clock says, and never before what the last one left.
- Disk writes go through net/offload once a second; what is left is written in `finally`, at most a second's worth.
- A disk that fails ends the recording with a fact, never the call.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import attrs
import numpy as np
import numpy.typing as npt
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentHeard, CallerAudio
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import pcma_decode, pcmu_decode
from callactors.audio.wav import header
from callactors.net.offload import in_thread

RATE = 8000
SETTLE = RATE  # samples kept back: a batch may come this late and still find its place
HOLE = 10 * RATE  # samples of nothing on either side that are left out of memory

Samples = npt.NDArray[np.int16]


@attrs.define(eq=False)
class Channel:
    """One side: samples from `base` on, gaps filled with silence."""

    base: int = 0
    held: bytearray = attrs.field(factory=bytearray)

    @property
    def end(self) -> int:
        return self.base + len(self.held) // 2

    def lay(self, position: int, samples: Samples) -> None:
        """Put samples where they belong; what would fall before the written part is cut off."""
        late = max(0, self.base - position)
        samples, position = samples[late:], position + late
        if position > self.end:
            self.held.extend(bytes(2 * (position - self.end)))
        at = 2 * (position - self.base)
        self.held[at : at + 2 * len(samples)] = samples.tobytes()

    def take(self, until: int) -> Samples:
        """Remove and return everything before `until`, padded with silence."""
        count = until - self.base
        self.held.extend(bytes(max(0, 2 * count - len(self.held))))
        taken = np.frombuffer(bytes(self.held[: 2 * count]), dtype=np.int16)
        del self.held[: 2 * count]
        self.base = until
        return taken


@attrs.define(eq=False)
class Recorder:
    """Writes one call's recording to `path`."""

    path: Path
    tape: Mailbox[CallerAudio | AgentHeard]
    failed: str | None = attrs.field(default=None, init=False)
    _caller: Channel = attrs.field(factory=Channel, init=False)
    _agent: Channel = attrs.field(factory=Channel, init=False)
    _written: int = attrs.field(default=0, init=False)
    _began: dict[int, int] = attrs.field(factory=dict, init=False)  # leg: where on tape its media begins
    _epoch: float = attrs.field(default=0.0, init=False)  # when the tape begins

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            file = self._open()
        except OSError as error:
            self.failed = str(error)
            task_status.started()
            return
        task_status.started()
        try:
            async for sound in self.tape:
                self._put(file, sound)
                await self._spill(file)
        except OSError as error:
            self.failed = str(error)
        finally:
            self._finish(file)

    def _open(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # its owner's alone
        file.write(header(0, channels=2))
        return file

    def _skip(self, file: BinaryIO, position: int) -> None:
        """After a long hold the file is sought on, so that an hour of silence costs neither memory nor disk."""
        end = max(self._caller.end, self._agent.end)
        if position - end > HOLE:
            file.write(self._interleaved(end))
            file.seek(4 * (position - end), os.SEEK_CUR)
            self._caller.base = self._agent.base = self._written = position

    def _put(self, file: BinaryIO, sound: CallerAudio | AgentHeard) -> None:
        """Skip to where it belongs, and lay it there."""
        decode = pcmu_decode if sound.format is AudioFormat.PCMU else pcma_decode
        channel = self._caller if isinstance(sound, CallerAudio) else self._agent
        position = self._beginning(sound) + sound.position
        self._skip(file, position)
        channel.lay(position, decode(sound.audio))

    def _beginning(self, sound: CallerAudio | AgentHeard) -> int:
        if not self._began:
            self._began[sound.leg], self._epoch = 0, sound.at - sound.position / RATE
        if sound.leg not in self._began:
            by_clock = round((sound.at - self._epoch) * RATE) - sound.position
            self._began[sound.leg] = max(by_clock, self._caller.end, self._agent.end)
        return self._began[sound.leg]

    async def _spill(self, file: BinaryIO) -> None:
        """Write what can no longer change, a second at a time; once taken from its channel it must get there."""
        settled = max(self._caller.end, self._agent.end) - SETTLE
        if settled - self._written >= RATE:
            with trio.CancelScope(shield=True):
                await in_thread(file.write, self._interleaved(settled))

    def _interleaved(self, until: int) -> bytes:
        sides = (self._caller.take(until), self._agent.take(until))
        self._written = until
        return np.stack(sides, axis=1).tobytes()

    def _finish(self, file: BinaryIO) -> None:
        """The rest and the header's true length; at most two seconds of audio, so it is written here."""
        try:
            with file:
                for sound in _drained(self.tape):
                    self._put(file, sound)
                file.write(self._interleaved(max(self._caller.end, self._agent.end, self._written)))
                file.seek(0)
                file.write(header(4 * self._written, channels=2))
        except OSError as error:
            self.failed = str(error)


def _drained(tape: Mailbox[CallerAudio | AgentHeard]) -> list[CallerAudio | AgentHeard]:
    sounds: list[CallerAudio | AgentHeard] = []
    while True:
        try:
            sounds.append(tape.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return sounds
