"""The parent: starts workers, sees them end, has the calls of a dead one ended, and puts another in its place.

- It owns what there is once: the ledger's writer, the public sockets, registrations, probes, the web face.
- A worker's death is seen at once, by the end of its lane: each of its callers gets a BYE, each record its end, cause
  crash; and the zygote forks the next. One that does not speak for SILENT seconds is ended so that this can happen.
- A drain is every worker's own; the parent ends when the last has ended.
- Without its zygote a house goes on until it needs it: once a worker is lost, it drains and ends, to be started anew.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import assert_never

import attrs
import trio

from callactors.calls.money import DAY
from callactors.commands.serving import SETTLE, make_folder
from callactors.commands.workers.front import Front, Staff
from callactors.commands.workers.house import House
from callactors.commands.workers.metrics import Pages, own_readings
from callactors.commands.workers.words import (
    Began,
    Drain,
    FromWorker,
    Outgoing,
    Page,
    PageAsked,
    Ready,
    Standing,
    ToWorker,
    Unable,
)
from callactors.commands.workers.zygote import Zygote
from callactors.errors import LedgerBroken, Unusable
from callactors.meters.log import log
from callactors.meters.page import Meters
from callactors.net.lane import Lane
from callactors.net.offload import in_thread
from callactors.routing.cause import Cause
from callactors.sip.address import Address
from callactors.sip.dispatch import Load
from callactors.stores.ledger import Ledger, Origin, open_ledger
from callactors.stores.ledger_orphans import Orphan
from callactors.stores.ledger_remote import Asked, LedgerDesk, LedgerState, RowSent
from callactors.web.app import Health, make_app
from callactors.web.server import run_web

SILENT = 10.0  # seconds without a word from a worker that has been ready
QUIET = 2.5  # seconds without one, from which on new calls go to others
PAUSE, LONGEST = 0.5, 30.0  # seconds between two starts of a worker that dies before it is ready
LAST = 6.0  # seconds a worker has to end once its calls are cut
LOOK = 0.25


@attrs.define(eq=False)
class Hand:
    """One worker as the parent knows it."""

    number: int
    lane: Lane[FromWorker] | None = None
    desk: LedgerDesk | None = None  # where its rows are taken
    pid: int = 0
    ready: bool = False
    full: str = ""
    heard: float = 0.0  # when it last said something
    problem: str = ""  # why it could not start
    up: trio.Event = attrs.field(factory=trio.Event)  # it is ready, or will not be


@attrs.define(eq=False)
class Parent(Staff):
    """The whole of a house with workers."""

    house: House
    zygote: Zygote
    ledger: Ledger
    hands: list[Hand] = attrs.field(init=False)
    front: Front = attrs.field(init=False)
    meters: Meters = attrs.field(init=False)
    pages: Pages = attrs.field(init=False)
    draining: bool = attrs.field(default=False, init=False)
    started: int = attrs.field(default=0, init=False)  # workers forked
    crashed: int = attrs.field(default=0, init=False)
    _barren: bool = attrs.field(default=False, init=False)  # nobody can fork a worker any more
    _short: trio.Event = attrs.field(factory=trio.Event, init=False)  # and one was to be forked
    _services: trio.Nursery = attrs.field(init=False)
    _left: trio.Event = attrs.field(factory=trio.Event, init=False)
    _alive: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.hands = [Hand(number) for number in range(self.house.count)]
        self.front = Front(self.house, self.ledger, self)
        self.meters = Meters(trio.current_time)
        self.ledger.seen = self.meters.see
        self.meters.watch(partial(own_readings, self))
        self.pages = Pages(self._ask_page)

    # -- Staff ---------------------------------------------------------------------------------------------------

    def loads(self) -> Sequence[Load]:
        slate, draining, now = self.house.slate, self.draining, trio.current_time()
        return [
            Load(
                slate.calls(hand.number),
                hand.ready and hand.lane is not None,
                bool(hand.full) or draining or now - hand.heard > QUIET,
                slate.decided(hand.number),
            )
            for hand in self.hands
        ]

    def send(self, worker: int, word: ToWorker) -> None:
        lane = self.hands[worker].lane
        if lane is not None:
            lane.send(word)

    def full(self) -> str:
        if self.draining:
            return "draining"
        ready = [hand for hand in self.hands if hand.ready]
        if not ready:
            return "workers: none is ready"
        return "" if any(not hand.full for hand in ready) else ready[0].full

    # -- life ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Address, Address | None]]:
        """Every worker takes calls inside the `async with`: (SIP, web). Raises Unusable when one cannot."""
        async with trio.open_nursery() as nursery:
            services: trio.Nursery = await nursery.start(_shielded)
            self._services = services
            sip = await self.front.run(services)
            for service in (self._follow_fates, self._tell_of_ledger, self._watch_over):
                services.start_soon(service)
            try:
                async with trio.open_nursery() as calls:
                    await self._bury(await self.ledger.orphans(), Cause.KILLED)
                    await self._count_money()
                    await self._start_all(services)
                    calls.start_soon(self._wind_down)
                    await self.front.open(services, calls)
                    yield sip, await self._open_web(services)
                    calls.cancel_scope.cancel()
            finally:
                with trio.CancelScope(shield=True):
                    await self._end_all()
                    with trio.move_on_after(SETTLE):
                        await self.front.endpoint.wait_settled()
                services.cancel_scope.cancel()

    async def drain(self) -> None:
        """Take no new call; return when the last worker has ended."""
        self.draining = True
        for hand in self.hands:
            self.send(hand.number, Drain())
        while self._alive:
            await self._left.wait()

    async def _start_all(self, services: trio.Nursery) -> None:
        """The first alone: what it leaves on the disk (sentences as audio), the others need not make again."""
        first, *others = self.hands
        for group in [[first], others]:
            for hand in group:
                self._alive += 1
                services.start_soon(self._keep, hand)
            for hand in group:
                await hand.up.wait()
                if hand.problem:
                    raise Unusable(f"worker {hand.number}: {hand.problem}")

    async def _end_all(self) -> None:
        """Hang up whatever still lives, and end the workers; one that will not is killed."""
        self.draining = True
        for hand in self.hands:
            self.send(hand.number, Drain(now=True))
        with trio.move_on_after(LAST):
            while self._alive:
                await self._left.wait()
        for hand in self.hands:
            _kill(hand)

    async def _keep(self, hand: Hand) -> None:
        """Have this worker's place filled, until the house is drained."""
        pause = PAUSE
        try:
            while not self.draining:
                was_ready = await self._one_life(hand)
                if not hand.up.is_set():
                    hand.problem = hand.problem or "its process ended before it was ready"
                if self.draining or (hand.problem and not hand.up.is_set()):
                    return
                if self._barren:
                    self._short.set()
                    return
                pause = PAUSE if was_ready else min(LONGEST, pause * 2)
                if not was_ready:
                    await trio.sleep(pause)
        finally:
            self._alive -= 1
            hand.up.set()
            self._note_end()

    async def _one_life(self, hand: Hand) -> bool:
        """One process from fork to end; whether it ever was ready."""
        try:
            lane = hand.lane = Lane[FromWorker](self.zygote.fork(hand.number), FromWorker)
        except OSError as error:
            hand.problem = f"no process can be forked: {error.strerror}"
            return False
        self.started += 1
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lane.run)
            async for word in lane.receive():
                hand.heard = trio.current_time()
                await self._take(hand, word, nursery, began)
            was_ready = hand.ready
            if lane.overflowed:  # it lives, and does not read
                _kill(hand)
            await self._miss(hand)
            nursery.cancel_scope.cancel()
        return was_ready

    async def _miss(self, hand: Hand) -> None:
        """Its process is gone, and what it had with it."""
        desk, hand.desk, hand.ready, hand.lane = hand.desk, None, False, None
        self.house.slate.vacate(hand.number)
        self.front.lose(hand.number)
        if not self.draining and not hand.problem:
            self.crashed += 1
            log().error("worker.lost", worker=hand.number, pid=hand.pid)
        if desk is not None:
            await self._bury_calls_of(desk.origin)

    async def _take(self, hand: Hand, word: FromWorker, nursery: trio.Nursery, began: float) -> None:
        match word:
            case RowSent() | Asked():
                assert hand.desk is not None, "Began comes first"
                await hand.desk.serve(word, nursery)
            case Outgoing():
                self.house.wires.send(word.data, word.destination)
            case Standing():
                hand.full = word.full
            case Page():
                self.pages.take(hand.number, word.number, word.text)
            case Began():
                origin = Origin(f"{self.house.config.node}.{hand.number}", word.boot)
                hand.desk = LedgerDesk(self.ledger, origin, partial(self.send, hand.number), self.front.see)
                hand.pid = word.pid
            case Ready():
                self._welcome(hand, trio.current_time() - began)
            case Unable():
                hand.problem = word.problem
                log().error("worker.cannot_start", worker=hand.number, problem=word.problem)
            case _:
                assert_never(word)

    def _welcome(self, hand: Hand, seconds: float) -> None:
        hand.ready, hand.problem = True, ""
        hand.up.set()
        where = self.house.addresses(hand.number)
        log().info("worker.ready", worker=hand.number, pid=hand.pid, sip=where, seconds=seconds)
        if self.ledger.broken:
            self.send(hand.number, LedgerState(self.ledger.broken))
        if self.draining:
            self.send(hand.number, Drain())

    # -- calls of the dead ---------------------------------------------------------------------------------------

    async def _bury_calls_of(self, dead: Origin) -> None:
        """Every call it left open ends now. One that ended in good order left none."""
        with trio.CancelScope(shield=True):
            try:
                await self._bury(await self.ledger.orphans_of(dead), Cause.CRASH)
            except LedgerBroken as error:
                log().error("ledger.broken", error=str(error))
                self._services.start_soon(self._bury_late, dead)

    async def _bury_late(self, dead: Origin) -> None:
        """What can be read is hung up now; the records are closed once they can be written."""
        told: set[str] = set()
        for flushed in itertools.chain([False], itertools.repeat(True)):
            with suppress(LedgerBroken):
                orphans = await self.ledger.orphans_of(dead, flushed=flushed)
                self.front.bury([one for one in orphans if one.call not in told], Cause.CRASH)
                told.update(one.call for one in orphans)
                if flushed:
                    await self.ledger.close_orphans(orphans, Cause.CRASH)
                    self.meters.tally.bury(orphans, Cause.CRASH)
                    return
            await trio.sleep(PAUSE)

    async def _bury(self, orphans: list[Orphan], cause: Cause) -> None:
        self.front.bury(orphans, cause)
        if orphans:
            await self.ledger.close_orphans(orphans, cause)
            self.meters.tally.bury(orphans, cause)

    # -- what happens beside -------------------------------------------------------------------------------------

    async def _follow_fates(self) -> None:
        """How processes ended, for the log; and that of the zygote."""
        async for fate in self.zygote.fates():
            if fate.status:
                log().warning("worker.ended", pid=fate.pid, **_how(fate.status))
        self._barren = True
        log().error("zygote.lost", pid=self.zygote.pid, means="a worker that is lost is not replaced")

    async def _wind_down(self) -> None:
        """A worker is lost, and there is no other: who speaks may finish, then the house ends."""
        await self._short.wait()
        if not self.draining:
            log().error("draining", calls=self.calls(), why="a worker is lost, and the process that forks them too")
            await self.drain()
            raise Unusable("a worker was lost, and so was the process that forks them; start again")

    async def _watch_over(self) -> None:
        """A worker that says nothing does nothing: its calls are better ended."""
        while True:
            await trio.sleep(1.0)
            for hand in self.hands:
                if hand.ready and trio.current_time() - hand.heard > SILENT:
                    log().error("worker.hangs", worker=hand.number, pid=hand.pid, seconds=SILENT)
                    _kill(hand)

    async def _tell_of_ledger(self) -> None:
        """Workers refuse calls while nothing can be written."""
        told: str | None = None
        while True:
            if self.ledger.broken != told:
                told = self.ledger.broken
                for hand in self.hands:
                    self.send(hand.number, LedgerState(told))
            await trio.sleep(LOOK)

    async def _count_money(self) -> None:
        """What was spent today before we began."""
        now = self.ledger.wall(trio.current_time())
        slate = self.house.slate
        slate.spend(slate.house, now // DAY, await self.ledger.usd_since(now - now % DAY))

    def ready(self) -> int:
        """How many workers take calls."""
        return sum(hand.ready for hand in self.hands)

    def _note_end(self) -> None:
        self._left.set()
        self._left = trio.Event()

    # -- the web face --------------------------------------------------------------------------------------------

    async def _open_web(self, services: trio.Nursery) -> Address | None:
        where = self.house.config.listen.web
        if where is None:
            return None
        port = await services.start(run_web, make_app(self._health, self._ready, self._page), where.host, where.port)
        return Address(where.host, port)

    def calls(self) -> int:
        """Of all workers."""
        return sum(load.calls for load in self.loads())

    def _health(self) -> Health:
        return Health(status="alive", calls=self.calls())

    def _ready(self) -> Health:
        reason = self.full()
        return Health(status="busy" if reason else "ready", calls=self.calls(), reason=reason)

    async def _page(self) -> bytes:
        return await self.pages.all(lambda: [hand.number for hand in self.hands if hand.ready], self.meters.page)

    def _ask_page(self, worker: int, number: int) -> None:
        self.send(worker, PageAsked(number))


@asynccontextmanager
async def keeping(house: House, zygote: Zygote) -> AsyncIterator[tuple[Parent, Address, Address | None]]:
    """Start a house of workers: (it, where SIP is, where the web face is). Raises Unusable, NodeBusy, LedgerBroken."""
    config = house.config
    await in_thread(make_folder, Path(config.data_dir))
    async with open_ledger(Path(config.ledger.path), config.node) as ledger:
        parent = Parent(house, zygote, ledger)
        async with parent.open() as (sip, web):
            yield parent, sip, web


async def _shielded(task_status: trio.TaskStatus[trio.Nursery]) -> None:
    """A nursery that nothing ends from outside: whoever opened it cancels its scope."""
    async with trio.open_nursery() as services:
        services.cancel_scope.shield = True
        task_status.started(services)
        await trio.sleep_forever()


def _kill(hand: Hand) -> None:
    """By its pid, while its lane says that it is the same process."""
    if hand.lane is not None and hand.pid:
        os.kill(hand.pid, signal.SIGKILL)


def _how(status: int) -> dict[str, int]:
    code = os.waitstatus_to_exitcode(status)
    return {"signal": -code} if code < 0 else {"code": code}
