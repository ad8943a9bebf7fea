"""`doctor`: will callactors run on this machine? A checklist for people, with what to do about whatever is amiss.

Nothing is changed, fetched or sent; ports are bound for a moment and given back. A finding is `needed` when the
configuration of this folder (or the embedded default) cannot run without it; only those make the exit code 1.
"""

from __future__ import annotations

import importlib.util
import json as json_module
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import attrs
import typer

from callactors import config as configuration
from callactors.audio import codecs, opus
from callactors.commands.compiled import compiled
from callactors.config import Config
from callactors.config.schema import EmbeddedModel
from callactors.errors import ConfigError
from callactors.scenario.library import read
from callactors.speech import weights

HERE = Path("callactors.yaml")
CORE = ("trio", "trio_websocket", "h11", "anyio", "msgspec", "attrs", "numpy", "pybase64", "yaml", "sqlalchemy")
CORE_FACES = ("hypercorn", "litestar", "prometheus_client", "structlog", "typer", "rich")
DESCRIPTORS_PER_CALL = 4  # RTP, RTCP, a model socket, a recording
DESCRIPTORS_ELSE = 100
OLDEST_CLOCK = 1_735_689_600.0  # 2025-01-01: a clock before this was never set


@attrs.frozen
class Finding:
    """One line of the checklist. `detail` says what is, `remedy` what to do when it is not well."""

    name: str
    well: bool
    detail: str
    remedy: str = ""
    needed: bool = True


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a list.")] = False,
    model_dir: Annotated[Path | None, typer.Option(help="Where the embedded brain's weights are.")] = None,
    data: Annotated[str | None, typer.Option(help="The data folder, instead of data/.")] = None,
) -> None:
    """Look this machine over and say what callactors would miss.

    Example: python -m callactors doctor --model-dir /srv/weights
    """
    found: list[Finding] = []
    for finding in examine(model_dir, data):
        found.append(finding)
        if not json:
            _show(finding)
    missing = [finding for finding in found if finding.needed and not finding.well]
    if json:
        findings = [attrs.asdict(finding) for finding in found]
        typer.echo(json_module.dumps({"ok": not missing, "findings": findings}, ensure_ascii=False))
    else:
        typer.echo("Ready." if not missing else f"{len(missing)} to put right before callactors can run.")
    raise typer.Exit(1 if missing else 0)


def examine(model_dir: Path | None = None, data: str | None = None) -> Iterator[Finding]:
    """Every finding, as it is made; the weights are hashed, which takes a moment."""
    yield _python()
    yield from _packages()
    yield _media_path()
    finding, config = _configuration(data)
    yield finding
    yield from _weights(config, model_dir)
    yield from _codecs()
    yield _descriptors(config)
    yield from _ports(config)
    yield _data_folder(config)
    yield _clock()


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("Python", sys.version_info >= (3, 11), version, "callactors needs Python 3.11 or newer")


def _packages() -> Iterator[Finding]:
    missing = [name for name in CORE + CORE_FACES if importlib.util.find_spec(name) is None]
    detail = f"missing: {', '.join(missing)}" if missing else "all installed"
    yield Finding("packages", not missing, detail, "pip install callactors")
    for extra, module in (("interop", "openai"), ("test", "pytest")):
        there = importlib.util.find_spec(module) is not None
        remedy = f"pip install 'callactors[{extra}]' if you want it"
        yield Finding(f"extra {extra}", there, "installed" if there else "not installed", remedy, needed=False)


def _media_path() -> Finding:
    detail = {
        "yes": "compiled",
        "no": "from its sources; compiled it takes a sixth to a quarter less CPU (README, Figures)",
        "stale": "compiled of sources that have changed since, and what has changed does not run",
    }[state := compiled()]
    remedy = "install it again with HATCH_BUILD_HOOKS_ENABLE=1, or delete every *.so in callactors/"
    return Finding("media path", state != "stale", detail, remedy, needed=False)


def _configuration(data: str | None) -> tuple[Finding, Config]:
    """The configuration this folder would run with; the embedded default stands in for a broken one."""
    config, finding = configuration.default(), Finding("configuration", True, "the embedded default")
    if HERE.is_file():
        try:
            config = configuration.load(read(HERE), str(HERE), os.environ)
            finding = Finding("configuration", True, str(HERE))
        except ConfigError as error:
            finding = Finding("configuration", False, str(error).splitlines()[0], "run: python -m callactors check")
    return finding, configuration.override(config, data=data)


def _weights(config: Config, model_dir: Path | None) -> Iterator[Finding]:
    embedded = [model for model in config.models.values() if isinstance(model, EmbeddedModel)]
    given = next((Path(model.model_dir) for model in embedded if model.model_dir), None)
    for name, well, what in weights.check(model_dir or given):
        needed = bool(embedded) and not name.startswith("sentence encoder")
        yield Finding(name, well, what, "" if well else "the embedded brain needs it", needed=needed)


def _codecs() -> Iterator[Finding]:
    """What may be missing of them; G.711 is always there."""
    for codec, remedy in codecs.REMEDIES.items():
        reason = codecs.missing(codec)
        there = (opus.version() if codec == "opus" else "there") if not reason else ""
        remedy += "; it is not offered until then"
        yield Finding(f"codec {codec}", not reason, there or reason, remedy, needed=False)


def _descriptors(config: Config) -> Finding:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (config.limits.calls or 1) * DESCRIPTORS_PER_CALL + DESCRIPTORS_ELSE
    well = most == resource.RLIM_INFINITY or most >= wanted
    return Finding("file descriptors", well, f"up to {most}, {wanted} wanted", "raise the hard limit: ulimit -Hn")


def _ports(config: Config) -> Iterator[Finding]:
    busy = "something listens there; is callactors running already? --sip and --web choose others"
    sip = config.listen.udp
    yield _port("SIP port", sip.host, sip.port, socket.SOCK_DGRAM, busy)
    if config.listen.web is not None:
        yield _port("web port", *config.listen.web, socket.SOCK_STREAM, busy)
    first = config.listen.rtp.start
    remedy = "listen.rtp names the range"
    yield _port("first RTP port", sip.host, first, socket.SOCK_DGRAM, remedy, needed=False)


def _port(name: str, host: str, port: int, kind: int, remedy: str, *, needed: bool = True) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(name, False, f"{host}:{port}: {error.strerror or error}", remedy, needed=needed)
    return Finding(name, True, f"{host}:{port} is free", needed=needed)


def _data_folder(config: Config) -> Finding:
    folder = Path(config.data_dir)
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    well = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    detail = f"{folder} is writable" if there == folder else f"{folder} can be made in {there}"
    if not well:
        detail = f"{there} cannot be written to"
    return Finding("data folder", well, detail, "--data DIR chooses another")


def _clock() -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    return Finding("clock", now >= OLDEST_CLOCK, shown, "set the clock: records are stored by it")


def _show(finding: Finding) -> None:
    """One line; click drops the colour when this is no terminal."""
    sign, colour = ("ok  ", "green") if finding.well else ("MISS", "red") if finding.needed else ("none", "yellow")
    typer.secho(sign, fg=colour, nl=False)
    typer.echo(
        f"  {finding.name}: {finding.detail}" + ("" if finding.well or not finding.remedy else f"; {finding.remedy}")
    )
