"""/metrics of a house: every worker's page and the parent's own, each sample with the label `worker`.

A worker that does not answer within PATIENCE is left out: the page says so by `workers_ready`, and by its absence.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import attrs
import trio

from callactors.calls.readings import of_ledger
from callactors.meters.gauges import Reading, counter, gauge
from callactors.meters.page import FRESH, merged
from callactors.stores.ledger import Ledger

PATIENCE = 1.0  # seconds
OWN = "parent"


class Kept(Protocol):
    """What the parent knows of its workers."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def started(self) -> int: ...
    @property
    def crashed(self) -> int: ...
    def ready(self) -> int: ...


def own_readings(parent: Kept) -> Iterator[Reading]:
    """The parent's own."""
    yield gauge("workers_ready", "Workers that take calls.", parent.ready())
    yield counter("workers_started", "Worker processes begun.", parent.started)
    yield counter("workers_crashed", "Worker processes that ended, and had not been told to.", parent.crashed)
    yield from of_ledger(parent.ledger.statistics())


@attrs.define(eq=False)
class Pages:
    """Asks workers for their pages. `ask(worker, number)` sends the question; `take` is given the answers."""

    ask: Callable[[int, int], None]
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)
    _open: dict[int, _Scrape] = attrs.field(factory=dict, init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _page: bytes = attrs.field(default=b"", init=False)
    _made: float = attrs.field(default=float("-inf"), init=False)

    async def all(self, workers: Callable[[], Sequence[int]], own: Callable[[], bytes]) -> bytes:
        """One page of all: FRESH seconds old at most, so that it is made once for all who ask at a time."""
        async with self._turn:
            if trio.current_time() - self._made >= FRESH:
                self._page = await self._gather(workers(), own())
                self._made = trio.current_time()
            return self._page

    async def _gather(self, workers: Sequence[int], own: bytes) -> bytes:
        number, scrape = next(self._numbers), _Scrape(set(workers))
        self._open[number] = scrape
        try:
            for worker in workers:
                self.ask(worker, number)
            with trio.move_on_after(PATIENCE):
                while scrape.waiting:
                    await scrape.come.wait()
        finally:
            del self._open[number]
        return merged({OWN: own, **{str(worker): scrape.pages[worker] for worker in sorted(scrape.pages)}})

    def take(self, worker: int, number: int, text: bytes) -> None:
        """A worker's answer; late ones are nobody's."""
        scrape = self._open.get(number)
        if scrape is not None:
            scrape.pages[worker] = text
            scrape.waiting.discard(worker)
            scrape.come.set()
            scrape.come = trio.Event()


@attrs.define(eq=False)
class _Scrape:
    waiting: set[int]
    pages: dict[int, bytes] = attrs.field(factory=dict)
    come: trio.Event = attrs.field(factory=trio.Event)
