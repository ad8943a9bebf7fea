"""A Voice: the parent's side of one voice child, which it starts, restarts when it dies, and never leaves behind.

- `run` owns the process: started() means it is loaded and can speak; leaving `run`, for any reason, kills it.
- One request at a time (the Brain's limiter sees to it). A reader that goes away half-way leaves frames in the pipe:
  the next request throws them away first.
- A child that dies during a request is an error of that request (VoiceDied), and the next one waits for its successor.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import attrs
import trio

import callactors
from callactors.errors import Ours
from callactors.meters.log import log

_LENGTH = struct.Struct("<I")
_BACKOFF = 0.2  # seconds before a child that died is started again
_AGAIN = 2.0  # seconds before a child that could not even be started is tried again
_PATIENCE = 10.0  # seconds a request waits for a child that is being restarted
_LOADING = 60.0  # seconds a child may take to say it is ready


class VoiceDied(Ours):
    """The voice child ended while it was speaking, or could not be started."""


def _environment() -> dict[str, str]:
    """Ours, with one thread for numpy, and with this very package found first."""
    home = str(Path(callactors.__file__).parents[1])
    path = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@attrs.define(eq=False)
class Voice:
    """One child that speaks with the voice in `onnx`."""

    onnx: Path
    config: Path
    starts: int = attrs.field(default=0, init=False)  # how often a child was started
    _process: trio.Process | None = attrs.field(default=None, init=False)
    _ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    _asked: trio.Process | None = attrs.field(default=None, init=False)  # the child that has our request
    _held: bytearray = attrs.field(factory=bytearray, init=False)
    _unread: int = attrs.field(default=0, init=False)  # requests whose end frame has not been read

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process else None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a child alive. Raises VoiceDied when the first one never becomes ready."""
        await self._live_once(task_status)
        while True:
            await trio.sleep(_BACKOFF)
            try:
                await self._live_once(trio.TASK_STATUS_IGNORED)
            except OSError as error:  # no descriptors or memory left just now: calls go on, and so do we
                log().error("voice.not_restarted", error=str(error))
                await trio.sleep(_AGAIN)

    async def _live_once(self, task_status: trio.TaskStatus[None]) -> None:
        command = [sys.executable, "-P", "-m", "callactors.speech.tts.worker", str(self.onnx), str(self.config)]
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), start_new_session=True
        )  # in a session of its own a terminal's Ctrl-C is ours alone
        try:
            self._begin(process)
            await self._await_ready(task_status)
            await process.wait()
        finally:
            self._lost()
            await _end(process)

    def _lost(self) -> None:
        """The child is gone: whoever wants to speak waits for its successor."""
        self._process = None
        if self._ready.is_set():
            self._ready = trio.Event()

    def _begin(self, process: trio.Process) -> None:
        self.starts += 1
        self._process = process
        self._held.clear()
        self._unread = 1  # the ready frame

    async def _await_ready(self, task_status: trio.TaskStatus[None]) -> None:
        first = task_status is not trio.TASK_STATUS_IGNORED
        try:
            with trio.fail_after(_LOADING):
                await self._drain()
        except (VoiceDied, trio.TooSlowError):
            if first:
                raise VoiceDied("the voice child could not be started; its own words are on stderr") from None
            return
        self._ready.set()
        task_status.started()

    async def begin(self, text: str, rate: int) -> None:
        """Ask for `text` at `rate` (8000 or 24000). Then read `sentence` until None. Raises VoiceDied."""
        with trio.move_on_after(_PATIENCE):
            await self._ready.wait()
        process = self._asked = self._process
        if process is None or process.stdin is None or not self._ready.is_set():
            raise VoiceDied("there is no voice child, and none could be started in time")
        await self._drain()
        payload = json.dumps({"text": text, "rate": rate}).encode()
        with trio.move_on_after(_PATIENCE, shield=True):  # a request half written would poison the pipe
            try:
                await process.stdin.send_all(_LENGTH.pack(len(payload)) + payload)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise VoiceDied("the voice child is gone") from None
        self._unread += 1

    async def sentence(self) -> bytes | None:
        """PCM16 of the next sentence, None after the last one. Raises VoiceDied."""
        if self._asked is not self._process:
            raise VoiceDied("the voice child ended while it was speaking")
        return await self._frame() or None

    async def _drain(self) -> None:
        while self._unread:
            await self._frame()

    async def _frame(self) -> bytes:
        """The next frame. Cancelling it loses nothing: what has arrived is kept."""
        size = _LENGTH.size
        await self._fill(size)
        length: int = _LENGTH.unpack_from(self._held)[0]
        await self._fill(size + length)
        payload = bytes(self._held[size : size + length])
        del self._held[: size + length]
        if not payload:
            self._unread -= 1
        return payload

    async def _fill(self, count: int) -> None:
        while len(self._held) < count:
            if self._process is None or self._process.stdout is None:
                raise VoiceDied("the voice child is gone")
            try:
                data = await self._process.stdout.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self._lost()
                raise VoiceDied("the voice child ended while it was speaking")
            self._held += data


async def _end(process: trio.Process) -> None:
    """No child outlives us: killed at once, waited for at most a second, whatever is being cancelled."""
    if process.returncode is None:
        process.kill()
    with trio.move_on_after(1.0, shield=True):
        await process.wait()
    with trio.move_on_after(1.0, shield=True):
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                await pipe.aclose()
