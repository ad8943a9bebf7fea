"""What a killed process leaves behind: exactly its open calls are found and closed, and no durable row is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio

from callactors.errors import NodeBusy
from callactors.routing.cause import Cause
from callactors.sip.dialog import DialogFacts
from callactors.stores.ledger import Ledger, open_ledger
from callactors.stores.ledger_orphans import GRACE, Orphan
from callactors.stores.ledger_rows import AttemptRow, CallClosed, CallOpened, ToolRunRow

FACTS = DialogFacts(
    sip_call_id="abc@caller",
    local_tag="a1-x",
    remote_tag="y",
    cseq=7,
    local_uri="sip:us@127.0.0.1",
    remote_uri="sip:them@127.0.0.2",
    local_address="127.0.0.1:5060",
    remote_address="127.0.0.2:5070",
    route_set=("<sip:p1;lr>",),
    remote_target="sip:them@127.0.0.2:5070",
)

# opens calls without end, closes every third, and says so once it is durable
CHILD = """
import sys, trio
from pathlib import Path
from callactors.routing.cause import Cause
from callactors.stores.ledger import open_ledger
from callactors.stores.ledger_rows import CallClosed, CallOpened

async def main():
    async with open_ledger(Path(sys.argv[1]), "a1") as ledger:
        async with trio.open_nursery() as nursery:
            for worker in range(4):
                nursery.start_soon(calls, ledger, worker)

async def calls(ledger, worker):
    for n in range(1_000_000):
        call = f"{worker}-{n:06}"
        await ledger.durable(CallOpened(call=call, direction="inbound", started=n))
        print("open", call, flush=True)
        if n % 3 == 0:
            await ledger.durable(CallClosed(call=call, ended=n, cause=Cause.COMPLETED, ended_by="us"))
            print("closed", call, flush=True)

trio.run(main)
"""


def opened(call: str) -> CallOpened:
    return CallOpened(call=call, direction="inbound", started=1000)


def killed_while_writing(path: Path, lines: int) -> tuple[set[str], set[str]]:
    """What a child said was durable before SIGKILL: (opened, closed). While it lives its folder is busy."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    with pytest.raises(NodeBusy) as busy:
        trio.run(Ledger(path, "a1").open)
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.read().splitlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    assert f"process {child.pid} (node a1)" in str(busy.value)
    words = [line.split() for line in said if len(line.split()) == 2 and len(line.split()[1]) == 8]
    return {call for word, call in words if word == "open"}, {call for word, call in words if word == "closed"}


def states(path: Path) -> dict[str, str | None]:
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(db.execute("SELECT id, cause FROM calls"))
    finally:
        db.close()


def test_kill_9_loses_no_durable_row_and_the_next_start_closes_exactly_the_orphans(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    said_open, said_closed = killed_while_writing(path, 60)

    async def next_start() -> tuple[set[str], int]:
        async with open_ledger(path, "a1") as ledger:
            await ledger.durable(opened("ours"))
            orphans = await ledger.orphans()
            return {orphan.call for orphan in orphans}, await ledger.close_orphans(orphans)

    orphans, closed = trio.run(next_start)
    after = states(path)
    assert {call for call, cause in after.items() if cause == Cause.KILLED} == orphans
    assert closed == len(orphans)
    assert said_open <= after.keys()
    assert orphans.isdisjoint(said_closed)
    assert said_open - said_closed <= orphans | {call for call, cause in after.items() if cause == Cause.COMPLETED}
    assert after["ours"] is None


async def test_an_orphan_carries_what_a_bye_needs_for_its_answered_legs_and_those_of_ours_that_ring(
    tmp_path: Path,
) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(opened("c1"))
        ledger.queue(AttemptRow(call="c1", n=0, leg=0, facts=FACTS, answered=1100))
        ledger.queue(AttemptRow(call="c1", n=1, leg=1, facts=FACTS, rang=1200))
        ledger.queue(AttemptRow(call="c1", n=3, leg=3, facts=msgspec.structs.replace(FACTS, remote_tag=""), rang=1200))
        ledger.queue(AttemptRow(call="c1", n=4, leg=4, facts=FACTS))
        ledger.queue(AttemptRow(call="c1", n=2, leg=1, facts=FACTS, answered=1300, ended=1400))
        ledger.queue(ToolRunRow(call="c1", session=0, tool_request_id="t", tool="book", arguments="{}"))
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        (orphan,) = await ledger.orphans()
        assert (orphan.call, orphan.started, orphan.dialogs) == ("c1", 1000, (FACTS, FACTS))
        assert await ledger.close_orphans([orphan]) == 1
        assert await ledger.orphans() == []
    db = sqlite3.connect(tmp_path / "ledger.db")
    assert db.execute("SELECT cause, ended_by FROM calls").fetchall() == [("killed", "us")]
    assert db.execute("SELECT count(*) FROM attempts WHERE ended IS NULL").fetchone() == (0,)
    assert db.execute("SELECT ended FROM attempts WHERE n = 2").fetchone() == (1400,)
    assert db.execute("SELECT state FROM tool_runs").fetchone() == ("lost",)
    db.close()


async def test_a_caller_who_was_still_ringing_is_theirs_to_give_up(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(opened("c1"))
        ledger.queue(AttemptRow(call="c1", n=0, leg=0, facts=FACTS, rang=1100))
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        (orphan,) = await ledger.orphans()
        assert orphan.dialogs == ()


async def test_our_own_open_calls_and_closed_ones_are_no_orphans(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(opened("done"))
        ledger.queue(CallClosed(call="done", ended=1, cause=Cause.COMPLETED, ended_by="us"))
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.durable(opened("alive"))
        assert await ledger.orphans() == []


@pytest.mark.parametrize(("past", "found"), [(GRACE - 5000, []), (GRACE + 1000, ["theirs"])])
async def test_another_nodes_call_is_an_orphan_only_once_its_lease_passed_30_s_ago(
    tmp_path: Path, past: int, found: list[str]
) -> None:
    async with open_ledger(tmp_path / "ledger.db", "b2") as theirs:
        await theirs.durable(opened("theirs"))
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        db = sqlite3.connect(ledger.path, isolation_level=None)
        db.execute("UPDATE calls SET lease_until = ?", (ledger.wall(trio.current_time()) - past,))
        db.close()
        assert [orphan.call for orphan in await ledger.orphans()] == found


async def test_an_orphan_that_ended_meanwhile_is_left_as_it_ended(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.durable(opened("c1"))
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        orphans = await ledger.orphans()
        await ledger.durable(CallClosed(call="c1", ended=5, cause=Cause.CALLER_HUNG_UP, ended_by="far_end"))
        assert await ledger.close_orphans(orphans) == 0
    assert states(tmp_path / "ledger.db") == {"c1": "caller_hung_up"}


async def test_another_nodes_call_whose_lease_was_renewed_since_is_left_alone(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "b2") as theirs:
        await theirs.durable(opened("theirs"))
        boot = theirs.boot
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        assert await ledger.close_orphans([Orphan("theirs", "b2", boot, 1000, None, ())]) == 0
