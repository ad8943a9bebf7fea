"""Messages between two processes of ours, over a stream socket they share: each a length and msgpack. Rules:

- `send` never waits and never raises: while the other side does not read, what does not fit waits in order; past
  `bound` bytes the lane is lost, as it is when the other process ends.
- Both ends are forks of one program: the types are the same by construction, and nobody else holds an end.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

import msgspec
import trio

In = TypeVar("In")

BOUND = 64 << 20  # bytes that may wait
CHUNK = 1 << 18
_LENGTH = struct.Struct(">I")


class Lane(Generic[In]):
    """One end. `kinds` is what comes in: a union of tagged structs."""

    def __init__(self, end: socket.socket, kinds: Any, *, bound: int = BOUND) -> None:
        end.setblocking(False)
        self._socket, self._bound = end, bound
        self._decoder: msgspec.msgpack.Decoder[In] = msgspec.msgpack.Decoder(kinds)
        self._encode = msgspec.msgpack.Encoder().encode
        self._waiting = bytearray()
        self._more = trio.Event()
        self.lost = self.overflowed = False

    def send(self, message: msgspec.Struct) -> None:
        """On its way, or lost with the lane."""
        if self.lost:
            return
        body = self._encode(message)
        self._waiting += _LENGTH.pack(len(body)) + body
        self._write()
        if len(self._waiting) > self._bound:
            self.overflowed = True
            self.close()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what had to wait, until the lane is lost."""
        task_status.started()
        while not self.lost:
            if self._waiting:
                try:
                    await trio.lowlevel.wait_writable(self._socket)
                except trio.ClosedResourceError:
                    return
                self._write()
            else:
                self._more = trio.Event()
                await self._more.wait()

    async def receive(self) -> AsyncIterator[In]:
        """What the other side sends, until it ends or closes the lane."""
        held = bytearray()
        while data := await self._read():
            held += data
            start = 0
            while len(held) - start >= 4:
                (length,) = _LENGTH.unpack_from(held, start)
                if len(held) - start - 4 < length:
                    break
                with memoryview(held) as view:
                    message = self._decoder.decode(view[start + 4 : start + 4 + length])
                start += 4 + length
                yield message
            del held[:start]
        self.close()

    def close(self) -> None:
        """Give it up; idempotent."""
        self.lost = True
        self._more.set()
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def _read(self) -> bytes:
        """Some bytes; none when the lane is over."""
        while not self.lost:
            try:
                return self._socket.recv(CHUNK)
            except BlockingIOError:
                pass
            except OSError:
                return b""
            try:
                await trio.lowlevel.wait_readable(self._socket)
            except trio.ClosedResourceError:
                return b""
        return b""

    def _write(self) -> None:
        try:
            while self._waiting:
                sent = self._socket.send(self._waiting)
                del self._waiting[:sent]
        except BlockingIOError:
            self._more.set()
        except OSError:
            self.close()
