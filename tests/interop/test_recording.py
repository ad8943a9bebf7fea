"""A recording survives its process: killed in the middle of a call, sealed on disk, Opus after the next start.

opusdec (libopusfile) is the player: what it makes of the file is what people hear.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import trio
from numpy.typing import NDArray

from callactors.audio import wav
from callactors.commands.bench.facts import Script
from callactors.commands.call_recording import save
from callactors.errors import CallactorsError
from callactors.sip.address import Address
from tests.interop.support import ROOT, Exchange, Program, free_port, sipp, until

HOST = "127.0.0.1"
HOUSE = """\
version: 1
trunks: {loopback: {from: [127.0.0.0/8], media_from: [127.0.0.0/8]}}
numbers: [{match: "*", trunk: loopback, scenario: salon}]
directory: {front_desk: {sip: "sip:desk@127.0.0.1:5070", trunk: loopback}}
models: {main: {kind: realtime, url: "ws://127.0.0.1:PORT/v1/realtime"}}
answer: {when: at_once}
timers: {first_rtp: 60}
recording: {mode: always, format: opus, key: "a key that nobody can guess"}
"""
CALLER, AGENT = 0, 1  # the channels
KEPT = 7.0  # seconds of the call before its process is killed


async def test_a_sealed_recording_outlives_kill_9_and_any_player_plays_it(exchange: Exchange, tmp_path: Path) -> None:
    at = Address(HOST, free_port())

    async def cut_off() -> None:
        await sipp(tmp_path, at, "-key", "caller", "taped", scenario="is_hung_up_on_after_a_crash", host=HOST, calls=1)

    async with trio.open_nursery() as calls:
        with model() as port, exchange.run(config=HOUSE.replace("PORT", str(port)), sip=str(at)) as first:
            calls.start_soon(cut_off)
            (call,) = await first.open_call("taped")
            await trio.sleep(KEPT)
            first.signal(signal.SIGKILL)
            assert await first.exit_code() == -signal.SIGKILL
            assert names(first) == [f"{call['call']}.wav.sealed"]
            assert "--partial" in saved(first, call["call"], tmp_path / "cut.wav")
            assert saved(first, call["call"], tmp_path / "cut.wav", partial=True) == ""
        with exchange.run(config=HOUSE.replace("PORT", "9"), sip=str(at)) as second:
            await until(lambda: names(second) == [f"{call['call']}.opus.sealed"], what="its Opus file")
            await until(lambda: second.call(call["call"])["tape"]["format"] == "opus", what="the record of it")
            facts = second.call(call["call"])
            assert (facts["cause"], facts["tape"]["encrypted"]) == ("killed", True)
            assert saved(second, call["call"], tmp_path / "call.opus") == ""
    played(tmp_path / "call.opus", tmp_path / "out.wav")
    before, after = loudness(tmp_path / "cut.wav"), loudness(tmp_path / "out.wav")
    assert len(before) == len(after) > 50
    assert max(before[:, CALLER].max(), after[:, CALLER].max()) < 100
    assert np.corrcoef(before[:, AGENT], after[:, AGENT])[0, 1] > 0.95
    assert (after[:, AGENT] > 1000).sum() > 50  # the greeting: a second of it


def names(program: Program) -> list[str]:
    return sorted(file.name for file in (program.data / "recordings").iterdir())


def saved(program: Program, call: str, out: Path, *, partial: bool = False) -> str:
    """`calls recording`: what it complains of."""
    try:
        save(call, program.data, out, program.data.parent / "house.yaml", partial)
    except CallactorsError as error:
        return str(error)
    return ""


@contextmanager
def model() -> Iterator[int]:
    """The bench's model, which speaks half of the time; yields its port."""
    command = [sys.executable, "-m", "callactors.commands.bench.peer", msgspec.json.encode(Script()).decode()]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().removeprefix("PORT="))
        finally:
            process.stdin.close()  # it ends with it


def played(opus: Path, out: Path) -> None:
    subprocess.run(["opusdec", "--quiet", "--rate", "8000", opus, out], check=True)


def loudness(path: Path) -> NDArray[np.int64]:
    """The peaks of both sides in each frame of 20 ms."""
    found = wav.read(path.read_bytes())
    assert (found.rate, found.channels) == (8000, 2)
    samples = np.abs(found.samples.astype(np.int64))
    frames: NDArray[np.int64] = samples[: len(samples) // 160 * 160].reshape(-1, 160, 2).max(axis=1)
    return frames
