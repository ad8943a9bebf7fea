"""Carriers played by SIPp, one for each way to fail and one that is well: when that one is tried, and when never."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from callactors.sip.address import Address
from callactors.stores.ledger_reader import Facts
from callactors.testing.dns_server import DnsServer
from tests.interop.support import COMMAND, PLACING, ROOT, Exchange, SippPhone, free_port, patient, sipp_phone

B = "127.0.0.20"
CONFIG = """\
version: 1
node: dials
listen: {{rtp: 35000-35999}}
dns: [{dns}]
trunks:
{carriers}
  b: {{from: [127.0.0.20/32], to: "sip:{b}", caller_ids: ["+13125550100"], country: US}}
routes:
{routes}
permit: ["+1"]
numbers: [{{match: "100", trunk: b, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.20:5070", trunk: b}}}}
models: {{offline: {{kind: embedded}}}}
timers: {{no_answer: 4, first_rtp: 2}}
"""
CARRIER = '  a{n}: {{from: [127.0.1.{n}/32], to: "{uri}", caller_ids: ["+13125550100"], country: US}}'
ROUTE = '  - {{to: "{number}", tries: [[{{trunk: a{n}}}], [{{trunk: b}}]]}}'

Carrier = AbstractAsyncContextManager[str]  # yields the URI of its trunk
Way = Callable[[Path, str], Carrier]  # from a folder and a host


@asynccontextmanager
async def refusing(folder: Path, host: str, scenario: str, status: str, cause: str = "0") -> AsyncIterator[str]:
    """The carrier is SIPp and says no."""
    async with sipp_phone(folder, scenario, host=host, status=status, cause=cause) as phone:
        yield f"sip:{phone.address}"


@asynccontextmanager
async def silent(folder: Path, host: str) -> AsyncIterator[str]:
    """The carrier takes what it gets and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((host, 0))
        yield f"sip:{Address(*deaf.getsockname())}"


@asynccontextmanager
async def soundless(folder: Path, host: str) -> AsyncIterator[str]:
    """The carrier answers, and sends no RTP."""
    async with sipp_phone(folder, "is_hung_up_on_by_its_caller", host=host) as phone:
        yield f"sip:{phone.address}"


@asynccontextmanager
async def resetting(folder: Path, host: str) -> AsyncIterator[str]:
    """The carrier takes TCP connections and resets them."""
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host=host)
        nursery.start_soon(trio.serve_listeners, _reset, [listener])
        yield f"sip:{Address(*listener.socket.getsockname())};transport=tcp"
        nursery.cancel_scope.cancel()


async def _reset(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


@asynccontextmanager
async def names(zone: Mapping[str, list[str]]) -> AsyncIterator[Address]:
    """A name server with this zone."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(DnsServer(zone).run)
        nursery.cancel_scope.cancel()


FAILING: dict[str, Way] = {
    "answers 503": partial(refusing, scenario="refuses", status="503"),
    "answers 500": partial(refusing, scenario="refuses", status="500"),
    "answers 408 at once": partial(refusing, scenario="refuses", status="408"),
    "answers 430": partial(refusing, scenario="refuses", status="430"),
    "is silent": silent,
    "answers and sends no RTP": soundless,
    "resets TCP": resetting,
    "rings, then 503 with a network cause": partial(
        refusing, scenario="rings_and_refuses_with_a_reason", status="503", cause="38"
    ),
}
FINAL: dict[str, Way] = {
    "answers 486": partial(refusing, scenario="refuses", status="486"),
    "answers 600": partial(refusing, scenario="refuses", status="600"),
    "answers 603": partial(refusing, scenario="refuses", status="603"),
    "rings, then 480": partial(refusing, scenario="rings_and_refuses", status="480"),
    "rings, then 408": partial(refusing, scenario="rings_and_refuses", status="408"),
    "rings, then 487": partial(refusing, scenario="rings_and_refuses", status="487"),
    "rings, then 503": partial(refusing, scenario="rings_and_refuses", status="503"),
    "answers 503 with cause 17, a busy person": partial(
        refusing, scenario="refuses_with_a_reason", status="503", cause="17"
    ),
}


@attrs.frozen
class Scene:
    """A carrier for each way, each under a number of its own, and the one that is well."""

    numbers: Mapping[str, str]  # by way
    b: SippPhone
    config: str


@asynccontextmanager
async def scene(folder: Path, ways: Mapping[str, Way]) -> AsyncIterator[Scene]:
    numbers = {way: f"+131255501{n:02}" for n, way in enumerate(ways, 10)}
    async with AsyncExitStack() as stack:
        uris = [await stack.enter_async_context(way(folder, f"127.0.1.{n}")) for n, way in enumerate(ways.values(), 10)]
        b = await stack.enter_async_context(sipp_phone(folder, "answers", "-d", "1500", "-rtp_echo", host=B))
        carriers = [CARRIER.format(n=n, uri=uri) for n, uri in enumerate(uris, 10)]
        routes = [ROUTE.format(n=n, number=number) for n, number in enumerate(numbers.values(), 10)]
        dns = await stack.enter_async_context(names(zone(free_port("127.0.1.9"))))
        config = CONFIG.format(dns=dns, b=b.address, carriers="\n".join(carriers), routes="\n".join(routes))
        yield Scene(numbers, b, config)


def zone(dead: int) -> Mapping[str, list[str]]:
    """carrier.example: a first target where nobody listens, and a second one."""
    return {
        "_sip._udp.carrier.example SRV": [f"1 50 {dead} one.carrier.example.", "2 50 5066 two.carrier.example."],
        "one.carrier.example A": ["127.0.1.9"],
        "two.carrier.example A": ["127.0.1.10"],
    }


async def placed(exchange: Exchange, folder: Path, ways: Mapping[str, Way]) -> dict[str, tuple[Facts, int]]:
    """Call everybody side by side; what came of each: the whole record, and how often B was called for it."""
    async with scene(folder, ways) as on:
        with exchange.run(*patient(folder), config=on.config, command=PLACING) as program:
            program.order(*(f"{number} salon" for number in on.numbers.values()))
            records = await program.closed_to(*on.numbers.values(), seconds=40)
            whole = {record["called"]: program.call(record["call"]) for record in records}
        return {way: (whole[number], on.b.calls(number)) for way, number in on.numbers.items()}


async def test_whichever_way_the_first_carrier_fails_the_call_completes_by_the_second_and_the_record_has_every_attempt(
    exchange: Exchange, tmp_path: Path
) -> None:
    for way, (record, calls_of_b) in (await placed(exchange, tmp_path, FAILING)).items():
        tried = [one["trunk"] for one in record["attempts"]]
        assert (way, calls_of_b, tried[0][0], tried[1:]) == (way, 1, "a", ["b"])
        assert (way, bool(record["attempts"][-1]["answered"])) == (way, True)
        assert (way, record["direction"], record["cause"]) == (way, "outbound", "callee_hung_up")


async def test_a_persons_answer_is_final_and_the_second_carrier_is_never_called(
    exchange: Exchange, tmp_path: Path
) -> None:
    for way, (record, calls_of_b) in (await placed(exchange, tmp_path, FINAL)).items():
        assert (way, calls_of_b, len(record["attempts"])) == (way, 0, 1)
        assert (way, record["answered"]) == (way, None)


async def test_a_dead_first_srv_target_costs_one_attempt_and_the_second_target_takes_the_call(
    exchange: Exchange, tmp_path: Path
) -> None:
    async with sipp_phone(tmp_path, "answers", "-d", "1500", "-rtp_echo", host="127.0.1.10", port=5066) as alive:
        ways: dict[str, Way] = {"its first target is dead": named}
        [(record, calls_of_b)] = (await placed(exchange, tmp_path, ways)).values()
        assert (calls_of_b, alive.calls()) == (0, 1)
        assert [bool(one["answered"]) for one in record["attempts"]] == [False, True]


@asynccontextmanager
async def named(folder: Path, host: str) -> AsyncIterator[str]:
    """The carrier is a name."""
    yield "sip:carrier.example"


@pytest.mark.parametrize(
    ("way", "cause", "code"),
    [("answers 503", "callee_hung_up", 0), ("answers 486", "busy", 1)],
    ids=lambda value: value,
)
async def test_the_command_call_tells_how_it_went(
    way: str, cause: str, code: int, tmp_path: Path, phrases: Path
) -> None:
    async with scene(tmp_path, {way: (FAILING | FINAL)[way]}) as on:
        (tmp_path / "callactors.yaml").write_text(on.config)
        shutil.copytree(phrases, tmp_path / "data" / "phrases")
        command = [*COMMAND, "call", on.numbers[way], "--scenario", "salon", "--json"]
        options = [
            "--config",
            str(tmp_path / "callactors.yaml"),
            "--sip",
            "127.0.0.1:0",
            "--data",
            str(tmp_path / "data"),
        ]
        done = await trio.run_process(
            [*command, *options], capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=ROOT
        )
        lines = done.stdout.decode().strip().splitlines()
    assert done.returncode == code, lines
    assert json.loads(lines[-1])["cause"] == cause
