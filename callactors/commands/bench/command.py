"""The command line of the media bench: options to a plan, rows to a table, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

import trio
import typer
from rich.console import Console

from callactors.calls.contain import leaves
from callactors.commands.bench import show
from callactors.commands.bench.facts import Audio
from callactors.commands.bench.media import Bench, Plan
from callactors.commands.bench.parties import Setup
from callactors.commands.bench.plot import svg
from callactors.commands.bench.row import Row
from callactors.errors import CallactorsError


def media(
    context: typer.Context,
    calls: Annotated[str, typer.Option(help="Concurrent calls, one number or some: 50,100,200.")] = "50,100,200",
    seconds: Annotated[float, typer.Option(min=1, help="How long each measurement's window is.")] = 10.0,
    repeat: Annotated[int, typer.Option(min=1, help="Measurements of each row; the medians are reported.")] = 5,
    model_audio: Annotated[str, typer.Option(help="What the model takes: pcm16, pcmu, or both.")] = "pcm16,pcmu",
    tls: Annotated[bool, typer.Option("--tls", help="A row with the model behind wss.")] = False,
    srtp: Annotated[bool, typer.Option("--srtp", help="A row with SRTP.")] = False,
    opus: Annotated[bool, typer.Option("--opus", help="A row with Opus callers.")] = False,
    recording: Annotated[bool, typer.Option("--recording", help="A row with every call recorded.")] = False,
    long: Annotated[
        bool, typer.Option("--long", help="A row with answers of which 10 s are queued, for memory.")
    ] = False,
    overload: Annotated[bool, typer.Option(help="A row with 150 % of limits.calls offered.")] = True,
    naive: Annotated[bool, typer.Option(help="A row with a naive pipeline, for the ratio.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    picture: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write a plot there.")] = None,
) -> None:
    """How many calls this machine carries, and what each costs: real calls, a real run, a model that speaks.

    Example: python -m callactors bench --calls 50,200 --tls --srtp --opus --recording --svg bench.svg
    """
    if context.invoked_subcommand is not None:
        return
    numbers, audios = _numbers(calls), _audios(model_audio)
    extras = {"tls": tls, "srtp": srtp, "opus": opus, "recording": recording, "long": long}
    setups = list(_setups(audios, extras, min(numbers) if overload else None, naive=naive))
    rows = _measured(Plan(numbers, seconds, repeat, setups))
    if picture is not None:
        picture.write_text(svg(rows), "utf-8")
    _print(rows, as_json)
    spoiled = show.spoiled(rows)
    for problem in spoiled:
        typer.echo(f"not reported: {problem}", err=True)
    raise typer.Exit(1 if spoiled else 0)


def _setups(audios: list[Audio], extras: dict[str, bool], limit: int | None, *, naive: bool) -> Iterator[Setup]:
    """Plain and wss for each model audio; the other additions for the first one alone."""
    for place, audio in enumerate(audios):
        yield Setup(audio, audio)
        for extra in (extra for extra, wanted in extras.items() if wanted and (place == 0 or extra == "tls")):
            yield Setup(f"{audio} {extra}", audio, **{extra: True})
    if limit is not None:
        yield Setup(f"{audios[0]} overload", audios[0], limit=limit)
    if naive:
        yield Setup("naive", "pcm16", naive=True)


def _measured(plan: Plan) -> list[Row]:
    rows: list[Row] = []
    try:
        rows = trio.run(Bench(plan, lambda text: typer.echo(text, err=True)).run)
    except* (CallactorsError, OSError) as group:
        for line in sorted({str(problem) for problem in leaves(group)}):
            typer.echo(line, err=True)
    if not rows:
        raise typer.Exit(1)
    return rows


def _print(rows: list[Row], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(show.as_facts(rows)))
        return
    console = Console(width=max(Console().width, 200))
    console.print(show.table(rows))
    for sentence in show.sentences(rows):
        console.print(sentence, highlight=False)


def _numbers(text: str) -> list[int]:
    try:
        numbers = sorted({int(word) for word in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1:
        raise typer.BadParameter(f"{text!r} is not numbers of calls; write 50,100,200", param_hint="--calls")
    return numbers


def _audios(text: str) -> list[Audio]:
    known: tuple[Audio, ...] = get_args(Audio)
    chosen = [audio for audio in known if audio in text.split(",")]
    if len(chosen) != len(set(text.split(","))):
        raise typer.BadParameter(f"{text!r}: the model takes pcm16, pcmu, or pcm16,pcmu", param_hint="--model-audio")
    return chosen
