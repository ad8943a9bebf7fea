"""What is measured, each in a process of its own: `run` as shipped, and Kamailio with nobody behind it.

A program is an async context that yields its SIP address and its pid, and ends it by that pid.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from os import sysconf
from pathlib import Path

import trio

from callactors.errors import Unusable
from callactors.sip.address import Address

HOST = "127.0.0.1"
START = 60.0  # seconds a program may take to start
MODULES = ("/usr/lib/x86_64-linux-gnu/kamailio/modules", "/usr/lib/aarch64-linux-gnu/kamailio/modules")
TICK = sysconf("SC_CLK_TCK")
FLOOR_PORT = 15_060
CONFIG = """\
version: 1
node: bench
listen: {{rtp: 30000-49999}}
trunks: {{sipp: {{from: [127.0.0.0/8]}}}}
numbers: [{{match: "*", trunk: sipp, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.1:5070", trunk: sipp}}}}
models: {{offline: {{kind: embedded}}}}
answer: {{when: at_once}}
limits: {{lag_ms: off, cpu: off}}
ledger: {{path: {data}/ledger.db}}
stores: {{url: "sqlite:///{data}/stores.db"}}
"""


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Address, int]]:
    """`callactors run` with the salon and the embedded brain, nothing recorded. Raises Unusable.

    What fails first is looked for: a door that closes before anything fails would hide it.
    """
    (folder / "house.yaml").write_text(CONFIG.format(data=folder))
    options = ["--sip", f"{HOST}:0", "--web", "off", "--data", str(folder)]
    command = [sys.executable, "-m", "callactors", "run", str(folder / "house.yaml"), *options]
    async with running(command, folder / "house.log") as process:
        assert process.stdout is not None  # it was asked for
        ready = b""
        with trio.move_on_after(START):
            while b"\n" not in ready and (more := await process.stdout.receive_some(400)):
                ready += more
        words = dict(word.split("=", 1) for word in ready.decode().split() if "=" in word)
        if "sip" not in words:
            raise Unusable(f"callactors did not start: {(folder / 'house.log').read_text()[-500:]}")
        host, _, port = words["sip"].rpartition(":")
        yield Address(host, int(port)), process.pid


@asynccontextmanager
async def floor(folder: Path) -> AsyncIterator[tuple[Address, int]]:
    """Kamailio answering everything with 200. Raises Unusable."""
    text = resources.files("callactors.commands.bench").joinpath("floor.cfg").read_text("utf-8")
    for word, value in (("@HOST@", HOST), ("@PORT@", str(FLOOR_PORT)), ("@MODULES@", _modules())):
        text = text.replace(word, value)
    (folder / "floor.cfg").write_text(text)
    command = ["kamailio", "-f", str(folder / "floor.cfg"), "-DD", "-E", "-m", "256", "-M", "8"]
    async with running(command, folder / "floor.log") as process:
        with trio.move_on_after(START) as patience:
            await _answers(Address(HOST, FLOOR_PORT))
        if patience.cancelled_caught:
            raise Unusable(f"kamailio did not start: {(folder / 'floor.log').read_text()[-500:]}")
        yield Address(HOST, FLOOR_PORT), process.pid


def _modules() -> str:
    return next((path for path in MODULES if Path(path).is_dir()), MODULES[0])


@asynccontextmanager
async def running(command: Sequence[str], log: Path, stdin: int | None = None) -> AsyncIterator[trio.Process]:
    """A child for as long as the block lasts; its standard error goes to `log`, `stdin` may be a pipe."""
    async with trio.open_nursery() as nursery:
        with log.open("wb") as errors:
            run = partial(
                trio.run_process,
                list(command),
                stdin=b"" if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
                deliver_cancel=_end,
            )
            process: trio.Process = await nursery.start(run)
        try:
            yield process
        finally:
            nursery.cancel_scope.cancel()


async def _end(process: trio.Process) -> None:
    """SIGTERM, and again for one that has calls to finish; the third word is SIGKILL."""
    with trio.CancelScope(shield=True):
        for patience in (1.0, 3.0):
            process.terminate()
            with trio.move_on_after(patience):
                await process.wait()
                return
        process.kill()


async def _answers(address: Address) -> None:
    """Until a SIP program answers OPTIONS there."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as ours:
        await ours.bind((HOST, 0))
        port = ours.getsockname()[1]
        asked = (
            f"OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bKbench\r\n"
            f"Max-Forwards: 9\r\nFrom: <sip:bench@{HOST}>;tag=b\r\nTo: <sip:{address}>\r\n"
            "Call-ID: bench\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        while True:
            await ours.sendto(asked.encode(), address)
            with trio.move_on_after(0.2):
                await ours.recv(2000)
                return


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children so far."""
    total = 0.0
    for one in (pid, *_children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def memory_kb(pids: Sequence[int]) -> int:
    """What processes and their children hold in memory now, shared pages included."""
    total = 0
    for one in (each for pid in pids for each in (pid, *_children(pid))):
        status = Path(f"/proc/{one}/status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total


def _children(pid: int) -> Iterator[int]:
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            yield child
            yield from _children(child)
