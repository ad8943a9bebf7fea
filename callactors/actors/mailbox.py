"""Mailbox: a bounded queue of messages between actors, with its policy in the open.

- `send` waits: signalling is never lost. `offer` never waits: a full mailbox loses its oldest message, and counts it
  (late audio is worse than lost audio). `put` neither waits nor loses: it says whether there was room.
- Nobody owns an end, so `async for` would not end when the peer is gone: `close()` is explicit.
- A reader that never waits may have its messages poured into it: whoever offers one runs its `take` there and then, and
  no task is woken. What `take` raises is the reader's own error.
- One reader. Fifty messages a second and call pass through here: hence no channel, only a queue and whoever waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import trio
from outcome import Error, Value
from trio.lowlevel import Abort, RaiseCancelT, Task

M = TypeVar("M")


class MailboxStatistics(NamedTuple):
    """What a mailbox has seen: messages waiting now, its bound, and how many `offer` has dropped."""

    waiting: int
    capacity: float
    dropped: int


class Mailbox(Generic[M]):
    """A bounded queue of messages with one reader. `Mailbox(16)` holds sixteen."""

    __slots__ = ("_closed", "_held", "_reader", "_room", "_take", "capacity", "dropped")

    def __init__(self, capacity: float = 64) -> None:
        self.capacity, self.dropped = capacity, 0
        self._held: deque[M] = deque()
        self._closed = False
        self._reader: Task | None = None  # who waits for a message
        self._room: trio.lowlevel.ParkingLot | None = None  # who waits for room
        self._take: Callable[[M], bool] | None = None  # who never waits

    async def send(self, message: M) -> None:
        """Wait for room. Raises trio.ClosedResourceError after `close()`.

        Where there is room nothing comes between the call and the message's place in the queue.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.put(message):
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._room = self._room or trio.lowlevel.ParkingLot()
        await self._room.park()
        while not self.put(message):
            await self._room.park()

    def put(self, message: M) -> bool:
        """Never wait: False when it is full. Raises trio.ClosedResourceError after `close()`."""
        if self._closed:
            raise trio.ClosedResourceError
        if self.full:
            return False
        self._hand_over(message)
        return True

    def offer(self, message: M) -> None:
        """Never wait: on a full mailbox the oldest message is dropped and counted; on a closed one, this one is."""
        if self._take is not None:
            self._pour_out(self._take, message)
            return
        if self._closed:
            self.dropped += 1
            return
        if self.full:
            self._held.popleft()
            self.dropped += 1
        self._hand_over(message)

    def _hand_over(self, message: M) -> None:
        """To the reader, if it waits or never does; else in the queue."""
        if self._take is not None:
            self._pour_out(self._take, message)
            return
        reader = self._reader
        if reader is None:
            self._held.append(message)
        else:
            self._reader = None
            trio.lowlevel.reschedule(reader, Value(message))
            if self._room is not None:
                self._room.unpark()

    async def receive(self) -> M:
        """The next message. Raises trio.EndOfChannel once closed and empty."""
        if self._held:
            await trio.lowlevel.checkpoint()
            return self._taken()
        if self._closed:
            raise trio.EndOfChannel
        message: M = await self._waited()
        return message

    async def pour(self, take: Callable[[M], bool]) -> None:
        """Have every message go straight to `take`, in the task of whoever sends it; those queued go first.

        Returns when `take` has said False: that message it has not taken, and it keeps its place. Raises what `take`
        raises, and trio.EndOfChannel once closed.
        """
        while self._held:
            if not take(self._held[0]):
                await trio.lowlevel.checkpoint()
                return
            self._taken()
        if self._closed:
            raise trio.EndOfChannel
        self._take = take
        try:
            await self._waited()
        finally:
            self._take = None

    def _pour_out(self, take: Callable[[M], bool], message: M) -> None:
        try:
            if take(message):
                return
        except BaseException as error:  # the reader's own, whatever it is: it must not end the clock that brought this
            self._wake(Error(error))  # kept by no variable of this frame, which its traceback holds
            return
        self._held.append(message)
        self._wake(Value(None))

    def _wake(self, how: Value[None] | Error) -> None:
        """Nothing more is poured: the reader goes on."""
        reader, self._take, self._reader = self._reader, None, None
        if reader is not None:
            trio.lowlevel.reschedule(reader, how)

    @property
    def full(self) -> bool:
        """Whether `put` would say False."""
        return self._reader is None and len(self._held) >= self.capacity

    def receive_nowait(self) -> M:
        """The next message, or trio.WouldBlock."""
        if self._held:
            return self._taken()
        raise trio.EndOfChannel if self._closed else trio.WouldBlock

    def close(self) -> None:
        """No more messages: the reader gets what is queued, then its loop ends. Idempotent."""
        self._closed = True
        reader, self._reader, self._take = self._reader, None, None
        if reader is not None:
            trio.lowlevel.reschedule(reader, Error(trio.EndOfChannel()))
        if self._room is not None:
            self._room.unpark_all()

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(len(self._held), self.capacity, self.dropped)

    def __aiter__(self) -> Mailbox[M]:
        return self

    async def __anext__(self) -> M:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def _taken(self) -> M:
        message = self._held.popleft()
        if self._room is not None:
            self._room.unpark()
        return message

    async def _waited(self) -> Any:
        if self._reader is not None:
            raise trio.BusyResourceError("a mailbox has one reader")
        self._reader = trio.lowlevel.current_task()
        return await trio.lowlevel.wait_task_rescheduled(self._give_up)

    def _give_up(self, _: RaiseCancelT) -> Abort:
        self._reader = None
        return Abort.SUCCEEDED
