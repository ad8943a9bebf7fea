"""Half as many calls again as `limits.calls`, with media: exactly the excess is refused, and who was admitted is heard.

The load is the bench's generator, a process that knows nothing of ours, against a real `run` and a Realtime model peer.
A machine whose neighbours keep the generator itself from sending in time is measured again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import trio

from callactors.commands.bench.facts import Loaded, Order, Script
from callactors.commands.bench.parties import Setup, answering, load, model
from callactors.commands.bench.row import SENDER_LATE
from callactors.stores.ledger_reader import open_reader

LIMIT, OFFERED = 20, 30
TURNS = 3  # measurements at most


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
    with open_reader(tmp_path / "ledger.db") as reader:
        causes = [record["cause"] for record in reader.calls()]
    assert causes.count("overload") == len(measured) * (OFFERED - LIMIT)
    assert len(causes) == len(measured) * OFFERED


def served(one: Loaded) -> bool:
    """Whether under 1 % of the packets were late, under 1 % missing, and nobody was hung up on."""
    late, missing = one.late / one.expected, (one.expected - one.received) / one.expected
    return late < 0.01 and missing < 0.01 and not one.gone and one.sender_ms.p99 < 4 * SENDER_LATE
