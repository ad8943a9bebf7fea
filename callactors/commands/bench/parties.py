"""The processes of the media bench: the model peer, `run` with a configuration of its own, the naive one, the load.

Each is an async context or a call; each ends by its own pid.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import trio

from callactors.commands.bench.facts import Audio, Loaded, Order, PeerReport, Script
from callactors.commands.bench.programs import HOST, START, running
from callactors.errors import Unusable
from callactors.testing.certificate import certificate

CONFIG = """\
version: 1
node: bench
listen: {{rtp: 10000-29999}}
trunks: {{load: {{from: [127.0.0.0/8], media_from: [127.0.0.0/8], codecs: [{codec}], srtp: {srtp}}}}}
numbers: [{{match: "*", trunk: load, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.1:5070", trunk: load}}}}
models: {{main: {{kind: realtime, url: "{scheme}://127.0.0.1:{port}/v1/realtime", audio: {audio}{ca}}}}}
answer: {{when: at_once}}
recording: {{mode: {recording}}}
{limits}
ledger: {{path: {data}/ledger.db}}
stores: {{url: "sqlite:///{data}/stores.db"}}
"""
OPEN = "limits: {lag_ms: off, cpu: off}"  # what fails first is looked for: a door that closes before would hide it


@attrs.frozen
class Setup:
    """What is measured: who answers, what the model takes, and what is switched on beside."""

    name: str
    audio: Audio = "pcm16"
    tls: bool = False
    srtp: bool = False
    opus: bool = False
    recording: bool = False
    long: bool = False  # answers of which up to 10 s are queued to play
    naive: bool = False
    limit: int | None = None  # limits.calls


@attrs.define(eq=False)
class Model:
    """The model peer, seen from here."""

    port: int
    certificate: Path | None
    _process: trio.Process
    _rest: bytes = b""

    async def report(self) -> PeerReport:
        """What it saw since it was last asked. Raises Unusable when it has died."""
        assert self._process.stdin is not None  # it was asked for
        await self._process.stdin.send_all(b"report\n")
        line, self._rest = await read_line(self._process, self._rest)
        return msgspec.json.decode(line, type=PeerReport)


@asynccontextmanager
async def model(folder: Path, script: Script, tls: bool) -> AsyncIterator[Model]:
    """The peer on a free port. Raises Unusable."""
    pem = certificate(folder) if tls else None
    if pem is not None:
        script = msgspec.structs.replace(script, certificate=str(pem), key=str(pem))
    command = _ours("peer", script)
    async with running(command, folder / "peer.log", stdin=subprocess.PIPE) as process:
        line, rest = await read_line(process)
        yield Model(int(line.partition(b"=")[2]), pem, process, rest)


@asynccontextmanager
async def answering(folder: Path, setup: Setup, peer: Model) -> AsyncIterator[tuple[int, int]]:
    """What answers the calls: its SIP port and its pid. Raises Unusable when it does not start."""
    log = folder / f"{setup.name}.log"
    command = _naive(peer) if setup.naive else _house(folder, setup, peer)
    async with running(command, log) as process:
        ready = b""
        with trio.move_on_after(START):
            ready, _ = await read_line(process)
        words = dict(word.split("=", 1) for word in ready.decode().split() if "=" in word)
        if "sip" not in words:
            raise Unusable(f"{setup.name} did not start: {log.read_text()[-800:]}")
        try:
            yield int(words["sip"].rpartition(":")[2]), process.pid
        except Unusable as error:
            raise Unusable(f"{error}\n{setup.name} said: {log.read_text()[-800:]}") from error


def _naive(peer: Model) -> list[str]:
    return [sys.executable, "-m", "callactors.commands.bench.naive", str(peer.port)]


def _house(folder: Path, setup: Setup, peer: Model) -> list[str]:
    text = CONFIG.format(
        codec="opus" if setup.opus else "pcmu",
        srtp="require" if setup.srtp else "off",
        scheme="wss" if setup.tls else "ws",
        port=peer.port,
        audio="pcm16" if setup.audio == "pcm16" else "auto",
        ca=f", ca: {peer.certificate}" if peer.certificate else "",
        recording="always" if setup.recording else "off",
        limits=OPEN if setup.limit is None else f"limits: {{calls: {setup.limit}}}",
        data=folder,
    )
    config = folder / f"{setup.name}.yaml"
    config.write_text(text)
    options = ["--sip", f"{HOST}:0", "--web", "off", "--data", str(folder)]
    return [sys.executable, "-m", "callactors", "run", str(config), *options]


async def load(order: Order) -> Loaded:
    """The generator's word on one order. Raises Unusable when it broke."""
    done = await trio.run_process(_ours("generator", order), capture_stdout=True, capture_stderr=True, check=False)
    if done.returncode:
        raise Unusable(f"the load generator broke: {done.stderr.decode(errors='replace')[-800:]}")
    return msgspec.json.decode(done.stdout, type=Loaded)


def _ours(name: str, asked: msgspec.Struct) -> list[str]:
    return [sys.executable, "-m", f"callactors.commands.bench.{name}", msgspec.json.encode(asked).decode()]


async def read_line(process: trio.Process, before: bytes = b"") -> tuple[bytes, bytes]:
    """A line of its standard output, and what came behind it. Raises Unusable when it ended first."""
    assert process.stdout is not None  # it was asked for
    pieces: list[bytes] = [before]
    while b"\n" not in pieces[-1]:
        more = await process.stdout.receive_some(1 << 20)
        if not more:
            raise Unusable(f"{shown(process.args)} ended before it had said a word")
        pieces.append(bytes(more))
    line, _, rest = b"".join(pieces).partition(b"\n")
    return line, rest


def shown(command: Sequence[str] | str | bytes | object) -> str:
    """Which program that was."""
    return " ".join(command[:3]) if isinstance(command, list) else str(command)
