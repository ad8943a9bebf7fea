"""What the tests with real programs share: `python -m callactors run` as a child, SIPp and baresip beside it.

- Everything is a child process that is ended by its pid, on 127.0.0.0/8 alone, with its files under tmp_path.
- Waiting is for facts (a record closed, a line logged, a descriptor gone) with a time limit, never for time to pass.
"""

from __future__ import annotations

import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import attrs
import trio

from callactors.sip.address import Address
from callactors.stores.ledger_reader import Facts, open_reader

SCENARIOS = Path(__file__).parent / "sipp"
ROOT = Path(__file__).parents[2]  # `-m callactors` is found here, installed or not
COMMAND = (sys.executable, "-m", "callactors")
PLACING = (sys.executable, "-m", "tests.interop.placing")
START = 60.0  # seconds a start may take on a busy machine, phrases not spoken yet
FIRST = -20  # the niceness of who runs before everybody else
LOOK = 0.02  # seconds between two looks at a fact
PATIENCE = 30.0  # seconds for a fact that is no promise of ours about time: other programs start and end when they can
DEFAULT = (ROOT / "callactors" / "config" / "default.yaml").read_text()
CARRIER = "127.0.0.10"  # the carrier's pool is 127.0.0.10 to 127.0.0.13
STRANGER = "127.0.0.66"


