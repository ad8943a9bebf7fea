"""The media bench against a real `run`: every call is heard, the excess is refused exactly, the naive pipeline answers.

How fast all that was is not asked: the machine that runs the tests does other things.
"""

from __future__ import annotations

import trio

from callactors.commands.bench.media import Bench, Plan
from callactors.commands.bench.parties import Setup
from callactors.commands.bench.row import Figures

LIMIT, OFFERED = 4, 6
FULL = Setup("full", "pcmu", tls=True, srtp=True, recording=True, limit=LIMIT)
NAIVE = Setup("naive", naive=True)


async def measured(setup: Setup, into: dict[str, Figures]) -> None:
    bench = Bench(Plan([LIMIT], seconds=5.0, repeat=1, setups=[setup], again=0, warm=4.0), lambda text: None)
    await bench.run()
    ((_, found),) = bench.measured.items()
    into[setup.name] = found[0]


async def test_every_call_is_heard_both_ways_and_the_excess_is_refused_exactly() -> None:
    found: dict[str, Figures] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measured, FULL, found)
        nursery.start_soon(measured, NAIVE, found)
    full, naive = found["full"], found["naive"]
    assert (full.up, full.refused, full.gone) == (LIMIT, OFFERED - LIMIT, 0)
    assert (naive.up, naive.refused) == (LIMIT, 0)
    for figures in (full, naive):
        assert figures.cpu_ms > 0
        assert figures.delta_p50 > 0
        assert figures.first_p50 > (40 if figures is full else 0)  # ours waits for three packets
