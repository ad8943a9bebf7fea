"""How a process ends, seen from its callers: killed during calls, drained by SIGTERM, told twice."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import trio

from callactors.sip.address import Address
from callactors.stores.ledger_reader import Facts
from tests.interop.proxy import TOPOH, kamailio
from tests.interop.support import Exchange, Program, Sipp, free_port, sipp, until

HOST = "127.0.0.1"
ORPHANS = 5
HIDDEN = 2  # of the orphans, behind an SBC that hides them: only routes and target of the record lead there
SBC = "127.0.0.40"
SOON = 2.0  # seconds from READY to the last orphan's BYE and closed record


async def test_after_kill_9_the_next_start_closes_those_calls_and_only_those_and_their_callers_get_a_bye(
    exchange: Exchange, tmp_path: Path
) -> None:
    ended: list[Sipp] = []
    at, sbc = Address(HOST, free_port()), Address(SBC, free_port(SBC))

    async def cut_off(to: Address, scenario: str, count: int) -> None:
        options = ("-key", "caller", "orphan", "-r", "50")
        ended.append(await sipp(tmp_path, to, *options, scenario=scenario, host=HOST, calls=count))

    async with hiding(tmp_path, sbc, at), trio.open_nursery() as calls:
        with exchange.run(sip=str(at)) as first:
            await calling(tmp_path, first, "before", "talks_and_hangs_up", "-d", "200", "-r", "10", calls=3)
            await first.closed("before", 3)
            calls.start_soon(cut_off, at, "is_hung_up_on_after_a_crash", ORPHANS - HIDDEN)
            calls.start_soon(cut_off, sbc, "is_hung_up_on_after_a_crash_through_proxies", HIDDEN)
            await first.open_call("orphan", ORPHANS)
            old = rows(first)
            first.signal(signal.SIGKILL)
            assert await first.exit_code() == -signal.SIGKILL
        with exchange.run(sip=str(at)) as second:
            with trio.fail_after(SOON):
                orphans = await second.closed("orphan", ORPHANS)
                await until(lambda: len(ended) == 2, SOON, "every caller to have got its BYE")
            assert [one.code for one in ended] == [0, 0], [one.errors for one in ended]
            assert {(one["cause"], one["sip_code"]) for one in orphans} == {("killed", 200)}
            new = rows(second)
            assert {one["call"]: one for one in new if one["caller"] == "before"} == {
                one["call"]: one for one in old if one["caller"] == "before"
            }
            assert [one["call"] for one in new] == [one["call"] for one in old]
            assert is_whole(second.data / "ledger.db")


async def test_sigterm_lets_a_call_finish_refuses_new_ones_with_503_and_ends_with_0(
    exchange: Exchange, tmp_path: Path
) -> None:
    ended: list[Sipp] = []

    async def a_call_under_way() -> None:
        ended.append(await calling(tmp_path, program, "staying", "talks_and_hangs_up", "-d", "3500"))

    with exchange.run() as program:
        async with trio.open_nursery() as calls:
            calls.start_soon(a_call_under_way)
            await program.open_call("staying")
            program.signal(signal.SIGTERM)
            await until(lambda: program.log("draining"), 2, "the drain")
            late = await calling(tmp_path, program, "late", "is_told_503")
            assert late.code == 0, late.errors
            assert "SIP/2.0 503" in await options(program)
            assert not ended
        assert ended[0].code == 0, ended[0].errors
        assert await program.exit_code(5) == 0
        assert {one["caller"]: one["cause"] for one in program.calls()} == {
            "staying": "caller_hung_up",
            "late": "overload",
        }


async def test_a_second_sigterm_hangs_up_and_ends_at_once(exchange: Exchange, tmp_path: Path) -> None:
    ended: list[Sipp] = []

    async def a_call_under_way() -> None:
        ended.append(await calling(tmp_path, program, "staying", "is_hung_up_on"))

    with exchange.run() as program:
        async with trio.open_nursery() as calls:
            calls.start_soon(a_call_under_way)
            await program.open_call("staying")
            program.signal(signal.SIGTERM)
            await until(lambda: program.log("draining"), 2, "the drain")
            program.signal(signal.SIGTERM)
            assert await program.exit_code(3) == 0
        assert ended[0].code == 0, ended[0].errors
        [record] = program.calls()
        assert (record["cause"], record["ended_by"]) == ("drained", "us")


def hiding(folder: Path, sbc: Address, house: Address) -> AbstractAsyncContextManager[Path]:
    """Kamailio as the SBC of a house."""
    words = {"house_host": house.host, "house_port": house.port, "carrier": "", "desk": "", "children": 1}
    return kamailio(folder, "sbc", sbc, hiding=TOPOH, **words)


async def calling(folder: Path, program: Program, caller: str, scenario: str, *options: str, calls: int = 1) -> Sipp:
    return await sipp(
        folder, program.sip, "-key", "caller", caller, *options, scenario=scenario, host=HOST, calls=calls
    )


async def options(program: Program) -> str:
    """What sipsak's OPTIONS is answered."""
    command = ["sipsak", "-v", "-s", f"sip:anyone@{program.sip}"]
    done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode()


def rows(program: Program) -> list[Facts]:
    """Every call with its attempts, in order."""
    return [program.call(one["call"]) for one in program.calls()]


def is_whole(ledger: Path) -> bool:
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        return [tuple(row) for row in database.execute("PRAGMA integrity_check")] == [("ok",)]
