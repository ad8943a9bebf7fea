"""SIPp's own caller, 200 calls: none fails, every record is closed, and the process is as it was before."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from tests.interop.support import COMMAND, ROOT, Exchange, Program, sipp, until

CALLS = 200


async def test_two_hundred_calls_of_three_seconds_at_ten_a_second_all_succeed_and_leave_nothing(
    exchange: Exchange, tmp_path: Path
) -> None:
    with exchange.run() as program:
        quiet = program.sockets()
        await sipp(tmp_path, program.sip, "-d", "3000", host="127.0.0.1")
        await until(lambda: program.sockets() == quiet, what="the first call's sockets to be closed")
        before = figures(program)
        done = await sipp(tmp_path, program.sip, "-r", "10", "-d", "3000", host="127.0.0.1", calls=CALLS)
        assert (done.code, done.counted("Successful call"), done.counted("Failed call")) == (0, CALLS, 0), done.errors
        assert "SIP/2.0 503" not in program.capture()
        records = (await listed(program.data))[1:]
        assert len(records) == CALLS
        assert {(one["cause"], one["sip_code"]) for one in records} == {("caller_hung_up", 200)}
        assert all(one["answered"] and one["ended"] for one in records)
        await until(lambda: no_more(figures(program), before), 30, f"{before} again")


def figures(program: Program) -> dict[str, int]:
    """What a process holds. Trio's idle threads end by themselves after 10 s."""
    return {
        "descriptors": program.descriptors(),
        "sockets": program.sockets(),
        "threads": program.threads(),
        "children": program.children(),
    }


def no_more(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now[name] <= before[name] for name in before)


async def listed(data: Path) -> list[dict[str, object]]:
    """What `calls list --json` prints."""
    command = [*COMMAND, "calls", "list", "--json", "--data", str(data)]
    done = await trio.run_process(command, capture_stdout=True, cwd=ROOT)
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows
