"""A TCP or TLS connection that is written to without a task switch. Rules of this file:

- `write` takes all of it at once: what the kernel does not, waits here in order, so two writers never mix their frames.
  It says whether anything waits; who cares for back-pressure then awaits `wait_written`.
- TLS is an SSLObject between two memory buffers: a stream wrapper costs a task switch and a lock an operation.
- One reader: a task that waits, or that has the media clock's LaneClock read for it (`pour`).
- Our socket is ours from `take_over` to `close`: nobody else closes it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

import trio
from outcome import Outcome, Value, capture

from callactors.net.lane_clock import LaneClock

CHUNK = 64 * 1024  # bytes read at once; 4 KiB costs four times the CPU on a second of audio
PIECE = 32 * 1024  # the same, while all other lanes and streams wait


class _Tls:
    """One side's state. `incoming` and `outgoing` hold records."""

    __slots__ = ("incoming", "object", "outgoing")

    def __init__(self, object: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self.object, self.incoming, self.outgoing = object, incoming, outgoing


class _Pouring:
    """A task that waits while what comes goes to its `take`."""

    __slots__ = ("handle", "lane", "reader", "take", "task")

    def __init__(self, lane: ByteLane, take: Callable[[bytes], bool], reader: LaneClock, handle: int) -> None:
        self.lane, self.take, self.reader, self.handle = lane, take, reader, handle
        self.task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def read(self) -> None:
        taken = capture(self._read)
        if not isinstance(taken, Value) or not taken.value:
            self.end(taken)

    def _read(self) -> bool:
        try:
            data = self.lane.read_now(PIECE)
        except trio.BrokenResourceError:
            data = b""
        return data is None or self.take(data)

    def left_alone(self) -> None:
        self.end(Value(False))

    def end(self, how: Outcome[bool]) -> None:
        """The task goes on; once."""
        task = self.forget()
        if task is not None:
            trio.lowlevel.reschedule(task, how)

    def forget(self) -> trio.lowlevel.Task | None:
        task, self.task = self.task, None
        self.reader.forget(self.handle)
        return task

    def give_up(self, _: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self.forget()
        return trio.lowlevel.Abort.SUCCEEDED


class ByteLane:
    """Raises as Trio's streams do: BrokenResourceError when the far end is gone, ClosedResourceError after `close`."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._tls: _Tls | None = None
        self._unsent = bytearray()
        self._posted = b""  # what the clock has us write soon
        self._broken = False  # when it was to be written
        self._writing = trio.Lock()
        self._closed = False
        self._pouring: _Pouring | None = None
        self._early: bytes | None = None  # what came in one piece with the end of the handshake

    @classmethod
    def take_over(cls, stream: trio.SocketStream) -> ByteLane:
        """The stream's socket, with its options; the stream itself is of no further use."""
        ours = socket.socket(fileno=stream.socket.detach())
        ours.setblocking(False)
        return cls(ours)

    async def secure(self, context: ssl.SSLContext, *, server_hostname: str | None, server_side: bool = False) -> None:
        """The TLS handshake. Raises BrokenResourceError, with the reason as its cause."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=server_side, server_hostname=server_hostname)
        self._tls = _Tls(tls, incoming, outgoing)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._shake(incoming)
            except ssl.SSLError as error:
                with contextlib.suppress(trio.BrokenResourceError):
                    self._send(outgoing.read())  # the alert
                raise trio.BrokenResourceError from error
            else:
                break
        self._send(outgoing.read())
        await self.wait_written()
        self._early = self._decrypted(self._tls, b"")

    async def _shake(self, incoming: ssl.MemoryBIO) -> None:
        assert self._tls is not None  # only `secure` calls this
        self._send(self._tls.outgoing.read())
        await self.wait_written()
        data = await self._receive()
        if data:
            incoming.write(data)
        else:
            incoming.write_eof()

    # -- out ------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> bool:
        """Send as much as the kernel takes and keep the rest; False when something waits."""
        if self._posted:
            self._write_posted()
        tls = self._tls
        if tls is not None:
            try:
                tls.object.write(data)
            except ssl.SSLError as error:
                raise trio.BrokenResourceError from error
            data = tls.outgoing.read()
        return self._send(data)

    def post(self, data: bytes, clock: LaneClock) -> None:
        """Write it with what other lanes have to write in this tick of the clock, where it gathers that.

        Whether it could be written is only known later: a lane that is broken says so to the next one.
        """
        if self._broken:
            raise trio.BrokenResourceError
        if not clock.gathers:
            self.write(data)
            return
        if not self._posted:
            clock.at_finish(self._write_posted)
        self._posted += data

    def _write_posted(self) -> None:
        data, self._posted = self._posted, b""
        try:
            if data:
                self.write(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._broken = True

    def _send(self, data: bytes) -> bool:
        if self._closed:
            raise trio.ClosedResourceError
        if self._unsent:
            self._unsent += data
            return False
        try:
            sent = self._socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise trio.BrokenResourceError from error
        if sent < len(data):
            self._unsent += memoryview(data)[sent:]
        return not self._unsent

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken."""
        return len(self._unsent)

    async def wait_written(self) -> None:
        """Until nothing waits."""
        async with self._writing:
            while self._unsent:
                await trio.lowlevel.wait_writable(self._socket)
                try:
                    sent = self._socket.send(self._unsent)
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise trio.BrokenResourceError from error
                del self._unsent[:sent]

    # -- in -------------------------------------------------------------------------------------------------------

    async def read(self) -> bytes:
        """What has come; b"" when the far end has ended."""
        if self._early is not None:
            early, self._early = self._early, None
            await trio.lowlevel.checkpoint()
            return early
        while True:
            data = await self._receive()
            if self._tls is None or not data:
                return data
            if (plain := self._decrypted(self._tls, data)) is not None:
                return plain

    async def _receive(self) -> bytes:
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._socket)
            data = self._received()
            if data is not None:
                return data

    async def pour(self, take: Callable[[bytes], bool], reader: LaneClock) -> bool:
        """Have what comes go straight to `take`, in the reader's step; b"" when the far end has ended or is gone.

        Returns when `take` has said False, the reader has stopped, or the lane was closed; False at once where the
        reader can watch no more. Raises what `take` raises. What `read` has not given yet is not poured.
        """
        pouring = _Pouring(self, take, reader, self._socket.fileno())
        if not reader.watch(pouring.handle, pouring):
            return False
        self._pouring = pouring
        try:
            await trio.lowlevel.wait_task_rescheduled(pouring.give_up)
        finally:
            self._pouring = None
        return True

    def read_now(self, size: int = CHUNK) -> bytes | None:
        """What has come, without waiting; None for nothing."""
        data = self._received(size)
        return data if self._tls is None or not data else self._decrypted(self._tls, data)

    def _received(self, size: int = CHUNK) -> bytes | None:
        try:
            return self._socket.recv(size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError from error

    def _decrypted(self, tls: _Tls, data: bytes) -> bytes | None:
        """None when no record was whole."""
        tls.incoming.write(data)
        pieces: list[bytes] = []
        try:
            while tls.incoming.pending or tls.object.pending():
                piece = tls.object.read(CHUNK)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still on its way
        except ssl.SSLZeroReturnError:
            return b"".join(pieces)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error
        if tls.outgoing.pending:
            self._send(tls.outgoing.read())
        return b"".join(pieces) if pieces else None

    def close(self) -> None:
        """Close it now; who waits on it gets ClosedResourceError. Idempotent."""
        if self._closed:
            return
        with contextlib.suppress(trio.BrokenResourceError, ssl.SSLError, OSError):
            self._say_goodbye()
        self._closed = True
        if self._pouring is not None:
            self._pouring.left_alone()
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()

    def _say_goodbye(self) -> None:
        if self._tls is not None and not self._unsent:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.object.unwrap()
            self._send(self._tls.outgoing.read())
