"""More calls than there is room for, with media: exactly the excess is refused, and who was admitted is heard.

The load is the bench's generator, a process that knows nothing of ours, against a real `run` and a Realtime model peer.
A machine whose neighbours keep the generator itself from sending in time is measured again.
"""

from __future__ import annotations

import os
import resource
from collections import Counter
from pathlib import Path

import msgspec
import trio

from callactors.commands.bench.facts import Loaded, Order, Script
from callactors.commands.bench.parties import Setup, answering, load, model
from callactors.commands.bench.row import SENDER_LATE
from callactors.stores.ledger_reader import open_reader

LIMIT, OFFERED = 20, 30
TURNS = 3  # measurements at most
PER_CALL, RESERVE = 4, 32  # descriptors, as the README says


async def test_half_as_many_again_as_the_limit_are_refused_exactly_and_the_admitted_do_not_notice(
    tmp_path: Path,
) -> None:
    measured: list[Loaded] = []
    setup = Setup("house", limit=LIMIT)
    with trio.fail_after(120):
        async with model(tmp_path, Script(), tls=False) as peer, answering(tmp_path, setup, peer) as (port, pid):
            order = Order(port=port, calls=OFFERED, seconds=3.0, warm=1.0, pids=(pid,))
            for _ in range(TURNS):
                measured.append(await load(order))
                assert (measured[-1].up, measured[-1].refused) == (LIMIT, {"503": OFFERED - LIMIT})
                if served(measured[-1]):
                    break
    assert any(served(one) for one in measured), [msgspec.structs.replace(one, heard=()) for one in measured]
    assert reasons(tmp_path) == {f"limits.calls is {LIMIT}": len(measured) * (OFFERED - LIMIT)}


async def test_a_process_that_runs_out_of_descriptors_refuses_before_anything_breaks(tmp_path: Path) -> None:
    """Room for ten calls at four descriptors each; they need three, which it sees as soon as it looks again."""
    with trio.fail_after(60):
        async with (
            model(tmp_path, Script(), tls=False) as peer,
            answering(tmp_path, Setup("house"), peer) as (port, pid),
        ):
            most = len(os.listdir(f"/proc/{pid}/fd")) + RESERVE + 10 * PER_CALL
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            order = Order(port=port, calls=20, seconds=1.0, warm=0.5, pids=(pid,))
            await load(msgspec.structs.replace(order, calls=1))  # the pulse looks every second
            found = await load(order)
    assert 10 <= found.up <= 14
    assert found.refused == {"503": 20 - found.up}
    assert found.gone == 0
    assert {reason.partition(" ")[0] for reason in reasons(tmp_path)} == {"descriptors:"}
    assert "error" not in (tmp_path / "house.log").read_text()


def served(one: Loaded) -> bool:
    """Whether under 1 % of the packets were late, under 1 % missing, and nobody was hung up on."""
    late, missing = one.late / one.expected, (one.expected - one.received) / one.expected
    return late < 0.01 and missing < 0.01 and not one.gone and one.sender_ms.p99 < 4 * SENDER_LATE


def reasons(folder: Path) -> Counter[str]:
    """Why calls were refused, and how often."""
    with open_reader(folder / "ledger.db") as reader:
        refused = [record["call"] for record in reader.calls() if record["cause"] == "overload"]
        return Counter(reader.call(call)["attempts"][0]["reason"] for call in refused)