# The system gives out 32768 and up to whoever asks for any port, houses have 20000 and up and 8000 to 8999 (desks.py),
# the bench has 15060.
_MEDIA, _OTHERS = range(10_000, 15_000, 8), range(16_000, 20_000)
_media_ports, _other_ports = (cycle(random.sample(ports, len(ports))) for ports in (_MEDIA, _OTHERS))


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody has, UDP or TCP. None comes twice before all did: who asked may not have bound it yet."""
    return next(port for port in islice(_other_ports, len(_OTHERS)) if _free(host, port))


def media_port() -> int:
    """An even port with eight free ones from it on, at any address: a tap knows whose ear it is by the port alone."""
    return next(port for port in islice(_media_ports, len(_MEDIA)) if all(_free("", port + up) for up in range(8)))


def _free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


async def until(fact: Callable[[], Any], seconds: float = PATIENCE, what: str = "") -> Any:
    """Wait for something to be true and return it. Fails with `what` after `seconds`."""
    with trio.move_on_after(seconds):
        while not (found := fact()):  # noqa: ASYNC110  # facts about other processes set no Event of ours
            await trio.sleep(LOOK)
        return found
    raise AssertionError(f"not within {seconds} s: {what or fact}")


# -- callactors ------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Program:
    """A running `callactors run`."""

    process: subprocess.Popen[str]
    sip: Address
    web: Address
    data: Path
    log_file: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self, event: str = "") -> list[str]:
        """The lines logged so far, of one event or all."""
        lines = self.log_file.read_text().splitlines()
        return [line for line in lines if not event or re.match(rf"\S+ \S+ {re.escape(event)}( |$)", line)]

    def calls(self) -> list[Facts]:
        """Every call record so far."""
        with open_reader(self.data / "ledger.db") as reader:
            return list(reader.calls())

    def call(self, call: str) -> Facts:
        """Everything about one call."""
        with open_reader(self.data / "ledger.db") as reader:
            return reader.call(call)

    async def closed(self, caller: str, count: int = 1, seconds: float = PATIENCE) -> list[Facts]:
        """The records of one caller, once `count` of them are closed."""

        def found() -> list[Facts] | None:
            mine = [one for one in self.calls() if one["caller"] == caller]
            return mine if sum(one["ended"] is not None for one in mine) >= count else None

        result: list[Facts] = await until(found, seconds, f"{count} closed records of {caller}")
        return result

    async def closed_to(self, *numbers: str, seconds: float = PATIENCE) -> list[Facts]:
        """The records of calls to these numbers, once each has one that is closed."""

        def found() -> list[Facts] | None:
            theirs = [one for one in self.calls() if one["called"] in numbers and one["ended"] is not None]
            return theirs if {one["called"] for one in theirs} == set(numbers) else None

        result: list[Facts] = await until(found, seconds, f"closed records of calls to {numbers}")
        return result

    async def open_call(self, caller: str, count: int = 1) -> list[Facts]:
        """The records of one caller, once `count` of them are answered."""

        def found() -> list[Facts] | None:
            mine = [one for one in self.calls() if one["caller"] == caller and one["answered"]]
            return mine if len(mine) >= count else None

        result: list[Facts] = await until(found, PATIENCE, f"{count} answered calls of {caller}")
        return result

    def capture(self) -> str:
        """The SIP messages captured so far."""
        return (self.data / "sip.log").read_text()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def sockets(self) -> int:
        """Descriptors that are sockets."""
        return sum(
            _link(f"/proc/{self.pid}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{self.pid}/fd")
        )

    def memory(self) -> int:
        """Bytes it has in RAM."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def children(self) -> int:
        """Processes that are its own, whichever thread started them."""
        lists = Path(f"/proc/{self.pid}/task").glob("*/children")
        return sum(len(children.read_text().split()) for children in lists)

    def order(self, *lines: str) -> None:
        """What placing.py is to place, one call a line."""
        assert self.process.stdin is not None
        self.process.stdin.writelines(f"{line}\n" for line in lines)
        self.process.stdin.flush()

    @contextmanager
    def before_others(self) -> Iterator[None]:
        """It runs whenever it wants to, where we may say so: what is late then is so by itself."""
        self._prefer(FIRST)
        try:
            yield
        finally:
            self._prefer(0)

    def _prefer(self, nice: int) -> None:
        """Every thread of it and of its children: one that had to wait itself might hold what a loop waits for."""
        processes = [self.pid]
        for pid in processes:
            with suppress(PermissionError, ProcessLookupError, FileNotFoundError):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)
                    processes += map(int, (thread / "children").read_text().split())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def exit_code(self, seconds: float = 20.0) -> int:
        """Wait for its end."""
        await until(lambda: self.process.poll() is not None, seconds, "the end of the process")
        assert self.process.returncode is not None
        return self.process.returncode

    def end(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:  # closed between listing and looking
        return ""


@attrs.frozen
class Exchange:
    """Starts programs; the sentences they speak at start are kept from one to the next."""

    folder: Path
    phrases: Path

    @contextmanager
    def run(
        self,
        *options: str,
        config: str = "",
        sip: str = "127.0.0.1:0",
        name: str = "house",
        command: Sequence[str] = (*COMMAND, "run"),
    ) -> Iterator[Program]:
        """`callactors run` with this configuration (the embedded default without one), until the block is left.

        Unless the configuration says when a late loop refuses calls, it does not: the machine is others' too.
        `sip` "" leaves the listeners to the configuration; `command` PLACING is a house that takes orders too.
        """
        data = self.folder / name
        data.mkdir(exist_ok=True)
        if self.phrases.is_dir() and not (data / "phrases").exists():
            shutil.copytree(self.phrases, data / "phrases")
        (self.folder / f"{name}.yaml").write_text(unhurried(config or DEFAULT))
        given = [str(self.folder / f"{name}.yaml"), *(["--sip", sip] if sip else [])]
        whole = [*command, *given, "--web", "127.0.0.1:0", "--data", str(data), *options]
        program = self._start(whole, data, self.folder / f"{name}.log")
        if (data / "phrases").is_dir():
            shutil.copytree(data / "phrases", self.phrases, dirs_exist_ok=True)
        try:
            yield program
        finally:
            program.end()

    def _start(self, command: Sequence[str], data: Path, log_file: Path) -> Program:
        with log_file.open("a") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
            )
        ready = _first_line(process)
        found = re.fullmatch(r"READY sip=(\S+):(\d+) web=(\S+):(\d+)\n", ready)
        if found is None:
            process.kill()
            process.wait(10)
            raise AssertionError(f"no READY but {ready!r}: {log_file.read_text()[-2000:]}")
        sip, web = Address(found[1], int(found[2])), Address(found[3], int(found[4]))
        return Program(process, sip, web, data, log_file)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START)
    return process.stdout.readline() if readable else ""


