"""Mailbox: a bounded Trio memory channel that holds both ends, with its policy in the open.

- `send` waits: signalling is never lost. `offer` never waits: a full mailbox loses its oldest message, and counts it
  (late audio is worse than lost audio).
- Both ends are held here, so `async for` would not end when the peer is gone: `close()` is explicit.
- One reader.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import attrs
import trio

M = TypeVar("M")


@attrs.define
class MailboxStatistics:
    """What a mailbox has seen: messages waiting now, its bound, and how many `offer` has dropped."""

    waiting: int
    capacity: float
    dropped: int


@attrs.define(eq=False)
class Mailbox(Generic[M]):
    """A bounded queue of messages with one reader. `Mailbox(16)` holds sixteen."""

    capacity: int | float = 64
    dropped: int = attrs.field(default=0, init=False)
    _sender: trio.MemorySendChannel[M] = attrs.field(init=False, repr=False)
    _receiver: trio.MemoryReceiveChannel[M] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        bound = self.capacity if self.capacity == math.inf else int(self.capacity)
        self._sender, self._receiver = trio.open_memory_channel[M](bound)

    async def send(self, message: M) -> None:
        """Wait for room. Raises trio.ClosedResourceError after `close()`."""
        await self._sender.send(message)

    def offer(self, message: M) -> None:
        """Never wait: on a full mailbox the oldest message is dropped and counted; on a closed one, this one is."""
        try:
            self._sender.send_nowait(message)
        except trio.WouldBlock:
            self._receiver.receive_nowait()
            self.dropped += 1
            self._sender.send_nowait(message)
        except trio.ClosedResourceError:
            self.dropped += 1

    async def receive(self) -> M:
        """The next message. Raises trio.EndOfChannel once closed and empty."""
        return await self._receiver.receive()

    def receive_nowait(self) -> M:
        """The next message, or trio.WouldBlock."""
        return self._receiver.receive_nowait()

    def close(self) -> None:
        """No more messages: the reader gets what is queued, then its loop ends. Idempotent."""
        self._sender.close()

    def statistics(self) -> MailboxStatistics:
        held = self._receiver.statistics()
        return MailboxStatistics(held.current_buffer_used, held.max_buffer_size, self.dropped)

    def __aiter__(self) -> Mailbox[M]:
        return self

    async def __anext__(self) -> M:
        try:
            return await self._receiver.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
