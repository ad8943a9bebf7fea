"""A worker's ledger: the same promises, kept by another process."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
import trio

from callactors.errors import LedgerBroken
from callactors.routing.cause import Cause
from callactors.stores.ledger import Ledger, Origin, open_ledger
from callactors.stores.ledger_remote import FromWorker, LedgerDesk, LedgerState, RemoteLedger, ToWorker
from callactors.stores.ledger_rows import (
    CallClosed,
    CallOpened,
    CallRefused,
    EventRow,
    LeasesRenewed,
    OutcomeRow,
    Row,
    ToolRunDone,
    ToolRunRow,
    TurnRow,
)


@asynccontextmanager
async def joined(folder: Path, *, bound: int = 100) -> AsyncIterator[tuple[RemoteLedger, Ledger]]:
    """A worker's ledger, and its parent's, with the way between them in memory; each word is encoded as it would be."""
    to_parent = msgspec.msgpack.Decoder(FromWorker)
    to_worker = msgspec.msgpack.Decoder(ToWorker)
    async with open_ledger(folder / "ledger.db", "a1") as ledger, trio.open_nursery() as nursery:
        words: list[FromWorker] = []
        come = trio.Event()

        def send(word: FromWorker) -> None:
            words.append(to_parent.decode(msgspec.msgpack.encode(word)))
            come.set()

        def back(word: ToWorker) -> None:
            worker.take(to_worker.decode(msgspec.msgpack.encode(word)))

        worker = RemoteLedger(folder / "ledger.db", "a1.0", send, bound=bound)
        desk = LedgerDesk(ledger, Origin("a1.0", worker.boot), back)

        async def serve() -> None:
            nonlocal come
            while True:
                await come.wait()
                come = trio.Event()
                while words:
                    await desk.serve(words.pop(0), nursery)

        nursery.start_soon(serve)
        yield worker, ledger
        nursery.cancel_scope.cancel()


def asked(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        return db.execute(query).fetchall()


def opened(call: str) -> CallOpened:
    return CallOpened(call=call, direction="inbound", started=1, caller="+1", called="+2")


async def test_a_durable_row_is_on_disk_under_the_workers_name_when_the_wait_ends(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        with trio.fail_after(3):
            await worker.durable(opened("c1"))
        assert asked(tmp_path, "SELECT id, node, boot FROM calls") == [("c1", "a1.0", worker.boot)]


async def test_rows_are_written_in_the_order_they_were_queued_durable_or_not(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        worker.queue(opened("c1"))
        for n in range(20):
            worker.queue(EventRow(call="c1", at=n, kind=f"k{n}"))
        with trio.fail_after(3):
            await worker.durable(CallClosed(call="c1", ended=2, cause=Cause.CALLER_HUNG_UP, ended_by="far_end"))
        kinds = [kind for (kind,) in asked(tmp_path, "SELECT kind FROM events ORDER BY seq")]
        assert kinds == [f"k{n}" for n in range(20)]


ROWS: list[Row] = [
    EventRow(call="c1", at=1, kind="k", body={"a": [1, 2.5, None, "x"], "b": True}),
    EventRow(call="c1", at=1, kind="half a pair", body={"text": "\ud800 and \udfff"}),
    TurnRow(call="c1", n=0, heard="\ud83d", said="ok", stages={"model": 1.5}),
    ToolRunRow(call="c1", session=1, tool_request_id="t", tool="find", arguments='{"day": 1}'),
    ToolRunDone(call="c1", session=1, tool_request_id="t", state="finished", output="o"),
    OutcomeRow(call="c1", at=1, outcome="crm_created"),
    LeasesRenewed(),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{type(row).__name__} {getattr(row, 'kind', '')}")
async def test_every_kind_of_row_arrives_as_the_ledger_itself_would_have_had_it(row: Row, tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, ledger):
        worker.queue(opened("c1"))
        with trio.fail_after(3):
            await worker.durable(row)
        assert ledger.statistics().refused == 0


async def test_a_row_that_sqlite_refuses_is_a_broken_ledger_to_whoever_waits_and_to_nobody_else(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        with trio.fail_after(3):
            with pytest.raises(LedgerBroken, match="TurnRow"):
                await worker.durable(TurnRow(call="c1", n=1 << 63, heard="", said=""))
            await worker.durable(opened("c1"))
        assert worker.statistics().refused == 1


async def test_what_msgpack_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        with pytest.raises(LedgerBroken, match="EventRow"):
            worker.queue(EventRow(call="c1", at=1 << 70, kind="k"))


async def test_questions_are_answered_and_see_the_rows_before_them(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        worker.queue(opened("c1"))
        worker.queue(ROWS[3])
        worker.queue(CallClosed(call="c1", ended=5_000, cause=Cause.CALLER_HUNG_UP, ended_by="us", usd=1.25))
        with trio.fail_after(3):
            assert await worker.earlier_run("c1", "find", '{ "day":1 }') == ("started", None)
            assert await worker.earlier_run("c1", "find", "{}") is None
            assert await worker.usd_since(1_000) == 1.25


async def test_flush_waits_for_everything_queued(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        worker.queue(opened("c1"))
        with trio.fail_after(3):
            await worker.flush()
        assert asked(tmp_path, "SELECT count(*) FROM calls") == [(1,)]


async def test_a_flood_of_refusals_is_folded_by_the_parent(tmp_path: Path) -> None:
    async with joined(tmp_path, bound=1_000) as (worker, _):
        for n in range(50):
            worker.queue(CallRefused(call=f"r{n}", at=1_000, cause=Cause.OVERLOAD, sip_code=503))
        with trio.fail_after(5):
            await worker.flush()
        [(rows,)] = asked(tmp_path, "SELECT count(*) FROM calls")
        assert rows == 10
        assert asked(tmp_path, "SELECT kind FROM events") == [("refused",)]


async def test_more_rows_than_may_wait_are_refused_not_kept(tmp_path: Path) -> None:
    worker = RemoteLedger(tmp_path / "ledger.db", "a1.0", lambda word: None, bound=10)
    for n in range(10):
        worker.queue(opened(f"c{n}"))
    with pytest.raises(LedgerBroken, match="10 rows wait"):
        worker.queue(opened("one more"))
    assert worker.statistics().overflowed == 1


async def test_a_parent_that_is_gone_is_a_broken_ledger_to_all_who_wait_and_all_who_come(tmp_path: Path) -> None:
    worker = RemoteLedger(tmp_path / "ledger.db", "a1.0", lambda word: None)
    told: list[str] = []

    async def wait(what: Callable[[], object]) -> None:
        try:
            await what()  # type: ignore[misc]  # a coroutine function
        except LedgerBroken as error:
            told.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, lambda: worker.durable(opened("c1")))
        nursery.start_soon(wait, worker.flush)
        await trio.testing.wait_all_tasks_blocked()
        worker.lose()
    assert len(told) == 2
    with pytest.raises(LedgerBroken, match="has ended"):
        worker.queue(opened("c2"))


async def test_the_parents_trouble_is_the_workers_until_it_is_over(tmp_path: Path) -> None:
    worker = RemoteLedger(tmp_path / "ledger.db", "a1.0", lambda word: None)
    worker.take(LedgerState("the disk is full"))
    assert worker.broken == "the disk is full"
    worker.take(LedgerState(None))
    assert worker.broken is None


async def test_orphans_of_a_dead_worker_are_its_open_calls_and_no_others(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, ledger):
        await ledger.durable(opened("the parent's"))
        for call in ("c1", "c2"):
            worker.queue(opened(call))
        worker.queue(CallClosed(call="c2", ended=2, cause=Cause.CALLER_HUNG_UP, ended_by="far_end"))
        await worker.flush()
        orphans = await ledger.orphans_of(Origin("a1.0", worker.boot))
        assert [orphan.call for orphan in orphans] == ["c1"]
        assert await ledger.close_orphans(orphans, Cause.CRASH) == 1
        rows = asked(tmp_path, "SELECT id, cause, ended_by FROM calls ORDER BY id")
        assert rows == [("c1", "crash", "us"), ("c2", "caller_hung_up", "far_end"), ("the parent's", None, None)]


async def test_at_the_next_start_calls_of_the_nodes_workers_are_the_nodes_to_bury(tmp_path: Path) -> None:
    async with joined(tmp_path) as (worker, _):
        await worker.durable(opened("c1"))
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        assert [(orphan.call, orphan.node) for orphan in await ledger.orphans()] == [("c1", "a1.0")]
    async with open_ledger(tmp_path / "ledger.db", "a") as ledger:
        assert await ledger.orphans() == []
