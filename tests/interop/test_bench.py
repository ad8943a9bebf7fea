"""The set-up bench, small: SIPp against callactors and against Kamailio's floor."""

from __future__ import annotations

import json

import trio

from tests.interop.support import COMMAND, ROOT


async def test_the_set_up_bench_measures_callactors_beside_kamailios_floor() -> None:
    command = [*COMMAND, "bench", "setup", "--first", "5", "--most", "5", "--seconds", "2", "--json"]
    done = await trio.run_process(command, capture_stdout=True, cwd=ROOT)
    facts = json.loads(done.stdout)
    assert facts["calls_per_second_before_failure"] == {"callactors": 5, "kamailio": 5}
    ours, floor = facts["steps"]
    assert (ours["calls"], ours["failed"], floor["failed"]) == (10, 0, 0)
    assert 0 <= floor["p95_ms"] <= ours["p95_ms"] < 2000
    assert ours["cpu_ms_per_call"] > 0
