"""Kamailio as a child process: a configuration of tests/interop/kamailio with its @WORDS@ filled in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from callactors.sip.address import Address
from tests.interop.support import until

CONFIGS = Path(__file__).parent / "kamailio"
MODULES = next(Path("/usr/lib").glob("*/kamailio/modules"), Path("/usr/lib/kamailio/modules"))
MASK = "127.0.0.49"  # where topoh says that everybody is
TOPOH = f"""\
loadmodule "topoh.so"
modparam("topoh", "mask_key", "nobody sees who is behind")
modparam("topoh", "mask_ip", "{MASK}")
modparam("topoh", "sanity_checks", 0)
"""


@asynccontextmanager
async def kamailio(folder: Path, name: str, listen: Address, **words: object) -> AsyncIterator[Path]:
    """Kamailio for as long as the block lasts, answering OPTIONS at `listen`; yields its log.

    `name` is the file of tests/interop/kamailio; `words` fill in its @WORDS@.
    """
    place = folder / f"kamailio-{name}-{listen.port}"
    place.mkdir()
    text = (CONFIGS / f"{name}.cfg").read_text()
    given = {"host": listen.host, "port": listen.port, "modules": MODULES, "folder": place, **words}
    for word, value in given.items():
        text = text.replace(f"@{word.upper()}@", str(value))
    (place / "kamailio.cfg").write_text(text)
    program = shutil.which("kamailio") or "/usr/sbin/kamailio"
    command = [program, "-f", str(place / "kamailio.cfg"), "-m", "64", "-M", "8", "-DD", "-E", "-w", str(place)]
    with (place / "log").open("wb") as log:
        async with trio.open_nursery() as nursery:
            run = partial(
                trio.run_process,
                command,
                stdout=subprocess.DEVNULL,
                stderr=log,
                check=False,
                start_new_session=True,
                deliver_cancel=_end,
            )
            process: trio.Process = await nursery.start(run)
            try:
                await until(partial(_answers, listen, process), 20, f"kamailio at {listen}: see {place / 'log'}")
                yield place / "log"
            finally:
                nursery.cancel_scope.cancel()


async def _end(process: trio.Process) -> None:
    """Ask it to go; a Kamailio that waits for a lock of a child of its own would take 60 s for that, and is killed."""
    process.terminate()
    with trio.move_on_after(4):
        await process.wait()
        return
    os.killpg(process.pid, signal.SIGKILL)


def _answers(listen: Address, process: trio.Process) -> bool:
    """Whether it answers OPTIONS; a Kamailio that has ended never will."""
    assert process.poll() is None, "kamailio did not start"

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.settimeout(0.05)
        ours.bind((listen.host, 0))
        here = Address(*ours.getsockname())
        asked = (
            f"OPTIONS sip:{listen} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKalive;rport\r\nMax-Forwards: 9\r\n"
            f"From: <sip:test@{here}>;tag=t\r\nTo: <sip:{listen}>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        ours.sendto(asked.encode(), listen)
        try:
            return bool(ours.recv(4096))
        except OSError:
            return False