def unhurried(config: str) -> str:
    """The configuration of a house that refuses nobody because its loop is late or its core busy, unless it says so."""
    if "lag_ms" in config:
        return config
    if "\nlimits: {" in config:
        return config.replace("\nlimits: {", "\nlimits: {lag_ms: off, cpu: off, ")
    return f"{config}limits: {{lag_ms: off, cpu: off}}\n"


def patient(folder: Path) -> tuple[str, str]:
    """Options of `run` for a salon that waits for silent callers as long as they like."""
    (folder / "agents").mkdir()
    (folder / "scenarios").mkdir()
    shipped = (ROOT / "scenarios" / "salon.yaml").read_text()
    (folder / "scenarios" / "salon.yaml").write_text(shipped.replace(", silence: [8, 8, handoff]", ""))
    return "--agents", str(folder / "agents")


# -- SIPp ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Sipp:
    """What SIPp ended with: its exit code (0: every call went as its scenario says), its errors, its screens."""

    code: int
    errors: str
    output: str

    def counted(self, name: str) -> int:
        """The cumulative value of one line of its last statistics screen."""
        found = re.findall(rf"{re.escape(name)}\s*\|\s*\d+\s*\|\s*(\d+)", self.output)
        return int(found[-1])


async def sipp(
    folder: Path, to: Address, *options: str, scenario: str = "", host: str = CARRIER, calls: int = 1, seconds: int = 60
) -> Sipp:
    """Run SIPp to its end from a free port of `host`. `scenario` names a file of tests/interop/sipp."""
    port, media = free_port(host), media_port()
    place = folder / f"sipp-{port}"
    place.mkdir()
    what = ["-sf", str(SCENARIOS / f"{scenario}.xml")] if scenario else ["-sn", "uac"]
    command = [
        "sipp", *what, str(to), "-i", host, "-p", str(port), "-mi", host, "-mp", str(media),
        "-m", str(calls), "-nostdin", "-trace_err", "-error_file", str(place / "errors"),
        "-timeout", str(seconds), "-timeout_error", *options,
    ]  # fmt: skip
    with (place / "screens").open("wb") as screens:
        done = await trio.run_process(command, cwd=place, stdout=screens, stderr=subprocess.STDOUT, check=False)
    errors = place / "errors"
    text = errors.read_text(errors="replace") if errors.exists() else ""
    return Sipp(done.returncode, text, (place / "screens").read_text(errors="replace"))


@attrs.frozen
class SippPhone:
    """SIPp waiting for calls."""

    address: Address
    place: Path

    def calls(self, number: str = "") -> int:
        """How many INVITEs it has got, for one number or all, repetitions apart."""
        messages = self.place / "messages"
        text = messages.read_text(errors="replace") if messages.exists() else ""
        parts = [part for part in text.split("-" * 47) if f"\nINVITE sip:{number}" in part and " received " in part]
        return len({found[1] for part in parts if (found := re.search(r"Call-ID: (\S+)", part))})


@asynccontextmanager
async def sipp_phone(
    folder: Path, scenario: str, *options: str, host: str = CARRIER, port: int = 0, **words: str
) -> AsyncIterator[SippPhone]:
    """SIPp as the called side, for as long as the block lasts; `words` fill in the scenario's @words@."""
    port, media = port or free_port(host), media_port()
    place = folder / f"sipp-phone-{port}"
    place.mkdir()
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    (place / "scenario.xml").write_text(text)
    command = [
        "sipp", "-sf", str(place / "scenario.xml"), "-i", host, "-p", str(port), "-mi", host,
        "-mp", str(media), "-nostdin", "-trace_msg", "-message_file", str(place / "messages"),
        "-trace_err", "-error_file", str(place / "errors"), *options,
    ]  # fmt: skip
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process, command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        process: trio.Process = await nursery.start(run)
        try:
            await until(partial(_listens, Address(host, port)), 10, f"SIPp at {host}:{port}")
            yield SippPhone(Address(host, port), place)
        finally:
            process.terminate()
            nursery.cancel_scope.cancel()


def _listens(address: Address) -> bool:
    """Whether somebody has bound this UDP address."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
    except OSError:
        return True
    return False
