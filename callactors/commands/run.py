"""`run`: answer calls until told to stop. SIGTERM drains, a second one ends at once; so does SIGINT.

Prints `READY sip=HOST:PORT web=HOST:PORT` when usable, then one line a call event.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
import trio
import typer

from callactors import config as configuration
from callactors.calls.contain import leaves
from callactors.commands import garbage
from callactors.commands.serving import raise_descriptor_limit, serving
from callactors.commands.workers.house import House
from callactors.commands.workers.parent import keeping
from callactors.commands.workers.worker import work
from callactors.commands.workers.zygote import Zygote, start_zygote
from callactors.config import Config, files
from callactors.config.warnings import warn
from callactors.errors import CallactorsError, ConfigError
from callactors.meters.log import configure, log
from callactors.scenario.library import read, shown
from callactors.sip.address import Address

HERE = Path("callactors.yaml")


def run(
    config: Annotated[Path | None, typer.Argument(help="callactors.yaml; without it the embedded default.")] = None,
    sip: Annotated[str | None, typer.Option(help="HOST:PORT to take SIP on; port 0 takes a free one.")] = None,
    web: Annotated[str | None, typer.Option(help="HOST:PORT of the web face, or off.")] = None,
    scenario: Annotated[str | None, typer.Option(help="The scenario that answers every number.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of ledger, stores, recordings.")] = None,
    agents: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A folder of your own verticals.")
    ] = None,
    model_dir: Annotated[Path | None, typer.Option(help="Folder with the embedded brain's weights.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that take calls; one a core.")] = None,
) -> None:
    """Answer calls until told to stop.

    Example: python -m callactors run callactors.yaml --data /var/lib/callactors
    """
    given = config or (HERE if HERE.is_file() else None)
    try:
        loaded = load(given, sip=sip, web=web, scenario=scenario, data=data, model_dir=model_dir)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(start(loaded, agents, workers))


def run_default() -> None:
    """Bare `python -m callactors`: callactors.yaml if there is one, else the embedded default."""
    run()


def load(
    file: Path | None,
    *,
    sip: str | None = None,
    web: str | None = None,
    scenario: str | None = None,
    data: Path | None = None,
    model_dir: Path | None = None,
) -> Config:
    """The configuration with the command line's options. Raises ConfigError."""
    config = configuration.default()
    if file is not None:
        loaded = configuration.load(read(file), shown(file), os.environ)
        config = files.with_numbers(loaded, lambda path: read(Path(path)))
    return configuration.override(
        config,
        sip=sip,
        web=web,
        scenario=scenario,
        data=str(data) if data else None,
        model_dir=str(model_dir) if model_dir else None,
    )


def start(config: Config, agents: Path | None, workers: int | None = None) -> int:
    """Run until a signal; the exit code. `workers` None is one process, which is the whole house."""
    configure()
    raise_descriptor_limit()
    for doubt in warn(config):
        log().warning("configuration", doubt=str(doubt))
    problems: list[BaseException] = []
    try:
        if workers is None:
            trio.run(_serve, config, agents)
        else:
            _start_house(House.open_patiently(config, agents, workers))
    except* (CallactorsError, OSError) as group:
        problems = leaves(group)
    for line in {str(problem) for problem in problems}:
        typer.echo(line, err=True)
    return 1 if problems else 0


async def _serve(config: Config, agents: Path | None) -> None:
    async with _ending() as ending, serving(config, agents=agents) as up:
        garbage.settle()
        _announce(up.sip, up.web)
        with ending.calls:
            await ending.wait_asked()
            log().info("draining", calls=len(up.switchboard.calls))
            await up.switchboard.drain(config.timers.drain)


def _start_house(house: House) -> None:
    """Its zygote is forked before there is a loop."""
    zygote = start_zygote(partial(work, house))
    try:
        trio.run(_serve_house, house, zygote)
    finally:
        zygote.end()


async def _serve_house(house: House, zygote: Zygote) -> None:
    async with _ending() as ending, keeping(house, zygote) as (parent, sip, web):
        _announce(sip, web)
        with ending.calls:
            await ending.wait_asked()
            log().info("draining", calls=parent.calls())
            await parent.drain()


@attrs.define(eq=False)
class _Ending:
    """The first signal asks for a drain; the second one, or SIGINT, ends every call, and us from the inside out.

    Whatever comes before we are usable, or after that, ends everything where it stands.
    """

    everything: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    calls: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _asked: trio.Event = attrs.field(factory=trio.Event)
    _usable: bool = False

    async def wait_asked(self) -> None:
        """We are usable; until somebody wants us to end."""
        self._usable = True
        await self._asked.wait()

    async def watch(self, signals: object) -> None:
        async for number in signals:  # type: ignore[attr-defined]  # trio exports no name for its signal receiver
            if self._asked.is_set() or number == signal.SIGINT:
                (self.calls if self._usable and not self.calls.cancel_called else self.everything).cancel()
            self._asked.set()


@asynccontextmanager
async def _ending() -> AsyncIterator[_Ending]:
    ending = _Ending()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, ending.everything:
        async with trio.open_nursery() as watching:
            watching.start_soon(ending.watch, signals)
            yield ending
            watching.cancel_scope.cancel()


def _announce(sip: Address, web: Address | None) -> None:
    if sys.stdout.isatty():
        typer.echo(f"Call sip:anyone@{sip} with any SIP phone. Stop with Ctrl-C.")
    typer.echo(f"READY sip={sip} web={web if web is not None else 'off'}")
    sys.stdout.flush()
