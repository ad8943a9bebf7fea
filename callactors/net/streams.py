"""One SIP connection over TCP or TLS: whole messages in, bytes out, and patience with neither. Rules of this file:

- `send` never waits. A queue that is full means a peer who does not read: the connection ends.
- A message that has begun must end in time, however its bytes are spread; a connection that says nothing ends too.
- How it ended is told to whoever ran it: CLOSED by the peer, BROKEN, or DONE with by us.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable
from math import inf

import attrs
import trio
from trio.abc import Stream

from callactors.sip.address import Hop
from callactors.sip.framing import PING, PONG, Framed, Framer

CHUNK = 16_384  # bytes read at once
MAX_QUEUED = 512  # pieces waiting to be sent
MAX_QUEUED_BYTES = 1 << 20

Deliver = Callable[[list[tuple[bytes, Hop]]], Awaitable[None]]


class Ended(enum.Enum):
    """How a connection ended."""

    CLOSED = enum.auto()  # the peer closed it, in good order
    BROKEN = enum.auto()  # it was cut, refused, or the peer stopped reading
    DONE = enum.auto()  # we closed it: idle, slow, or no SIP


@attrs.frozen
class Patience:
    """Seconds."""

    connect: float = 3.0
    handshake: float = 5.0
    first: float = 10.0  # until a stranger's first message is whole
    message: float = 10.0  # from a message's first byte to its last
    idle: float = 600.0
    write: float = 10.0
    last_words: float = 0.5  # for the answer to what cannot be framed
    keepalive: float = 90.0  # of silence, then a ping on connections we opened (RFC 5626 section 4.4.1)


class Connection:
    """`peer` is its remote address with the flow's number; `names` what the peer's verified certificate bears."""

    def __init__(self, peer: Hop, patience: Patience, *, ours: bool, wanted: tuple[str, ...] = ()) -> None:
        self.peer, self.ours, self.wanted = peer, ours, wanted
        self.names: tuple[str, ...] = ()
        self.trusted = ours  # a stranger until its address is one we list
        self._patience, self._framer = patience, Framer()
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._wake = trio.Event()
        self._scope = trio.CancelScope()
        self._ended = Ended.DONE
        self._messages = 0
        self._active = -inf

    def send(self, data: bytes) -> None:
        """Queue it; a peer with too much unread loses the connection, and what comes after that is nobody's."""
        if self._scope.cancel_called:
            return
        self._queue.append(data)
        self._queued += len(data)
        if len(self._queue) > MAX_QUEUED or self._queued > MAX_QUEUED_BYTES:
            self._stop(Ended.BROKEN)
        self._wake.set()

    async def run(self, stream: Stream, deliver: Deliver) -> Ended:
        """Serve it to its end."""
        self._active = trio.current_time()
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, stream)
                await self._read(stream, deliver)
        return self._ended

    def _stop(self, ended: Ended) -> None:
        if not self._scope.cancel_called:
            self._ended = ended
            self._scope.cancel()

    # -- in ------------------------------------------------------------------------------------------------------

    async def _read(self, stream: Stream, deliver: Deliver) -> None:
        try:
            self._stop(await self._read_on(stream, deliver))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._stop(Ended.BROKEN)

    async def _read_on(self, stream: Stream, deliver: Deliver) -> Ended:
        """Read until the stream is over or patience with it."""
        over = False
        while not over:
            data = b""
            with trio.move_on_at(self._deadline()) as waiting:
                data = bytes(await stream.receive_some(CHUNK))
            if waiting.cancelled_caught:
                return Ended.DONE
            if not data:
                return Ended.CLOSED
            over = await self._take(self._framer.receive(data, trio.current_time()), deliver)
        with trio.move_on_after(self._patience.last_words):
            while await stream.receive_some(CHUNK):
                pass  # unread bytes would make our close a reset, and the answer with it
        return Ended.DONE

    async def _take(self, framed: Framed, deliver: Deliver) -> bool:
        """Pass messages on, answer pings; whether the stream is over."""
        if framed.pings:
            self.send(PONG * framed.pings)
        if framed.messages:
            self._messages += len(framed.messages)
            self._active = trio.current_time()
            await deliver([(message, self.peer) for message in framed.messages])
        return framed.over

    def _deadline(self) -> float:
        """When to stop waiting for bytes."""
        started = self._framer.since
        slow = inf if started is None else started + self._patience.message
        quiet = self._patience.idle if self._messages or self.trusted else self._patience.first
        return min(slow, self._active + quiet)

    # -- out -----------------------------------------------------------------------------------------------------

    async def _write(self, stream: Stream) -> None:
        try:
            while True:
                with trio.move_on_after(self._patience.keepalive if self.ours else inf):
                    await self._wake.wait()
                await self._write_queued(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            self._stop(Ended.BROKEN)

    async def _write_queued(self, stream: Stream) -> None:
        """Everything queued, or a ping when that is nothing."""
        data = b"".join(self._queue) or PING
        if self._queue:
            self._active = trio.current_time()
        self._queue.clear()
        self._queued, self._wake = 0, trio.Event()
        with trio.fail_after(self._patience.write):
            await stream.send_all(data)
