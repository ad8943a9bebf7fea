"""One open WebSocket (RFC 6455): text messages over a lane, as seen from either end after the upgrade.

- No task of its own, no queue to a task: `receive` reads the socket, `send_nowait` writes it; a general library costs
  five times as much on audio. `pour` has it read by the media clock. Pings are answered while somebody receives.
- Closing waits DISCONNECT seconds at most for the peer's goodbye, cancelled or not; then the socket is closed.
- Frames are websocket_frames', TLS and the socket byte_lane's.
- No compression: base64 does not shrink.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

import trio

from callactors.errors import MalformedFrame, ModelFailed
from callactors.net import websocket_frames as frames
from callactors.net.byte_lane import ByteLane
from callactors.net.lane_clock import LaneClock

AT_ONCE = 8  # messages that came together and are given without a wait
DISCONNECT = 0.5  # seconds the peer has to answer our close
FATAL_CLOSES = frozenset({4000, 1008})  # beta shape disabled, policy: a new socket would fare no better

_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """One open WebSocket. One receiver at a time; any number of senders, each message whole.

    `early` is what came behind the upgrade, `limit` the bytes of a message, `clock` who reads the lane while it runs.
    """

    def __init__(
        self, lane: ByteLane, early: bytes, *, client: bool, limit: int, clock: LaneClock | None = None
    ) -> None:
        self._lane = lane
        self._client = client
        self._clock = clock
        self._frames = frames.FrameReader(masked=not client, limit=limit)
        self._messages: deque[bytes] = deque()
        self._over: tuple[int, str] | None = None  # why nothing more comes
        self._receiving = False
        self._unbroken = 0  # messages given since a receiver last waited
        self._goodbye_said = False
        self._ended = trio.Event()
        if early:
            self._take(early)

    # -- out ------------------------------------------------------------------------------------------------------

    async def send(self, text: str | bytes) -> None:
        """Send one text message. Raises ModelFailed once the connection is closed or broken."""
        await trio.lowlevel.checkpoint()
        self._write(text if isinstance(text, bytes) else text.encode())
        try:
            await self._lane.wait_written()
        except _BROKEN as broken:
            raise self._failure() from broken

    def send_nowait(self, text: bytes) -> bool:
        """The same without waiting. False when the far end is slow to take what it was sent: nothing is done then."""
        if self._lane.waiting:
            return False
        self._write(text, self._clock)
        return True

    def _write(self, text: bytes, clock: LaneClock | None = None) -> None:
        if self._over is not None or self._goodbye_said:
            raise self._failure()
        frame = frames.frame(frames.TEXT, text, masked=self._client)
        try:
            if clock is None:
                self._lane.write(frame)
            else:
                self._lane.post(frame, clock)
        except _BROKEN as broken:
            self._last_words()
            raise self._failure() from broken

    # -- in -------------------------------------------------------------------------------------------------------

    async def receive(self) -> str:
        """The next message. Raises ModelFailed with code ws_1000, ws_1001, ws_1006, ws_4000 ... when there is none."""
        return (await self.receive_bytes()).decode(errors="replace")

    async def receive_bytes(self) -> bytes:
        """The same as it came: UTF-8."""
        self._unbroken += 1
        if self._messages and self._unbroken > AT_ONCE:
            self._unbroken = 0
            await trio.lowlevel.checkpoint()
        while not self._messages:
            if self._over is not None:
                raise self._failure()
            self._unbroken = 0
            await self._read()
        return self._messages.popleft()

    async def pour(self, take: Callable[[bytes], bool]) -> None:
        """Have every message go straight to `take`, where there is a clock in the step that reads it.

        Returns when `take` has said False: that message it has not taken, and it keeps its place. Raises ModelFailed as
        `receive` does, and what `take` raises, whose message is gone then.
        """
        while True:
            if not self._give_some(take):
                await trio.lowlevel.checkpoint()
                return
            if self._messages:
                await trio.lowlevel.checkpoint()
            elif self._over is not None:
                raise self._failure()
            elif self._clock is None or not self._clock.running:
                await self._read()
            else:
                await self._have_read(take, self._clock)

    def _give_some(self, take: Callable[[bytes], bool]) -> bool:
        """AT_ONCE of what has come; False when one was not taken."""
        for _ in range(min(AT_ONCE, len(self._messages))):
            message = self._messages.popleft()
            if not take(message):
                self._messages.appendleft(message)
                return False
        return True

    async def _have_read(self, take: Callable[[bytes], bool], clock: LaneClock) -> None:
        def came(data: bytes) -> bool:
            self._take(data)
            return self._give_some(take) and not self._messages and self._over is None

        self._receiving = True
        try:
            poured = await self._lane.pour(came, clock)
        finally:
            self._receiving = False
        if not poured:
            await self._read()

    async def _read(self) -> None:
        self._receiving = True
        try:
            data = await self._lane.read()
        except _BROKEN:
            data = b""
        finally:
            self._receiving = False
        self._take(data)

    def _take(self, data: bytes) -> None:
        if not data:
            self._end(1006, "the connection was lost")
            return
        try:
            for opcode, payload in self._frames.feed(data):
                self._framed(opcode, payload)
        except MalformedFrame as bad:
            self._say_goodbye(bad.code, str(bad))
            self._end(bad.code, str(bad))

    def _framed(self, opcode: int, payload: bytes) -> None:
        if self._over is not None:
            return
        if opcode <= frames.BINARY:
            self._messages.append(payload)
        elif opcode == frames.CLOSE:
            code, reason = frames.closed(payload)
            self._say_goodbye(code)
            self._end(code, reason)
        elif opcode == frames.PING and not self._lane.waiting:  # who does not read need not be answered
            with suppress(*_BROKEN):
                self._lane.write(frames.frame(frames.PONG, payload, masked=self._client))

    def _last_words(self) -> None:
        """Sending failed: what the peer said before it went may still be there, and say why."""
        with suppress(*_BROKEN):
            while self._over is None and (data := self._lane.read_now()) is not None:
                self._take(data)

    # -- the end --------------------------------------------------------------------------------------------------

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and close, in DISCONNECT seconds at most, also while being cancelled. Idempotent."""
        with trio.move_on_after(DISCONNECT, shield=True), suppress(*_BROKEN):
            self._say_goodbye(code, reason)
            await self._lane.wait_written()
            while self._over is None:
                self._messages.clear()
                await (self._ended.wait() if self._receiving else self._read())
        await self.abort()

    async def abort(self) -> None:
        """Drop the connection without a word: the peer sees 1006."""
        self._lane.close()
        self._end(1006, "closed by us")
        await trio.lowlevel.cancel_shielded_checkpoint()

    def _say_goodbye(self, code: int, reason: str = "") -> None:
        if not self._goodbye_said:
            self._goodbye_said = True
            with suppress(*_BROKEN):
                self._lane.write(frames.frame(frames.CLOSE, frames.closing(code, reason), masked=self._client))

    def _end(self, code: int, reason: str) -> None:
        self._over = self._over or (code, reason)
        self._ended.set()

    def _failure(self) -> ModelFailed:
        code, reason = self._over or (1006, "")
        return ModelFailed(f"ws_{code}", reason or "the connection was lost", fatal=code in FATAL_CLOSES)
