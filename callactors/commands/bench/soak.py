"""`bench soak`: the same load, wave after wave, for hours; what its memory does meanwhile, as a slope with an interval.

- A wave is so many calls that begin, talk and end: whatever a call leaves behind is left once a wave and call.
- Memory is read at the end of each wave's window, with its calls alive. The first waves are warm-up and do not count.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import attrs
import trio
import typer

from callactors.calls.contain import leaves
from callactors.commands.bench.facts import Order, Script
from callactors.commands.bench.parties import Setup, answering, load, model
from callactors.commands.bench.row import Figures, figures
from callactors.errors import CallactorsError

WARM_UP = 0.1  # of the waves
LEAST = 3  # waves a slope needs
_Z = 1.959964  # 97.5 % of a normal distribution


@attrs.frozen
class Wave:
    """`at` is hours since the first call; memory is megabytes with all calls alive."""

    at: float
    memory: float
    figures: Figures


@attrs.frozen
class Slope:
    """Megabytes an hour, and half the width of its 95 % interval."""

    value: float
    margin: float


def soak(
    hours: Annotated[float, typer.Option(min=0.001, help="How long.")] = 8.0,
    calls: Annotated[int, typer.Option(min=1, help="Concurrent calls.")] = 50,
    wave: Annotated[float, typer.Option(min=1, help="Seconds each wave of calls talks.")] = 60.0,
    recording: Annotated[bool, typer.Option("--recording", help="Record every call.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Hours of calls, and the slope of memory over them.

    Example: python -m callactors bench soak --hours 8 --calls 50
    """
    waves: list[Wave] = []
    try:
        trio.run(_soak, waves, hours, calls, wave, recording)
    except* (CallactorsError, OSError) as group:
        for line in sorted({str(problem) for problem in leaves(group)}):
            typer.echo(line, err=True)
    except* KeyboardInterrupt:
        typer.echo(f"ended after {waves[-1].at if waves else 0:.2f} of {hours} hours", err=True)
    found = slope(waves)
    if found is None:
        typer.echo(f"{len(waves)} waves are too few for a slope; let it run longer", err=True)
        raise typer.Exit(1)
    facts = as_facts(waves, found, calls)
    typer.echo(json.dumps(facts) if as_json else text(facts))


async def _soak(waves: list[Wave], hours: float, calls: int, seconds: float, recording: bool) -> None:
    """Fill `waves`, one after the other. Raises Unusable when a party does not start or breaks."""
    setup = Setup("soak", recording=recording)
    with tempfile.TemporaryDirectory(prefix="callactors-soak-") as folder:
        place = Path(folder)
        async with model(place, Script(), tls=False) as peer, answering(place, setup, peer) as (port, pid):
            began = trio.current_time()
            while trio.current_time() - began < hours * 3600:
                loaded = await load(Order(port=port, calls=calls, seconds=seconds, pids=(pid,)))
                at = (trio.current_time() - began) / 3600
                waves.append(Wave(at, loaded.rss_kb / 1024, figures(loaded, await peer.report())))
                _say(waves[-1])


def _say(wave: Wave) -> None:
    """Progress, for people."""
    cpu, late = wave.figures.cpu_ms, wave.figures.late
    typer.echo(f"{wave.at:.3f} h: {wave.memory:.1f} MB, {cpu:.2f} CPU ms/call-s, late {late:.2f} %", err=True)


def counted(waves: Sequence[Wave]) -> Sequence[Wave]:
    """The waves after the warm-up."""
    return waves[round(len(waves) * WARM_UP) :]


def slope(waves: Sequence[Wave]) -> Slope | None:
    """Least squares over the waves that count; None of too few."""
    kept = counted(waves)
    if len(kept) < LEAST:
        return None
    middle, mean = sum(one.at for one in kept) / len(kept), sum(one.memory for one in kept) / len(kept)
    spread = sum((one.at - middle) ** 2 for one in kept)
    value = sum((one.at - middle) * (one.memory - mean) for one in kept) / spread
    free = len(kept) - 2
    left = sum((one.memory - mean - value * (one.at - middle)) ** 2 for one in kept)
    return Slope(value, _students(free) * math.sqrt(left / free / spread))


def _students(free: int) -> float:
    """The 97.5 % quantile of Student's t, by its expansion in 1/free (within 2 % from 3 degrees on)."""
    z = _Z
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / math.pow(free, power) for power, term in enumerate(terms, 1))


def as_facts(waves: Sequence[Wave], found: Slope, calls: int) -> dict[str, object]:
    """The whole soak as one JSON object."""
    return {
        "hours": round(waves[-1].at, 3),
        "calls": calls,
        "waves": len(waves),
        "mb_per_hour": round(found.value, 3),
        "margin_95": round(found.margin, 3),
        "first_mb": round(waves[0].memory, 1),
        "last_mb": round(waves[-1].memory, 1),
        "worst_late_percent": round(max(wave.figures.late for wave in waves), 3),
        "cpu_ms": round(sum(wave.figures.cpu_ms for wave in waves) / len(waves), 3),
    }


def text(facts: dict[str, object]) -> str:
    """The same as sentences."""
    return (
        f"{facts['hours']} hours of {facts['calls']} calls, {facts['waves']} waves: memory {facts['mb_per_hour']:+} "
        f"± {facts['margin_95']} MB/h (95 %), {facts['first_mb']} MB at first, {facts['last_mb']} MB at last; "
        f"{facts['cpu_ms']} CPU ms a call and second, at worst {facts['worst_late_percent']} % late"
    )
