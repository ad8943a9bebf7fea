"""baresip as a person's telephone: its configuration in a folder, its console by netstrings of JSON over TCP.

It plays a wave file as its microphone (aufile) and sends RFC 4733 digits; what it hears goes to aubridge, and is judged
on the wire by tap.py.
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import trio

from callactors.audio.g711 import Samples
from callactors.sip.address import Address
from tests.interop.support import PATIENCE, free_port, media_port, until

MODULES = ("srtp", "account", "contact", "g711", "aufile", "aubridge", "sndfile", "menu", "ctrl_tcp")
CONFIG = """\
module_path /usr/lib/baresip/modules
{modules}
net_interface {sip.host}
sip_listen {sip}
rtp_ports {rtp}-{rtp_end}
audio_player aubridge,nowhere
audio_source aufile,{voice}
audio_srate 8000-48000
ausrc_srate 8000
ausrc_channels 1
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {heard}
"""


@attrs.define(eq=False)
class Softphone:
    """A running baresip."""

    address: Address
    stream: trio.SocketStream
    folder: Path
    events: list[dict[str, Any]] = attrs.field(factory=list)

    async def order(self, command: str, parameters: str = "") -> None:
        """One command of its menu, such as dial, sndcode, ausrc, hangup."""
        text = json.dumps({"command": command, "params": parameters}).encode()
        await self.stream.send_all(b"%d:%s," % (len(text), text))

    def heard(self) -> Samples:
        """What has come out of its decoder at 8 kHz, over its calls; the end of one that goes on is still to come."""
        pieces = [_narrow(file.read_bytes()) for file in sorted(self.folder.glob("dump-*-dec.wav"))]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def forget(self) -> None:
        """What it said and heard until now is over: the next call is like a first one."""
        self.events.clear()
        for file in self.folder.glob("dump-*.wav"):
            file.unlink()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Its events of one type: CALL_ESTABLISHED, CALL_CLOSED, ..."""
        return [event for event in self.events if event.get("type") == kind]

    async def wait_for(self, kind: str, count: int = 1, seconds: float = PATIENCE) -> dict[str, Any]:
        await until(lambda: len(self.told(kind)) >= count, seconds, f"{kind} of baresip; it said {self.events}")
        return self.told(kind)[count - 1]

    async def listen(self) -> None:
        """Read what it has to say, until the console is closed."""
        waiting = b""
        with suppress(trio.ClosedResourceError):
            async for data in self.stream:
                waiting += data
                while (size := waiting.partition(b":")[0]).isdigit() and len(waiting) > len(size) + int(size) + 1:
                    start = len(size) + 1
                    self.events.append(json.loads(waiting[start : start + int(size)]))
                    waiting = waiting[start + int(size) + 1 :]


@asynccontextmanager
async def softphone(
    folder: Path,
    user: str,
    voice: Path,
    *,
    sip: Address,
    answers: bool = False,
    transferable: bool = True,
    codecs: str = "",
    encryption: str = "",
) -> AsyncIterator[Softphone]:
    """baresip as sip:user@sip, speaking `voice` (8 kHz mono), until the block is left.

    Without `answers` it rings; unless `transferable` it refuses a REFER (501). `codecs` are all it speaks, as
    "pcma,pcmu" or "opus/48000/2,G722/16000/1", `encryption` is "srtp-mand" (RTP/SAVP) or "srtp" (RFC 8643). It listens
    at `sip` by TCP, too.
    """
    folder.mkdir()  # noqa: ASYNC240  # a folder of ours on a local disk
    control, rtp = free_port(), media_port()
    wide = [name for name in ("opus", "g722") if name in codecs.lower()]
    modules = "\n".join(f"module {name}.so" for name in (*wide, *MODULES))
    settings = CONFIG.format(
        modules=modules, sip=sip, rtp=rtp, rtp_end=rtp + 8, voice=voice, control=control, heard=folder
    )
    (folder / "config").write_text(settings)
    mode = ";answermode=auto" if answers else ""
    mode += "" if transferable else ";call_transfer=no"
    mode += f";audio_codecs={codecs}" if codecs else ""
    mode += f";mediaenc={encryption}" if encryption else ""
    (folder / "accounts").write_text(f"<sip:{user}@{sip}>;regint=0{mode}\n")
    (folder / "contacts").touch()
    command = ["baresip", "-4", "-f", str(folder)]
    async with trio.open_nursery() as running:
        with (folder / "log").open("wb") as log:
            start = partial(trio.run_process, stdout=log, stderr=log, check=False, deliver_cancel=_kill)
            await running.start(start, command)
        async with await _console(control) as stream:
            phone = Softphone(sip, stream, folder)
            running.start_soon(phone.listen)
            yield phone
            running.cancel_scope.cancel()


def _narrow(wav: bytes) -> Samples:
    """One channel of a wave file, every so many samples: enough to tell a tone or speech."""
    channels, rate = struct.unpack_from("<HI", wav, 22) if len(wav) >= 44 else (1, 8000)
    return np.frombuffer(wav[44 : len(wav) - len(wav[44:]) % (2 * channels)], np.int16)[:: channels * rate // 8000]


async def _kill(process: trio.Process) -> None:
    process.kill()


async def _console(port: int) -> trio.SocketStream:
    """Its console, as soon as it listens."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                return await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.05)
