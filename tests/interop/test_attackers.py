"""Scanners, crackers and a flood from an address nobody lists: they find nothing, start no call, and cost none."""

from __future__ import annotations

import itertools
import socket
import statistics
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from callactors.net.offload import in_thread
from callactors.sip.address import Address
from callactors.testing.sip_script import request
from tests.interop.support import CARRIER, STRANGER, Exchange, Program, free_port

FLOOD = Path(__file__).with_name("flood.py")
TURNS = 12  # seconds
TRIES, UNDISTURBED = 3, 0.003  # measured again where the call was late (seconds) with no flood, too
SO_TIMESTAMPNS = 35  # Linux; the socket module does not name it
NUMBER = "+13125550100"
ROOMS = """\
version: 1
listen: {{rtp: 36000-36499}}
trunks:
  carrier: {{from: [127.0.0.10/31]}}
  phone: {{challenge: {{user: "100", password: "not-in-any-list"}}}}
numbers: [{{match: "+13125550100", trunk: carrier, scenario: salon}}, {{match: "100", trunk: phone, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.10:5070", trunk: carrier}}}}
models: {{slow: {{kind: realtime, url: "ws://127.0.0.1:{port}/v1/realtime"}}}}
answer: {{when: model_ready, within: 300}}
"""


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Program]:
    """A house that hears strangers, because one of its trunks is known by its digest alone. Nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as model:
        config = ROOMS.format(port=model.getsockname()[1])
        with Exchange(tmp_path_factory.mktemp("rooms"), phrases).run(config=config) as program:
            yield program


async def attacked(folder: Path, program: Program, tool: str, *options: str) -> str:
    """What a tool of sipvicious prints about our port. Not all of them let themselves be bound to an address."""
    command = [tool, *options, "-b", STRANGER, "-p", str(program.sip.port), program.sip.host]
    with trio.fail_after(90):
        done = await trio.run_process(command, cwd=folder, capture_stdout=True, capture_stderr=True, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize(
    "attack",
    [
        ("svmap",),
        ("svmap", "-m", "INVITE"),
        ("svwar", "-e100-120", "-m", "INVITE"),
        ("svcrack", "-u", "100", "-r", "1-50"),
    ],
    ids=" ".join,
)
async def test_a_house_of_listed_carriers_is_silent_to_scanners(
    ringing_house: Program, tmp_path: Path, attack: tuple[str, ...]
) -> None:
    calls, lines = len(ringing_house.calls()), len(ringing_house.log())
    told = await attacked(tmp_path, ringing_house, *attack)
    assert nothing_found(told), told
    assert (len(ringing_house.calls()), len(ringing_house.log())) == (calls, lines)


async def test_a_house_that_hears_strangers_tells_a_scanner_nothing_apart(rooms: Program, tmp_path: Path) -> None:
    assert nothing_found(await attacked(tmp_path, rooms, "svmap"))
    told = await attacked(tmp_path, rooms, "svwar", "--force", "-e100-105", "-m", "INVITE")
    assert nothing_found(told), told
    assert rooms.calls() == []


async def test_a_cracker_of_invites_is_banned_with_one_line_and_guesses_nothing(rooms: Program, tmp_path: Path) -> None:
    told = await attacked(tmp_path, rooms, "svcrack", "-u", "100", "-r", "1-60", "-m", "INVITE")
    assert nothing_found(told), told
    assert rooms.calls() == []
    assert len(rooms.log("source.banned")) <= 1


def nothing_found(told: str) -> bool:
    return "found nothing" in told.lower() or "no results" in told.lower()


# -- a call goes on ---------------------------------------------------------------------------------------------------


async def test_a_flood_of_500_invites_a_second_leaves_a_running_calls_pacing_alone(house: Program) -> None:
    calls, memory = len(house.calls()), house.memory()
    with a_call(house.sip) as media, house.before_others():
        await in_thread(arrivals, media, 2.0)
        for _ in range(TRIES):
            quiet, flooded = await flooded_by_turns(house.sip, media)
            print(f"|interval - 20 ms|, the worst but one of a second: quiet {quiet}, flooded {flooded}")
            if quiet < UNDISTURBED:
                break
    assert flooded < quiet + 0.005
    assert len(house.calls()) == calls + 1
    assert house.memory() < memory + 20_000_000


async def flooded_by_turns(house: Address, media: socket.socket) -> tuple[float, float]:
    """The lateness of a call's packets in a second when the flood goes elsewhere, and in one when it hits us.

    One program floods both by turns, second by second: whatever else the machine does, it does to both.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        places = [str(Address(*elsewhere.getsockname())), str(house)]
        async with trio.open_nursery() as nursery:
            command = [sys.executable, str(FLOOD), "500", str(TURNS), *places]
            flood = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE))
            begun = float(await flood.stdout.receive_some())
            stamps = await in_thread(arrivals, media, TURNS + 2.0)  # those of the program's own start, too
    seconds: list[list[float]] = [[] for _ in range(TURNS)]
    for earlier, later in itertools.pairwise(stamps):
        if begun <= earlier and int(earlier - begun) == int(later - begun) < TURNS:
            seconds[int(later - begun)].append(abs(later - earlier - 0.02))
    assert min(map(len, seconds)) > 40
    worst = [sorted(second)[-2] for second in seconds]
    return statistics.median(worst[::2]), statistics.median(worst[1::2])


@contextmanager
def a_call(house: Address) -> Iterator[socket.socket]:
    """A call that is answered, its audio arriving at this socket; hung up in the end."""
    port = free_port(CARRIER)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
    ):
        line.bind((CARRIER, port))
        media.bind((CARRIER, 0))
        media.settimeout(5.0)
        line.settimeout(5.0)
        offer = f"v=0\r\no=- 1 1 IN IP4 {CARRIER}\r\ns=-\r\nc=IN IP4 {CARRIER}\r\nt=0 0\r\n"
        offer += f"m=audio {media.getsockname()[1]} RTP/AVP 0\r\n"
        ask = partial(request, uri=f"sip:{NUMBER}@{house.host}", via=f"{CARRIER}:{port}", call_id=f"flooded-{port}")
        line.sendto(ask("INVITE", branch=f"z9hG4bKi{port}", body=offer.encode()), house)
        while not (answer := line.recv(65_535)).startswith(b"SIP/2.0 200"):
            pass
        tag = answer.partition(b"\r\nTo: ")[2].partition(b";tag=")[2].partition(b"\r")[0].decode()
        line.sendto(ask("ACK", branch=f"z9hG4bKa{port}", to_tag=tag), house)
        try:
            yield media
        finally:
            line.sendto(ask("BYE", branch=f"z9hG4bKb{port}", cseq=2, to_tag=tag), house)


def arrivals(media: socket.socket, seconds: float) -> list[float]:
    """When so many seconds' packets came, by the kernel's clock. One is sent back, so that the line counts as alive."""
    media.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    stamps: list[float] = []
    for _ in range(int(seconds / 0.02)):
        _, ancillary, _, source = media.recvmsg(2_000, 64)
        stamp = next(data for level, _, data in ancillary if level == socket.SOL_SOCKET)
        stamps.append(int.from_bytes(stamp[:8], "little") + int.from_bytes(stamp[8:16], "little") / 1e9)
    media.sendto(b"\x80\x00" + struct.pack("!HII", int(stamps[0]) & 0xFFFF, int(stamps[0]), 7) + b"\xff" * 160, source)
    return stamps
