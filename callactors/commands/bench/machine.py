"""What the bench ran on, and how fast that is: figures of two machines say nothing about each other without it.

Three of the steps that every pipeline in Python consists of, timed alone, each as the best of some rounds: what a
neighbour takes away for a moment is no property of the machine.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Callable
from pathlib import Path

import trio

from callactors.commands.compiled import compiled

ROUNDS, STEPS = 7, 2_000
APPEND = {"type": "input_audio_buffer.append", "audio": "A" * 6_400}  # 100 ms of PCM16 at 24 kHz in base64
PACKET = bytes(172)


def machine() -> dict[str, object]:
    """Not to be called while a Trio runs: it runs one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "compiled": compiled(),
        "load_average": round(os.getloadavg()[0], 2),
        "checkpoint_us": trio.run(_checkpoint),
        "json_us": _best(lambda: json.dumps(APPEND)),
        "datagram_us": _datagram(),
    }


async def _checkpoint() -> float:
    """A task gives way and goes on."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(STEPS):
            await trio.lowlevel.checkpoint()
        rounds.append(time.perf_counter() - began)
    return _microseconds(rounds)


def _datagram() -> float:
    """A packet of G.711 sent to ourselves, and received."""
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        one.connect(other.getsockname())

        def passed() -> None:
            one.send(PACKET)
            other.recv(2_048)

        return _best(passed)


def _best(step: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        rounds.append(time.perf_counter() - began)
    return _microseconds(rounds)


def _microseconds(rounds: list[float]) -> float:
    """Of one step."""
    return round(min(rounds) / STEPS * 1e6, 2)
