"""Overload is refused exactly: 503, Retry-After, a reason of its own; OPTIONS says so; who was admitted talks on."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from callactors.calls import room
from callactors.calls.readings import Readings
from callactors.meters.page import Meters
from callactors.meters.pulse import Pulse, Vitals
from callactors.sip import events as sip
from callactors.testing.calls import House, open_house, until
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.sip_script import request


@asynccontextmanager
async def callers(house: House, count: int) -> AsyncIterator[list[ScriptedCaller]]:
    async with AsyncExitStack() as stack:
        address = house.endpoint.address
        yield [
            await stack.enter_async_context(scripted_caller(address, host=f"127.0.0.{40 + n}", seed=n))
            for n in range(count)
        ]


async def settled(caller: ScriptedCaller) -> int:
    """The status its INVITE got."""
    await caller.until(lambda: caller.seen(sip.Failed) or caller.seen(sip.Answered))
    return caller.seen(sip.Failed)[0].status if caller.seen(sip.Failed) else 200


def reasons(house: House) -> list[str | None]:
    return [record["attempts"][0]["reason"] for record in house.records() if record["cause"] == "overload"]


async def options(house: House) -> int:
    """What the house says of itself to a neighbour."""
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        await asking.bind(("127.0.0.99", 0))
        via = f"127.0.0.99:{asking.getsockname()[1]}"
        await asking.sendto(request("OPTIONS", via=via), tuple(house.endpoint.address))
        return int((await asking.recv(4096)).split()[1])


async def test_half_as_many_again_as_limits_calls_and_exactly_the_excess_gets_503(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with open_house(tmp_path, more="limits: {calls: 6}") as house, callers(house, 9) as all_of_them:
        for caller in all_of_them:
            caller.dial()
        statuses = [await settled(caller) for caller in all_of_them]
        assert sorted(statuses) == [200] * 6 + [503] * 3
        refused = [caller.seen(sip.Failed)[0].retry_after for caller in all_of_them if caller.seen(sip.Failed)]
        assert refused == [5, 5, 5]
        assert await options(house) == 503
        heard = [caller for caller in all_of_them if caller.seen(sip.Answered)]
        for caller in heard:
            await caller.hears("greeting")
        heard[0].hang_up()
        await until(lambda: len(house.switchboard.calls) == 5)
        assert await options(house) == 200
        await house.ledger.flush()
        assert reasons(house) == ["limits.calls is 6"] * 3


@pytest.mark.parametrize(
    ("vitals", "reason"),
    [
        (Vitals(lag=0.063), "limits.lag_ms is 40, and the loop is 63 ms late"),
        (Vitals(cpu=0.97, sample=1), "limits.cpu is 0.9, and the calls there are need 0.97 of the loop's core"),
        (Vitals(descriptors=1000, descriptor_limit=1024, sample=1), "descriptors: 24 of 1024 are left"),
    ],
)
async def test_a_process_that_labours_takes_no_more_until_it_has_recovered(
    autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vitals: Vitals, reason: str
) -> None:
    monkeypatch.setattr(room, "FEW", 1)
    async with open_house(tmp_path) as house, callers(house, 3) as (one, two, three):
        await one.call()
        house.switchboard.vitals = lambda: vitals
        two.dial()
        assert (await settled(two), two.seen(sip.Failed)[0].retry_after) == (503, 5)
        assert await options(house) == 503
        await house.ledger.flush()
        assert reasons(house) == [reason]
        house.switchboard.vitals = Vitals
        await three.call()
        await one.hears("greeting")
        assert len(house.switchboard.calls) == 2


async def test_when_no_port_is_left_it_is_said_before_anybody_calls(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, callers(house, 3) as (one, two, three):
        free = house.plane.statistics().free_ports
        taken = [house.plane.open(lambda event: None) for _ in range(free - 3)]
        await one.call()
        two.dial()
        assert await settled(two) == 503
        assert await options(house) == 503
        for stream in taken:
            stream.close()
        await three.call()
        await house.ledger.flush()
        assert reasons(house) == ["listen.rtp has 2 free port pairs, and 2 are kept"]


async def test_the_page_says_what_the_records_say(autojump_clock: object, tmp_path: Path) -> None:
    """Two calls fill the house, one ends, a third is refused: counted from the same rows, asked of the same parts."""
    meters = Meters(trio.current_time)
    async with open_house(tmp_path, more="limits: {calls: 2}") as house, callers(house, 3) as (one, two, three):
        house.ledger.seen = meters.see
        board = house.switchboard
        meters.watch(Readings(board, Pulse(), meters.tally, {"challenged": 1}, dict).read)
        await one.call()
        await two.call()
        three.dial()
        assert await settled(three) == 503
        full = meters.page().decode()
        two.hang_up()
        await until(lambda: len(board.calls) == 1)
        await trio.sleep(1)
        page = meters.page().decode()
    assert 'callactors_calls_live{direction="inbound",trunk="loopback"} 2.0' in full
    assert 'callactors_admission_closed{full="limits.calls"} 1.0' in full
    expected = [
        'callactors_calls_live{direction="inbound",trunk="loopback"} 1.0',
        'callactors_admission_closed{full="limits.calls"} 0.0',
        'callactors_calls_started_total{direction="inbound",trunk="loopback"} 2.0',
        'callactors_calls_ended_total{cause="caller_hung_up",direction="inbound",trunk="loopback"} 1.0',
        'callactors_calls_refused_total{cause="overload",full="limits.calls",trunk="loopback"} 1.0',
        'callactors_call_setup_seconds_count{direction="inbound"} 2.0',
        'callactors_attempts_total{status="200",trunk="loopback"} 2.0',
        'callactors_model_sessions_total{model="main"} 2.0',
        'callactors_gate_events_total{what="challenged"} 1.0',
        "callactors_streams 1.0",
        "callactors_calls_limit 2.0",
    ]
    assert [line for line in expected if line not in page.splitlines()] == []
    assert 'callactors_rtp_packets_total{direction="in",trunk="loopback"}' in page
