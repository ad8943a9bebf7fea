"""`call NUMBER --scenario NAME`: place one call, show it, tell how it ended.

Exit code 0: they talked. 1: nobody was reached, or the call broke. 2: a rule or the configuration forbids it.
Ctrl-C hangs up properly (CANCEL or BYE, and the record's last row); a second one ends at once.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
import msgspec
import trio
import typer

from callactors.calls.call import Call
from callactors.calls.contain import leaves
from callactors.calls.outbound import Book, forbid
from callactors.commands.call_show import Progress, result
from callactors.commands.demo_show import Show
from callactors.commands.run import HERE, load
from callactors.commands.serving import make_folder, raise_descriptor_limit, serving
from callactors.config import Config
from callactors.config.config import replace
from callactors.errors import CallactorsError, ConfigError, NotPlaced
from callactors.meters.log import configure
from callactors.net.offload import in_thread
from callactors.routing.cause import Cause
from callactors.routing.rules import Order
from callactors.scenario import Library
from callactors.speech.brain import Brain
from callactors.stores.ledger import open_ledger
from callactors.stores.ledger_reader import Facts, open_reader

TALKED = frozenset(
    {Cause.COMPLETED, Cause.CALLEE_HUNG_UP, Cause.AGENT_HUNG_UP, Cause.TRANSFERRED, Cause.CALL_MAX, Cause.DRAINED}
)


def call(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom to call: +13125550142.")],
    scenario: Annotated[str, typer.Option(metavar="NAME", help="The scenario that speaks.")],
    config: Annotated[Path | None, typer.Option("--config", help="callactors.yaml; else the one here.")] = None,
    trunk: Annotated[str | None, typer.Option(metavar="NAME", help="This trunk and no other.")] = None,
    caller: Annotated[str | None, typer.Option(metavar="NUMBER", help="The number to show, one of ours.")] = None,
    language: Annotated[str | None, typer.Option(help="A language of the scenario; else its first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON, the last line.")] = False,
    sip: Annotated[str | None, typer.Option(help="HOST:PORT for our SIP; port 0 takes a free one.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of ledger, stores, recordings.")] = None,
    agents: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A folder of your own verticals.")
    ] = None,
    model_dir: Annotated[Path | None, typer.Option(help="Folder with the embedded brain's weights.")] = None,
) -> None:
    """Call somebody and have a scenario's agent talk to them.

    Example: python -m callactors call +13125550142 --scenario salon --data data
    """
    order = Order(number=number, scenario=scenario, trunk=trunk, caller=caller, language=language)
    try:
        given = config or (HERE if HERE.is_file() else None)
        loaded = load(given, sip=sip, web="off", data=data, model_dir=model_dir)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(place(loaded, order, agents=agents, as_json=as_json))


def place(config: Config, order: Order, *, agents: Path | None = None, as_json: bool = False) -> int:
    """Place it and show it; the exit code."""
    configure()
    raise_descriptor_limit()
    show = Show.make()
    facts: Facts | None = None
    problems: list[BaseException] = []
    try:
        facts = trio.run(partial(carry_out, only_out(config), order, Progress(show), agents))
    except* (CallactorsError, OSError) as group:
        problems = leaves(group)
    for line in {str(problem) for problem in problems}:
        typer.echo(line, err=True)
    if facts is None:
        return 2 if any(isinstance(problem, NotPlaced | ConfigError) for problem in problems) else 1
    result(show, facts, config.data_dir)
    if as_json:
        typer.echo(msgspec.json.encode(facts).decode())
    return 0 if facts["answered"] and facts["cause"] in TALKED else 1


def only_out(config: Config) -> Config:
    """The same, answering nobody: whoever calls while we call gets 404, as of a number nobody serves."""
    return replace(config, numbers=())


async def carry_out(
    config: Config, order: Order, progress: Progress, agents: Path | None = None, brain: Brain | None = None
) -> Facts | None:
    """Place it, and stay until it has ended; its record, or None when a second signal came. Raises NotPlaced.

    `brain` lends one that already runs.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as watching:
            watch = _Watch(watching.cancel_scope)
            watching.start_soon(watch.run, signals)
            await in_thread(_ready, config, order, agents)
            async with open_ledger(Path(config.ledger.path), config.node) as ledger:
                await forbid(order, config, Book(ledger, progress.tell))
            async with serving(
                config, agents=agents, brain=brain, tell=progress.tell, scenarios=(order.scenario,)
            ) as up:
                placed = watch.placed = await up.switchboard.place(order)
                await progress.ended.wait()
                await up.ledger.flush()
            facts = await in_thread(_record, Path(config.ledger.path), placed.id)
            watching.cancel_scope.cancel()
            return facts
    return None


def _ready(config: Config, order: Order, agents: Path | None) -> None:
    """Names and folders, before anything takes time. Raises ConfigError, Unusable."""
    Library.find(agents).scenario(order.scenario)
    make_folder(Path(config.data_dir))


@attrs.define
class _Watch:
    """The first signal hangs up, once there is a call to hang up; any other ends everything."""

    everything: trio.CancelScope
    placed: Call | None = None
    asked: bool = False

    async def run(self, signals: AsyncIterator[int]) -> None:
        async for _ in signals:
            if self.placed is None or self.asked:
                return self.everything.cancel()
            self.asked = True
            self.placed.end(Cause.AGENT_HUNG_UP if self.placed.line.status == 200 else Cause.CANCELLED)


def _record(ledger: Path, name: str) -> Facts:
    with open_reader(ledger) as reader:
        return reader.call(name)
