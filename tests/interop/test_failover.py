"""Two carriers played by SIPp, `callactors call` between them: when the second is tried, and when it must not be."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from callactors.sip.address import Address
from callactors.testing.dns_server import DnsServer
from tests.interop.support import COMMAND, ROOT, free_port, sipp_phone

NUMBER = "+13125550142"
A, B = "127.0.0.10", "127.0.0.20"
CONFIG = """\
version: 1
node: dials
listen: {{rtp: 35000-35999}}
dns: [{dns}]
trunks:
  a: {{from: [127.0.0.10/32], to: "{a}", caller_ids: ["+13125550100"], country: US}}
  b: {{from: [127.0.0.20/32], to: "sip:{b}", caller_ids: ["+13125550100"], country: US}}
routes: [{{to: "+1", tries: [[{{trunk: a}}], [{{trunk: b}}]]}}]
permit: ["+1"]
numbers: []
directory: {{front_desk: {{sip: "sip:desk@127.0.0.10:5070", trunk: a}}}}
models: {{offline: {{kind: embedded}}}}
timers: {{no_answer: 4, first_rtp: 2}}
"""

Carrier = AbstractAsyncContextManager[str]  # yields the URI of trunk a


@asynccontextmanager
async def refusing(folder: Path, scenario: str, status: str, cause: str = "0") -> AsyncIterator[str]:
    """Carrier A is SIPp and says no."""
    async with sipp_phone(folder, scenario, host=A, status=status, cause=cause) as phone:
        yield f"sip:{phone.address}"


@asynccontextmanager
async def silent(folder: Path) -> AsyncIterator[str]:
    """Carrier A takes what it gets and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((A, 0))
        yield f"sip:{Address(*deaf.getsockname())}"


@asynccontextmanager
async def soundless(folder: Path) -> AsyncIterator[str]:
    """Carrier A answers, and sends no RTP."""
    async with sipp_phone(folder, "is_hung_up_on_by_its_caller", host=A) as phone:
        yield f"sip:{phone.address}"


@asynccontextmanager
async def resetting(folder: Path) -> AsyncIterator[str]:
    """Carrier A takes TCP connections and resets them."""
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host=A)
        nursery.start_soon(trio.serve_listeners, _reset, [listener])
        yield f"sip:{Address(*listener.socket.getsockname())};transport=tcp"
        nursery.cancel_scope.cancel()


async def _reset(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


@asynccontextmanager
async def placed(folder: Path, phrases: Path, a: Carrier, zone: Any = None) -> AsyncIterator[Any]:
    """Call through A then B, B being a phone that answers; yields (record, how often B was called)."""
    data = folder / "data"
    copied(phrases, data / "phrases")
    async with (
        a as uri,
        sipp_phone(folder, "answers", "-d", "1500", "-rtp_echo", host=B) as b,
        names(zone or {}) as dns,
    ):
        (folder / "callactors.yaml").write_text(CONFIG.format(a=uri, b=b.address, dns=dns))
        command = [*COMMAND, "call", NUMBER, "--scenario", "salon", "--config", str(folder / "callactors.yaml")]
        options = ["--sip", "127.0.0.1:0", "--data", str(data), "--json"]
        done = await trio.run_process(
            [*command, *options], capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=ROOT
        )
        copied(data / "phrases", phrases)
        lines = done.stdout.decode().strip().splitlines()
        try:
            record = json.loads(lines[-1])
        except ValueError:
            raise AssertionError("\n".join(lines)) from None
        yield record, b.calls()


def copied(spoken: Path, to: Path) -> None:
    """The sentences spoken so far need not be spoken again."""
    if spoken.is_dir():
        shutil.copytree(spoken, to, dirs_exist_ok=True)


@asynccontextmanager
async def names(zone: dict[str, list[str]]) -> AsyncIterator[Address]:
    """A name server with this zone."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(DnsServer(zone).run)
        nursery.cancel_scope.cancel()


FAILING: dict[str, Callable[[Path], Carrier]] = {
    "answers 503": partial(refusing, scenario="refuses", status="503"),
    "answers 500": partial(refusing, scenario="refuses", status="500"),
    "is silent": silent,
    "answers and sends no RTP": soundless,
    "resets TCP": resetting,
    "rings, then 503 with a network cause": partial(
        refusing, scenario="rings_and_refuses_with_a_reason", status="503", cause="38"
    ),
}
FINAL: dict[str, Callable[[Path], Carrier]] = {
    "answers 486": partial(refusing, scenario="refuses", status="486"),
    "answers 600": partial(refusing, scenario="refuses", status="600"),
    "answers 603": partial(refusing, scenario="refuses", status="603"),
    "rings, then 480": partial(refusing, scenario="rings_and_refuses", status="480"),
    "rings, then 408": partial(refusing, scenario="rings_and_refuses", status="408"),
    "rings, then 503": partial(refusing, scenario="rings_and_refuses", status="503"),
    "answers 503 with cause 17, a busy person": partial(
        refusing, scenario="refuses_with_a_reason", status="503", cause="17"
    ),
}


@pytest.mark.parametrize("way", FAILING)
async def test_when_the_first_carrier_fails_the_call_completes_by_the_second_and_the_record_has_every_attempt(
    way: str, tmp_path: Path, phrases: Path
) -> None:
    async with placed(tmp_path, phrases, FAILING[way](tmp_path)) as (record, calls_of_b):
        tried = [(one["trunk"], bool(one["answered"])) for one in record["attempts"]]
        assert calls_of_b == 1
        assert [trunk for trunk, _ in tried] == ["a", "b"]
        assert tried[-1] == ("b", True)
        assert (record["direction"], record["cause"]) == ("outbound", "callee_hung_up")


@pytest.mark.parametrize("way", FINAL)
async def test_a_persons_answer_is_final_and_the_second_carrier_is_never_called(
    way: str, tmp_path: Path, phrases: Path
) -> None:
    async with placed(tmp_path, phrases, FINAL[way](tmp_path)) as (record, calls_of_b):
        assert calls_of_b == 0
        assert [one["trunk"] for one in record["attempts"]] == ["a"]
        assert record["answered"] is None


async def test_a_dead_first_srv_target_costs_one_attempt_and_the_second_target_takes_the_call(
    tmp_path: Path, phrases: Path
) -> None:
    dead = free_port("127.0.0.11")
    async with sipp_phone(tmp_path, "answers", "-d", "1500", "-rtp_echo", host=A) as alive:
        zone = {
            "_sip._udp.carrier.example SRV": [
                f"1 50 {dead} one.carrier.example.",
                f"2 50 {alive.address.port} two.carrier.example.",
            ],
            "one.carrier.example A": ["127.0.0.11"],
            "two.carrier.example A": [A],
        }
        async with placed(tmp_path, phrases, named("sip:carrier.example"), zone) as (record, calls_of_b):
            assert (calls_of_b, alive.calls()) == (0, 1)
            assert [bool(one["answered"]) for one in record["attempts"]] == [False, True]


@asynccontextmanager
async def named(uri: str) -> AsyncIterator[str]:
    yield uri
