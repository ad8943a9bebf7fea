"""`demo`: one whole call on this machine, with no key and no apt package: a caller books, asks, and is transferred.

Exit code 0 only if the booking, the customer record and the carrier's final NOTIFY are really there, and the caller and
the person at the desk heard each other; otherwise 1, and sentences that say what is missing.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
import typer

from callactors.calls.contain import leaves
from callactors.commands.demo_call import Demo, Happened, encode
from callactors.commands.demo_report import Report, booked, report
from callactors.commands.demo_show import Show
from callactors.commands.serving import raise_descriptor_limit
from callactors.errors import CallactorsError
from callactors.net.offload import in_thread
from callactors.scenario import Library
from callactors.speech.brain import Brain


def demo(
    scenario: Annotated[str, typer.Option(metavar="NAME", help="The scenario that answers.")] = "salon",
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep ledger, stores and recording here; else a new folder.")
    ] = None,
    model_dir: Annotated[Path | None, typer.Option(help="Folder with the embedded brain's weights.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="URL", help="A Realtime server (ws:// or wss://) in place of our own brain.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(metavar="FILE", help="A PEM certificate to trust for --model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Hear a whole call: a caller books an appointment, asks a price, and is put through to a person.

    Example: python -m callactors demo
    """
    if model is not None and not model.startswith(("ws://", "wss://")):
        raise typer.BadParameter(f"{model!r} is no ws:// or wss:// URL", param_hint="--model")
    raise_descriptor_limit()
    folder = data or Path(tempfile.mkdtemp(prefix="callactors-demo-"))
    show, done = Show.make(), None
    try:
        done = trio.run(_until_stopped, partial(_demo, show, scenario, folder, model_dir, model, ca))
    except* (CallactorsError, OSError) as group:
        for line in sorted({str(problem) for problem in leaves(group)}):
            typer.echo(line, err=True)
    if done is None:
        raise typer.Exit(1)
    summary(show, done)
    if as_json:
        typer.echo(encode(done.facts))
    raise typer.Exit(1 if done.missing else 0)


async def _until_stopped(work: Callable[[], Awaitable[Report]]) -> Report | None:
    """What `work` returns; None, and a word about it, when SIGINT or SIGTERM came first."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_at, signals, nursery.cancel_scope)
            done = await work()
            nursery.cancel_scope.cancel()
            return done
    typer.echo("stopped", err=True)
    return None


async def _stop_at(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


async def _demo(
    show: Show, scenario: str, data: Path, model_dir: Path | None, model: str | None, ca: Path | None
) -> Report:
    happened = Happened(scenario, datetime.now())
    Library.find().scenario(scenario)  # raises ConfigError, before anything takes time
    with ExitStack() as loading:
        loading.enter_context(show.working("Loading ears and voices (a few seconds) ..."))
        async with trio.open_nursery() as nursery:
            brain: Brain = await nursery.start(Brain(model_dir=model_dir, data=data).run)
            loading.close()
            happened.booked_before = await in_thread(booked, scenario, data)
            await Demo(show, brain, happened).run(scenario, data, model_dir, model, ca)
            nursery.cancel_scope.cancel()
    return await in_thread(report, happened, data)


def summary(show: Show, done: Report) -> None:
    """The call record, the recording, the rows written, and what is missing."""
    facts = done.facts
    show.blank()
    for name in ("call", "outcome", "cause"):
        show.fact(name, facts[name])
    for booking in facts["bookings"]:
        show.fact("booking", f"{booking['service']}, {booking['start']}, {booking['name']}, {booking['phone']}")
    for person in facts["crm_records"]:
        show.fact("customer", f"{person['name']}, {person['phone']}: {person['note']}")
    show.fact("transfer", "REFER {accepted}, final NOTIFY {final}".format(**facts["refer"]))
    show.fact("response", _times(facts["response_ms"]) + " from packets at the caller")
    show.fact("", _times(facts["recorded_ms"]) + f" on the recording (apart at most {facts['disagreement_ms']} ms)")
    show.fact("recording", facts["recording"])
    show.fact("rows", _rows(done))
    show.fact("look again", f"python -m callactors calls show {facts['call'] or 'ID'} --data {facts['data']}")
    for sentence in done.missing:
        show.fact("MISSING", sentence)


def _times(spread: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if ms is None else f'{ms:.0f} ms'}" for name, ms in spread.items())


def _rows(done: Report) -> str:
    if done.record is None:
        return "none"
    parts = ("attempts", "turns", "tools", "transfers", "quality", "events")
    return ", ".join(f"{len(done.record[part])} {part}" for part in parts)
