"""Every SIP message, without its secrets, in a rotating text file beside the ledger.

- `tap` only appends to a bounded queue: redaction, formatting and writing happen in a thread, off the hot path.
- A queue that is full or a disk that fails costs messages of the capture, counted, and never a call.
- Control characters are escaped: who reads the file in a terminal reads text, whatever a stranger sent.
- Rotation by size: the file itself, then `.1` (newest) to `.N` beside it. Readable by the owner alone.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import attrs
import trio

from callactors.capture.redaction import redact
from callactors.net.offload import in_thread

Direction = Literal["in", "out"]
MESSAGE = 70_000  # bytes of one message that are kept
_UNSHOWN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|\xc2[\x80-\x9f]")  # all but tabs and line ends


@attrs.frozen
class CaptureStatistics:
    """Messages waiting and written; lost to a full queue; lost to a failing disk, and what it said last."""

    waiting: int
    written: int
    dropped: int
    failed: int
    problem: str | None


@attrs.define(eq=False)
class CaptureFile:
    """`wall` turns a trio time into UTC epoch milliseconds (the ledger's), so capture and record agree."""

    path: Path
    wall: Callable[[float], int]
    max_bytes: int = 16_000_000
    keep: int = 4
    bound: int = 4_000  # messages waiting
    bound_bytes: int = 16_000_000
    _waiting: deque[tuple[float, Direction, bytes, str]] = attrs.field(factory=deque, init=False)
    _bytes: int = attrs.field(default=0, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _written: int = attrs.field(default=0, init=False)
    _dropped: int = attrs.field(default=0, init=False)
    _failed: int = attrs.field(default=0, init=False)
    _problem: str | None = attrs.field(default=None, init=False)

    def tap(self, direction: Direction, data: bytes, peer: object) -> None:
        """Keep one message that came from or went to `peer`. Never blocks, never raises."""
        if len(self._waiting) >= self.bound or self._bytes >= self.bound_bytes:
            self._dropped += 1
            return
        kept = bytes(data[:MESSAGE])
        self._bytes += len(kept)
        self._waiting.append((trio.current_time(), direction, kept, str(peer)))
        self._wake.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled, then write what is left."""
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                await self._write_waiting()
                await trio.sleep(0.1)  # a batch, not a write for each message
        finally:
            with trio.move_on_after(1, shield=True):
                await self._write_waiting()

    def statistics(self) -> CaptureStatistics:
        return CaptureStatistics(len(self._waiting), self._written, self._dropped, self._failed, self._problem)

    async def _write_waiting(self) -> None:
        batch = list(self._waiting)
        self._wake = trio.Event()
        if not batch:
            return
        try:
            await in_thread(self._write, batch)
        except OSError as error:
            self._failed += len(batch)
            self._problem = str(error)
        except trio.Cancelled:
            self._wake.set()
            raise
        else:
            self._written += len(batch)
            self._problem = None
        for _ in batch:
            self._bytes -= len(self._waiting.popleft()[2])

    def _write(self, batch: Sequence[tuple[float, Direction, bytes, str]]) -> None:
        """In the thread: redact, format, append, rotate first when the file would grow too long."""
        data = b"".join(self._entry(*message) for message in batch)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size + len(data) > self.max_bytes:
            self._rotate()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(data)

    def _entry(self, at: float, direction: Direction, data: bytes, peer: str) -> bytes:
        moment = datetime.fromtimestamp(self.wall(at) / 1000, UTC).isoformat(timespec="milliseconds")
        arrow = "from" if direction == "in" else "to"
        text = _UNSHOWN.sub(_escaped, redact(data))
        return f"-- {moment[:23]}Z {direction} {arrow} {peer}, {len(data)} bytes\n".encode() + text + b"\n\n"

    def _rotate(self) -> None:
        for n in range(self.keep - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{n}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{n + 1}"))
        if self.keep:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        else:
            self.path.unlink()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in found[0])
