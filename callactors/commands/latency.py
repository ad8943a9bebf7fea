"""`latency RECORDING.wav`: how long the agent took to answer, as a listener would measure it on a stereo recording.

Caller left, agent right, as we record; any rate. Exit code 0 with at least one answer, 1 with none, 2 for no recording.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from callactors.audio import wav
from callactors.commands.latency_picture import strip, svg
from callactors.testing.response_times import PAUSE, Measured, measure, story

REMEDY = "`calls recording ID --out FILE` decrypts a sealed one, `ffmpeg -i call.opus call.wav` makes a WAV of Ogg/Opus"


def latency(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING.wav", help="A stereo WAV of 8, 16, 24 or 48 kHz.")],
    agent: Annotated[str, typer.Option(help="The agent's channel: left or right.")] = "right",
    pause: Annotated[float, typer.Option(min=0.1, help="Seconds of quiet that end what somebody says.")] = PAUSE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    picture: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw the call there.")] = None,
) -> None:
    """Response times of a recorded call, from its two channels alone.

    Example: python -m callactors latency data/recordings/0192f0.wav --svg call.svg
    """
    if agent not in ("left", "right"):
        raise typer.BadParameter(f"{agent!r} is no channel; write left or right", param_hint="--agent")
    heard = _heard(recording, agent, pause)
    if picture is not None:
        picture.write_text(svg(heard), "utf-8")
    if as_json:
        typer.echo(msgspec.json.encode(as_facts(heard)).decode())
    else:
        show(heard)
    raise typer.Exit(0 if heard.answers else 1)


def _heard(recording: Path, agent: str, pause: float) -> Measured:
    """Exit code 2, with the reason, for what cannot be measured."""
    try:
        read = wav.read(recording.read_bytes())
    except (OSError, wav.MalformedWav) as error:
        typer.echo(f"{recording}: {error}; {REMEDY}", err=True)
        raise typer.Exit(2) from error
    if read.channels != 2:
        typer.echo(f"{recording}: {read.channels} channel(s); caller and agent must each have their own", err=True)
        raise typer.Exit(2)
    caller, right = (1, 0) if agent == "left" else (0, 1)
    return measure(read.samples[:, caller], read.samples[:, right], read.rate, pause)


def as_facts(heard: Measured) -> dict[str, object]:
    """One JSON object: every answer and cut-in, and the percentiles."""
    return {
        "seconds": round(heard.seconds, 3),
        "response_ms": heard.percentiles(),
        "answers": [{**attrs.asdict(one), "ms": one.ms} for one in heard.answers],
        "cut_ins": [{**attrs.asdict(one), "ms": one.ms} for one in heard.cut_ins],
        "unanswered": heard.unanswered,
        "caller": [attrs.asdict(one) for one in heard.caller],
        "agent": [attrs.asdict(one) for one in heard.agent],
        "threshold_dbfs": {"caller": heard.thresholds[0], "agent": heard.thresholds[1]},
    }


def show(heard: Measured) -> None:
    """The same for people: a strip of the call, a table, percentiles."""
    console = Console()
    for line in strip(heard, max(40, console.width - 8)):
        console.print(line, highlight=False)
    table = Table("at", "", "ms", box=None)
    for at, kind, ms in story(heard):
        table.add_row(f"{int(at // 60)}:{at % 60:05.2f}", kind, "-" if ms is None else str(ms))
    console.print(table)
    if not heard.answers:
        console.print("no answer: the agent's channel has no speech after the caller's")
        return
    spread = " ".join(f"{name} {value:.0f} ms" for name, value in heard.percentiles().items() if value is not None)
    console.print(f"{len(heard.answers)} answers: {spread}", highlight=False)
