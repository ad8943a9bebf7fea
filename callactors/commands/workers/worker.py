"""A worker: a process that takes calls, with ledger, public sockets and limits lent by its parent.

- It ends when its parent says so, or is gone: its calls get their BYE, whatever else happens.
- It never answers a signal of its own: Ctrl-C reaches every process of a terminal, and the parent speaks for all.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import assert_never

import attrs
import trio

from callactors.calls.contain import leaves
from callactors.calls.seats import Seats, SharedLimits
from callactors.commands import garbage
from callactors.commands.serving import Lent, Serving, serving
from callactors.commands.workers.house import House
from callactors.commands.workers.words import (
    Began,
    Drain,
    Handed,
    HopLost,
    Outgoing,
    Page,
    PageAsked,
    Ready,
    Standing,
    ToWorker,
    TrunkProbed,
    Unable,
)
from callactors.errors import CallactorsError, LedgerBroken
from callactors.meters.log import configure, log
from callactors.net.handed import HandedWire
from callactors.net.lane import Lane
from callactors.sip.address import Hop
from callactors.stores.ledger_remote import LedgerState, RemoteLedger, Replied, RowSettled

LAST_ROWS = 3.0  # seconds for the last rows to be on the parent's disk
BEAT = 1.0  # seconds between two words that we live
LOOK = 0.1  # seconds between two looks at our counts, and whether we have become full


def work(house: House, worker: int, end: socket.socket) -> int:
    """The whole life of one worker; its exit code."""
    configure(worker=worker)
    post = Post.of(house, worker, end)
    problems: list[BaseException] = []
    try:
        trio.run(post.run)
    except* (CallactorsError, OSError) as group:
        problems = leaves(group)
    for problem in problems:
        log().error("worker.failed", error=str(problem))
    return 1 if problems else 0


@attrs.define(eq=False)
class Post:
    """One worker's conversation with its parent, and what it speaks for."""

    house: House
    worker: int
    lane: Lane[ToWorker]
    ledger: RemoteLedger
    wire: HandedWire
    seats: Seats
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)
    _start: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _calls: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _up: Serving | None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, house: House, worker: int, end: socket.socket) -> Post:
        config, lane = house.config_of(worker), Lane[ToWorker](end, ToWorker)

        def pass_on(data: bytes, destination: Hop) -> None:
            lane.send(Outgoing(data, destination))

        ledger = RemoteLedger(Path(config.ledger.path), config.node, lane.send)
        wire = HandedWire(house.own[worker], house.wires.public, house.wires.connected, pass_on)
        return cls(house, worker, lane, ledger, wire, Seats(house.slate, worker))

    async def run(self) -> None:
        """Take calls until the parent says otherwise."""
        self.lane.send(Began(self.ledger.boot, os.getpid()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.lane.run)
            nursery.start_soon(self._listen)
            nursery.start_soon(self.ledger.run)
            try:
                await self._serve()
            except* (CallactorsError, OSError) as group:
                self.lane.send(Unable("; ".join(dict.fromkeys(str(problem) for problem in leaves(group)))))
            await self._close_ledger()
            nursery.cancel_scope.cancel()

    async def _serve(self) -> None:
        config = self.house.config_of(self.worker)
        lent = Lent(self.ledger, self.wire, self.seats, self.house.key, f"sip.{self.worker}.log")
        with self._start:
            async with serving(config, agents=self.house.agents, lent=lent) as up:
                self._up = up
                self._watch(up)
                garbage.settle()
                with self._calls:  # cut short, the process still ends as it should: inside out
                    async with trio.open_nursery() as beside:
                        beside.start_soon(self._stand, up)
                        self.lane.send(Ready())
                        await self._asked.wait()
                        await up.switchboard.drain(config.timers.drain)
                        beside.cancel_scope.cancel()

    def _watch(self, up: Serving) -> None:
        board, limits = up.switchboard, up.switchboard.dialer.limits
        assert isinstance(limits, SharedLimits)

        def spent() -> tuple[int, float]:
            now = self.ledger.wall(trio.current_time())
            return now, board.purse.spent(now)

        self.seats.watch(lambda: len(board.calls), lambda trunk: up.endpoint.calls(trunk) + limits.coming(trunk), spent)

    async def _stand(self, up: Serving) -> None:
        """Tell the parent that we live and whether we take calls, the others what changes without a decision."""
        said, at = None, -BEAT
        while True:
            self.seats.publish()
            full, now = up.switchboard.full(), trio.current_time()
            if full != said or now - at >= BEAT:
                self.lane.send(Standing(full))
                said, at = full, now
            await trio.sleep(LOOK)

    async def _close_ledger(self) -> None:
        with trio.move_on_after(LAST_ROWS):
            try:
                await self.ledger.flush()
            except LedgerBroken as error:
                log().error("ledger.broken", error=str(error))

    # -- what the parent says ------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for word in self.lane.receive():
            self._take(word)
        self.ledger.lose()
        self._end()

    def _take(self, word: ToWorker) -> None:
        match word:
            case Handed():
                self.wire.hand(word.data, word.source, word.names)
            case HopLost():
                self.wire.lose(word.hop, word.broken)
            case RowSettled() | Replied() | LedgerState():
                self.ledger.take(word)
            case TrunkProbed():
                self._note(word)
            case PageAsked():
                self.lane.send(Page(word.number, self._up.meters.page() if self._up is not None else b""))
            case Drain():
                self._asked.set()
                if word.now or self._up is None:
                    self._end()
            case _:
                assert_never(word)

    def _end(self) -> None:
        """Every call ends now; before there can be any, so does the start."""
        (self._calls if self._up is not None else self._start).cancel()

    def _note(self, probed: TrunkProbed) -> None:
        if self._up is not None:
            breakers = self._up.switchboard.dialer.breakers
            breakers.report(probed.trunk, probed.hop, probed.failed, trio.current_time())
