"""`calls list`, `calls show ID`, `calls recording ID`: the call records, also while a run is writing them.

Exit code 0 when found, 1 with a remedy on stderr when not. What callers and models said is escaped: one line stays one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from callactors.commands import call_recording
from callactors.errors import CallactorsError
from callactors.meters.log import safe
from callactors.stores.ledger_reader import Facts, open_reader

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="The data folder of the run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    name="calls",
    help="Look at call records.",
    epilog="Example: python -m callactors calls list --json --data data",
    no_args_is_help=True,
)

_HEAD = ("call", "started", "way", "caller", "called", "scenario", "duration", "outcome", "cause", "sip", "usd")
REASON = 240  # characters of a fact: why an offer was refused is a sentence with names in it
_WAYS = {"inbound": "in", "outbound": "out"}


@app.command("list", epilog="Example: python -m callactors calls list --last 20 --data data")
def list_calls(
    data: Data = Path("data"),
    as_json: Json = False,
    last: Annotated[int | None, typer.Option("--last", min=1, metavar="N", help="Only the newest N.")] = None,
) -> None:
    """Every call, oldest first. --json prints one array, one object a line."""
    with _remedies(), open_reader(data / "ledger.db") as reader:
        calls = reader.calls(last)
        for line in _json_lines(calls) if as_json else _table(calls):
            typer.echo(line)


@app.command("show", epilog="Example: python -m callactors calls show 0192f0 --data data")
def show_call(
    call: Annotated[str, typer.Argument(metavar="ID", help="The call's id, or how it begins.")],
    data: Data = Path("data"),
    as_json: Json = False,
) -> None:
    """Everything about one call: turns, tools, transfers, media quality, events, recording."""
    with _remedies(), open_reader(data / "ledger.db") as reader:
        facts = reader.call(call)
        typer.echo(msgspec.json.encode(facts).decode() if as_json else "\n".join(_view(facts)))


@app.command("recording", epilog="Example: python -m callactors calls recording 0192f0 --out call.wav --data data")
def save_recording(
    call: Annotated[str, typer.Argument(metavar="ID", help="The call's id, or how it begins.")],
    data: Data = Path("data"),
    out: call_recording.Out = None,
    config: call_recording.Config = None,
    partial: call_recording.Partial = False,
) -> None:
    """Write a call's recording to a file that any player plays; one that is encrypted is decrypted."""
    with _remedies():
        typer.echo(str(call_recording.save(call, data, out, config, partial)))


class _remedies:
    """What we can explain becomes its text on stderr and exit code 1."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, CallactorsError):
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error


def _json_lines(calls: Iterator[Facts]) -> Iterator[str]:
    yield "["
    waiting = ""
    for facts in calls:
        if waiting:
            yield waiting + ","
        waiting = msgspec.json.encode(facts).decode()
    if waiting:
        yield waiting
    yield "]"


def _table(calls: Iterator[Facts]) -> Iterator[str]:
    rows = [_cells(facts) for facts in calls]
    if not rows:
        yield "no calls yet"
        return
    widths = [max(len(row[n]) for row in [_HEAD, *rows]) for n in range(len(_HEAD))]
    for row in [_HEAD, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(facts: Facts) -> tuple[str, ...]:
    seconds = "-" if facts["duration"] is None else f"{facts['duration']:.1f} s"
    names = ("caller", "called", "scenario")
    cause = facts["cause"] if facts["ended"] else "(open)"
    return (
        _cell(facts["call"]),
        _cell(facts["started"]),
        _WAYS.get(str(facts["direction"]), "-"),
        *(_cell(facts[name]) for name in names),
        seconds,
        _cell(facts["outcome"]),
        _cell(cause),
        _cell(facts["sip_code"]),
        _usd(facts),
    )


def _usd(facts: Facts) -> str:
    return "-" if facts["usd"] is None else f"{facts['usd']:.4f}"


def _cell(value: object, longest: int = 60) -> str:
    return "-" if value is None or value == "" else safe(value, longest)


def _view(facts: Facts) -> Iterator[str]:
    for name in ("call", "direction", "scenario", "caller", "called", "trunk", "started", "answered", "ended"):
        yield f"{name:<10} {_cell(facts[name])}"
    ended = f"{_cell(facts['cause'])} (by {_cell(facts['ended_by'])})" if facts["ended"] else "the call is still open"
    yield f"{'cause':<10} {ended}, SIP {_cell(facts['sip_code'])}"
    yield f"{'outcome':<10} {_cell(facts['outcome'])}"
    yield f"{'usd':<10} {_usd(facts)}"
    yield f"{'recording':<10} {_cell_path(facts['recording'])}{call_recording.line(facts)}"
    for title, lines in _sections(facts):
        if lines:
            yield ""
            yield title
            yield from (f"  {line}" for line in lines)


def _sections(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    yield "legs", [_attempt(one) for one in facts["attempts"]]
    yield "conversation", [line for turn in facts["turns"] for line in _turn(turn)]
    yield "tools", [_tool(run) for run in facts["tools"]]
    yield "transfers", [_words(one, "n", "kind", "target", "at", "outcome", "sip_code") for one in facts["transfers"]]
    yield "media", [_words(one, *one) for one in facts["quality"]]
    yield (
        "events",
        [f"{_cell(one['at'])} {_cell(one['kind'])} {_text(one['body'])}".rstrip() for one in facts["events"]],
    )


def _attempt(one: Facts) -> str:
    return _words(one, "n", "leg", "trunk", "target", "rang", "answered", "ended", "sip_code", "q850", "reason")


def _turn(turn: Facts) -> Iterator[str]:
    if turn["heard"]:
        yield f"caller: {_text(turn['heard'])}"
    cut = "" if turn["cut_ms"] is None else f" (cut off after {turn['cut_ms']} ms)"
    if turn["said"]:
        yield f"agent:  {_text(turn['said'])}{cut}"
    if turn["stages"] and "response" in turn["stages"]:
        yield _stages(turn["stages"])


def _stages(stages: Facts) -> str:
    """How long the caller waited, and for what."""
    names = ("detection", "to_first_audio", "transcode", "slot", "onset")
    words = {"to_first_audio": "model"}
    parts = ", ".join(f"{words.get(name, name)} {stages[name]:.0f}" for name in names if name in stages)
    return f"        answered after {stages['response']:.0f} ms ({parts})"


def _tool(run: Facts) -> str:
    return f"{_cell(run['tool'])} {_text(run['arguments'])} -> {_cell(run['state'])}: {_text(run['output'])}"


def _words(facts: Facts, *names: str) -> str:
    return " ".join(f"{name}={_cell(facts[name], REASON)}" for name in names if facts[name] is not None)


def _text(value: Any) -> str:
    """What somebody said, or JSON: on one line, whole sentences without quotes around them."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(one if one.isprintable() else safe(one).strip('"') for one in text[:2000])


def _cell_path(path: str | None) -> str:
    return "-" if path is None else _text(path)
