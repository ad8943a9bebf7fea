"""`trunks list` and `trunks probe [NAME]`: the carriers of callactors.yaml, whether they answer, what to tick there.

Exit code 0 when every trunk that was asked answers, 1 when one does not, 2 for a configuration that cannot be used.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import trio
import typer

from callactors.calls.dialer import Dialer
from callactors.calls.prober import Probed, Prober
from callactors.calls.trunk_board import Board, read_board
from callactors.commands.listening import open_wires
from callactors.commands.run import HERE, load
from callactors.config import Config, neighbours
from callactors.config.profiles import tick
from callactors.errors import CallactorsError, ConfigError
from callactors.net.resolver import Resolver
from callactors.net.sip_endpoint import SipEndpoint

File = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="callactors.yaml of this folder, if left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    name="trunks",
    help="Look at the carriers, and ask whether they answer.",
    epilog="Example: python -m callactors trunks probe twilio",
    no_args_is_help=True,
)


@app.command("list", epilog="Example: python -m callactors trunks list --json")
def list_trunks(
    file: File = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The data folder of a run.")] = None,
    as_json: Json = False,
) -> None:
    """Every trunk of the configuration; how it is doing, while a process runs on the data folder."""
    config = _config(file, None, data)
    try:
        board = read_board(Path(config.data_dir))
    except CallactorsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    facts = [{**_facts(config, name), "state": board.get(name, {})} for name in config.trunks]
    for line in [_json(facts)] if as_json else _listing(facts, board):
        typer.echo(line)


@app.command("probe", epilog="Example: python -m callactors trunks probe twilio --sip 203.0.113.7:0")
def probe(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A trunk; all of them, if left out.")] = None,
    file: File = None,
    sip: Annotated[str | None, typer.Option(help="HOST:PORT to ask from; by default a free port of ours.")] = None,
    as_json: Json = False,
) -> None:
    """Find each trunk's addresses, ask them by OPTIONS, and say what to tick at the carrier."""
    config = _config(file, sip, None)
    if name is not None and name not in config.trunks:
        typer.echo(f"there is no trunk {name!r}; there are {', '.join(config.trunks)}", err=True)
        raise typer.Exit(2)
    names = [name] if name else list(config.trunks)
    try:
        found = trio.run(probe_all, config, names)
    except CallactorsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    facts = [{**_facts(config, one), "answers": found[one], "tick": tick(config.trunks[one].profile)} for one in names]
    for line in [_json(facts)] if as_json else _report(facts):
        typer.echo(line)
    raise typer.Exit(0 if all(_answers(one) for one in facts) else 1)


async def probe_all(config: Config, names: list[str]) -> dict[str, list[Probed]]:
    """What every address of these trunks says. Raises Unusable when we cannot listen for the answers."""
    dice, wires = random.SystemRandom(), open_wires(config)
    endpoint = SipEndpoint(
        *wires.address,
        node=config.node,
        trunk_of=lambda source: neighbours.trunk_of(config, source, wires.names(source.flow)),
        on_invite=lambda invite: endpoint.reject(invite.session, 503),
        random=dice,
        advertise=config.listen.advertise,
        policy_of=config.policy,
        wire=wires,
    )
    prober = Prober(Dialer(config, Resolver.of(config, dice), dice), endpoint, dice)
    found: dict[str, list[Probed]] = {}

    async def ask(name: str) -> None:
        found[name] = await prober.probe(name)

    async with trio.open_nursery() as serving:
        await serving.start(endpoint.run)
        async with trio.open_nursery() as asking:
            for name in names:
                asking.start_soon(ask, name)
        serving.cancel_scope.cancel()
    return found


def _config(file: Path | None, sip: str | None, data: Path | None) -> Config:
    try:
        config = load(file or (HERE if HERE.is_file() else None), data=data)
        host = config.listen.udp.host
        return load(file or (HERE if HERE.is_file() else None), data=data, sip=sip or f"{host}:0")
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _facts(config: Config, name: str) -> dict[str, Any]:
    trunk = config.trunks[name]
    return {
        "trunk": name,
        "profile": trunk.profile,
        "to": list(trunk.to),
        "from": [str(network) for network in trunk.sources],
        "registers": trunk.register is not None,
        "channels": trunk.channels,
        "cps": trunk.cps,
        "routes": [route.to for route in config.routes if any(one.trunk == name for row in route.tries for one in row)],
    }


def _json(facts: list[dict[str, Any]]) -> str:
    return msgspec.json.encode([{**one, **_said_plainly(one)} for one in facts]).decode()


def _said_plainly(one: dict[str, Any]) -> dict[str, Any]:
    return {"answers": [_plain(answer) for answer in one["answers"]]} if "answers" in one else {}


def _plain(answer: Probed) -> dict[str, Any]:
    seconds = round(answer.seconds, 4)
    return {
        "hop": str(answer.hop),
        "status": answer.status,
        "seconds": seconds,
        "alive": answer.alive,
        "unreachable": answer.unreachable,
    }


def _listing(facts: list[dict[str, Any]], board: Board) -> Iterator[str]:
    for one in facts:
        to, sources = ", ".join(one["to"]) or "-", ", ".join(one["from"]) or "-"
        yield f"{one['trunk']}  ({one['profile']})  to {to}  from {sources}  {_limits(one)}".rstrip()
        for about, known in board.get(one["trunk"], {}).items():
            yield f"    {about}: " + ", ".join(f"{key} {value}" for key, value in known.items() if value is not None)
    if not board:
        yield "no process runs on this data folder: whether a trunk answers is what `trunks probe` asks"


def _limits(one: dict[str, Any]) -> str:
    words = {"channels": "channels", "cps": "calls/s"}
    return "  ".join(f"{one[key]:g} {word}" for key, word in words.items() if one[key] is not None)


def _report(facts: list[dict[str, Any]]) -> Iterator[str]:
    for one in facts:
        yield f"{one['trunk']} ({one['profile']})"
        if not one["to"]:
            yield "  calls come from it, none go to it: it has no `to`"
        elif not one["answers"]:
            yield f"  {', '.join(one['to'])}: no address found in DNS"
        yield from (f"  {_said(answer)}" for answer in one["answers"])
        yield "  tick at the carrier:"
        yield from (f"    [ ] {step}" for step in one["tick"])


def _said(answer: Probed) -> str:
    if answer.unreachable:
        return f"{answer.hop}: cannot be reached: nothing listens there, or no connection is allowed"
    if answer.status is None:
        return f"{answer.hop}: no answer in {answer.seconds:.1f} s: is our address allowed there, and the port open?"
    word = "answers" if answer.alive else "says not now:"
    return f"{answer.hop}: {word} {answer.status} after {answer.seconds * 1000:.0f} ms{_hint(answer.status)}"


def _hint(status: int) -> str:
    if status in (401, 407):
        return ": it wants credentials; write `auth`, or allow our address at the carrier"
    return ": it does not take us; allow our address at the carrier" if status == 403 else ""


def _answers(one: dict[str, Any]) -> bool:
    """A trunk without `to` owes no answer."""
    return not one["to"] or any(answer.alive for answer in one["answers"])
