"""`bench`, the media bench: real SIP calls with 50 packets a second each way against a real `run` and a model peer.

- Every party is a process of its own; what is measured is measured by the generator and the peer, from outside.
- Repeats go round all the rows, so that a machine whose neighbours wake up spoils each row a little, not one wholly.
- A row that the load itself spoiled has no figures, and the exit code is 1.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import msgspec
import trio

from callactors.commands.bench.facts import Order, Script
from callactors.commands.bench.parties import Model, Setup, answering, load, model
from callactors.commands.bench.programs import memory_kb
from callactors.commands.bench.row import Figures, Row, figures, row, spoiled

SETTLED = 1.0  # seconds between two orders to the same house
NAIVE_MOST = 50  # calls the naive pipeline is asked to carry
MORE = 1.5  # times limits.calls, for the overload row
LONG = Script(shortest=12.5, longest=12.5)  # at five times real time, up to 10 s of it wait to be played
AGAIN = 2  # measurements thrown away at most, per turn of a row, because the load spoiled them

Say = Callable[[str], None]


@attrs.frozen
class Plan:
    """What to measure. `setups` are the houses; each is asked for every number of `calls` up to its first failure."""

    calls: Sequence[int]
    seconds: float
    repeat: int
    setups: Sequence[Setup]
    again: int = AGAIN
    warm: float = 6.0  # seconds from the last call's answer to the window; a greeting is over by then


@attrs.define(eq=False)
class Bench:
    """Measures a plan."""

    plan: Plan
    say: Say
    measured: dict[tuple[Setup, int], list[Figures]] = attrs.field(factory=dict)
    _failed: dict[Setup, int] = attrs.field(factory=dict)  # the fewest calls at which it did not hold

    async def run(self) -> list[Row]:
        """Every row. Raises Unusable when a party does not start."""
        for turn in range(self.plan.repeat):
            for setup in self.plan.setups:
                await self._house(setup, turn)
        return [row(setup.name, calls, found) for (setup, calls), found in self.measured.items()]

    async def _house(self, setup: Setup, turn: int) -> None:
        """One house, asked for each number of calls."""
        with tempfile.TemporaryDirectory(prefix="callactors-bench-") as folder:
            async with (
                model(Path(folder), LONG if setup.long else Script(), setup.tls) as peer,
                answering(Path(folder), setup, peer) as (port, pid),
            ):
                empty = memory_kb([pid])
                for calls in self._asked(setup):
                    self.say(f"{setup.name}: {calls} calls, {turn + 1} of {self.plan.repeat}")
                    order = Order(port=port, calls=calls, seconds=self.plan.seconds, pids=(pid,), empty_kb=empty)
                    order = msgspec.structs.replace(order, warm=self.plan.warm, srtp=setup.srtp, opus=setup.opus)
                    await self._measure(setup, order, peer)

    async def _measure(self, setup: Setup, order: Order, peer: Model) -> None:
        """One more measurement of a row, or some until one is not spoiled."""
        found = self.measured.setdefault((setup, order.calls), [])
        for _ in range(1 + self.plan.again):
            loaded = await load(order)
            found.append(figures(loaded, await peer.report()))
            await trio.sleep(SETTLED)
            if not spoiled(found[-1]):
                break
            self.say(f"thrown away: {spoiled(found[-1])}")
        if not found[-1].holds(order.calls):
            self._failed[setup] = min(order.calls, self._failed.get(setup, order.calls))

    def _asked(self, setup: Setup) -> list[int]:
        if setup.limit is not None:
            return [round(setup.limit * MORE)]
        if setup.long:
            return [min(self.plan.calls)]
        if setup.naive:
            return [min(min(self.plan.calls), NAIVE_MOST)]
        failed = self._failed.get(setup)
        return sorted(calls for calls in self.plan.calls if failed is None or calls <= failed)
