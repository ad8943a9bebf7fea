"""`bench setup`: how long from INVITE to 200, and how many calls a second before the first one fails.

- SIPp is the source: it knows nothing of ours. Each rate is double the one before, until a call fails or `--most`.
- Kamailio, answering every INVITE with a 200 and nothing behind it, is the floor: nobody sets a call up for less.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import attrs
import trio
import typer
from rich.console import Console
from rich.table import Table

from callactors.calls.contain import leaves
from callactors.commands.bench.programs import cpu_seconds, floor, house
from callactors.commands.bench.sipp import Load, load
from callactors.errors import CallactorsError
from callactors.sip.address import Address

PROGRAMS = {"callactors": house, "kamailio": floor}
NEEDED = {"sipp": "sip-tester", "kamailio": "kamailio"}  # the program, and its Debian package


@attrs.frozen
class Step:
    """One rate against one program. `cpu_ms` is the program's own CPU per call."""

    who: str
    load: Load
    cpu_ms: float


def setup(
    first: Annotated[int, typer.Option(min=1, help="Calls a second to begin with; doubled at each step.")] = 10,
    most: Annotated[int, typer.Option(min=1, help="Calls a second to end with.")] = 640,
    seconds: Annotated[int, typer.Option(min=1, help="How long each rate is held.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """INVITE to 200 and calls a second, with SIPp as the source and Kamailio's own figure as the floor.

    Example: python -m callactors bench setup --first 10 --most 160
    """
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            typer.echo(f"{program} is not installed; apt-get install {package}", err=True)
            raise typer.Exit(2)
    steps: list[Step] = []
    try:
        with tempfile.TemporaryDirectory(prefix="callactors-bench-") as folder:
            steps = trio.run(_measure, Path(folder), rates(first, most), seconds)
    except* (CallactorsError, OSError) as group:
        for line in sorted({str(problem) for problem in leaves(group)}):
            typer.echo(line, err=True)
    if not steps:
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(as_facts(steps)))
    else:
        show(steps)


def rates(first: int, most: int) -> list[int]:
    """`first`, doubled as long as it is not over `most`."""
    found = [first]
    while 2 * found[-1] <= most:
        found.append(2 * found[-1])
    return found


def before_failure(steps: Sequence[Step], who: str) -> int | None:
    """The highest rate of `who` before the first at which a call failed; None when the first one failed."""
    held = None
    for step in (step for step in steps if step.who == who):
        if step.load.failed:
            break
        held = step.load.rate
    return held


def as_facts(steps: Sequence[Step]) -> dict[str, object]:
    """The whole measurement as one JSON object."""
    shown = [{"who": step.who, "cpu_ms_per_call": step.cpu_ms, **attrs.asdict(step.load)} for step in steps]
    return {
        "steps": shown,
        "calls_per_second_before_failure": {who: before_failure(steps, who) for who in PROGRAMS},
    }


def show(steps: Sequence[Step]) -> None:
    """The same as a table."""
    table = Table("", "calls/s", "calls", "failed", "repeated", "p50 ms", "p95 ms", "p99 ms", "CPU ms", box=None)
    for step in steps:
        figures = step.load
        times = (figures.p50_ms, figures.p95_ms, figures.p99_ms)
        row = [step.who, figures.rate, figures.calls, figures.failed, figures.repeated, *times, step.cpu_ms]
        table.add_row(*("-" if one is None else str(one) for one in row))
    console = Console()
    console.print(table)
    for who in PROGRAMS:
        held = before_failure(steps, who)
        console.print(f"{who}: {held or 'none'} calls/s before the first call failed")


async def _measure(folder: Path, rates: Sequence[int], seconds: int) -> list[Step]:
    steps: list[Step] = []
    for who, program in PROGRAMS.items():
        async with program(folder) as (address, process):
            await load(folder, address, 5, 1)  # imports, first writes, sockets: once
            for rate in rates:
                _say(f"{who}: {rate} calls/s for {seconds} s")
                steps.append(await _step(who, folder, address, process, rate, seconds))
                if steps[-1].load.failed:
                    break
    return steps


async def _step(who: str, folder: Path, address: Address, process: int, rate: int, seconds: int) -> Step:
    before = cpu_seconds(process)
    found = await load(folder, address, rate, seconds)
    return Step(who, found, round(1000 * (cpu_seconds(process) - before) / found.calls, 2))


def _say(text: str) -> None:
    """Progress, for people."""
    console = Console(stderr=True)
    if console.is_terminal:
        console.print(text, style="dim")
