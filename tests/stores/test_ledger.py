"""The ledger's writer: what is durable, what is lost (nothing silently), and how it stops."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from callactors.errors import LedgerBroken, NodeBusy
from callactors.net import offload
from callactors.routing.cause import Cause
from callactors.sip.dialog import DialogFacts
from callactors.stores.ledger import Ledger, open_ledger
from callactors.stores.ledger_rows import (
    AttemptRow,
    CallAnsweredAt,
    CallClosed,
    CallOpened,
    CallRefused,
    EventRow,
    OutcomeRow,
    QualityRow,
    Row,
    ToolRunDone,
    ToolRunRow,
    TransferRow,
    TurnRow,
)

FACTS = DialogFacts(
    sip_call_id="abc@caller",
    local_tag="a1-x",
    remote_tag="y",
    cseq=1,
    local_uri="sip:us@127.0.0.1",
    remote_uri="sip:them@127.0.0.2",
    local_address="127.0.0.1:5060",
    remote_address="127.0.0.2:5070",
    route_set=("<sip:p1;lr>", "<sip:p2;lr>"),
    remote_target="sip:them@127.0.0.2:5070",
)


def opened(call: str = "c1", at: int = 1000) -> CallOpened:
    return CallOpened(call=call, direction="inbound", started=at, scenario="salon", caller="+1312", called="100")


def rows_of(path: Path, query: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


async def test_durable_returns_only_once_another_connection_sees_the_row(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.durable(opened())
        assert rows_of(ledger.path, "SELECT id, node, started, outcome FROM calls") == [("c1", "a1", 1000, "none")]


async def test_flush_returns_once_everything_queued_is_written_in_order(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        for n in range(100):
            ledger.queue(EventRow(call="c1", at=n, kind="step", body={"n": n}))
        await ledger.flush()
        assert rows_of(ledger.path, "SELECT seq FROM events ORDER BY at") == [(n,) for n in range(100)]
        assert ledger.statistics().commits < 5


async def test_rows_nobody_waits_for_share_a_commit_until_somebody_waits(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    offload.INLINE.set(True)
    async with open_ledger(tmp_path / "ledger.db", "n") as ledger:
        await ledger.durable(opened())
        await trio.sleep(1)
        before, count = ledger.statistics().commits, "SELECT count(*) FROM events"
        for at in range(10):
            ledger.queue(EventRow(call="c1", at=at, kind="noise"))
            await trio.sleep(0.01)
        assert (ledger.statistics().commits - before, rows_of(ledger.path, count)) == (0, [(0,)])
        await trio.sleep(0.15)
        assert (ledger.statistics().commits - before, rows_of(ledger.path, count)) == (1, [(10,)])
        ledger.queue(EventRow(call="c1", at=11, kind="noise"))
        began = trio.current_time()
        await ledger.durable(EventRow(call="c1", at=12, kind="noise"))
        assert trio.current_time() - began <= 0.02
        assert rows_of(ledger.path, count) == [(12,)]


async def test_a_close_that_nobody_waits_for_does_not_wait_either(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    offload.INLINE.set(True)
    async with open_ledger(tmp_path / "ledger.db", "n") as ledger:
        await ledger.durable(opened())
        await trio.sleep(1)
        ledger.queue(CallClosed(call="c1", ended=2000, cause=Cause.COMPLETED, ended_by="us"))
        await trio.sleep(0.021)
        assert rows_of(ledger.path, "SELECT ended FROM calls") == [(2000,)]


async def test_leaving_writes_everything_that_was_queued_even_when_cancelled(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                ledger.queue(opened("late"))
    assert rows_of(tmp_path / "ledger.db", "SELECT id FROM calls") == [("late",)]


async def test_every_kind_of_row_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows: list[Row] = [
        opened(),
        CallAnsweredAt(call="c1", answered=1100),
        AttemptRow(call="c1", n=0, leg=0, trunk="loopback", facts=FACTS, rang=1050),
        AttemptRow(call="c1", n=0, leg=0, answered=1100, ended=9000, sip_code=200, q850=16),
        TurnRow(call="c1", n=0, heard="a cut", said="When?", cut_ms=300, stages={"stt": 12.5}),
        ToolRunRow(call="c1", session=0, tool_request_id="t1", tool="book_slot", arguments='{"a": 1}'),
        ToolRunDone(call="c1", session=0, tool_request_id="t1", state="finished", output="done"),
        TransferRow(call="c1", n=0, kind="blind", target="front_desk", at=8000),
        TransferRow(call="c1", n=0, kind="blind", target="front_desk", at=8000, outcome="completed", sip_code=200),
        QualityRow(call="c1", leg=0, direction="in", packets=10, lost=1, late=0, jitter_ms=1.5, mos=4.2),
        CallClosed(call="c1", ended=9000, cause=Cause.TRANSFERRED, ended_by="us", usd=0.25),
    ]
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        for row in rows:
            ledger.queue(row)
        await ledger.flush()
    path = tmp_path / "ledger.db"
    assert rows_of(path, "SELECT answered, ended, cause, ended_by, usd FROM calls") == [
        (1100, 9000, "transferred", "us", 0.25)
    ]
    assert rows_of(path, "SELECT trunk, rang, answered, ended, sip_code, q850, cseq FROM attempts") == [
        ("loopback", 1050, 1100, 9000, 200, 16, 1)
    ]
    assert msgspec.json.decode(str(rows_of(path, "SELECT route_set FROM attempts")[0][0])) == list(FACTS.route_set)
    assert rows_of(path, "SELECT heard, said, cut_ms, stages FROM turns") == [("a cut", "When?", 300, '{"stt":12.5}')]
    assert rows_of(path, "SELECT state, output, arguments FROM tool_runs") == [("finished", "done", '{"a": 1}')]
    assert rows_of(path, "SELECT outcome, sip_code FROM transfers") == [("completed", 200)]
    assert rows_of(path, "SELECT packets, lost, mos FROM quality") == [(10, 1, 4.2)]


async def test_the_outcome_is_the_last_reached_in_order_and_each_is_an_event(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(opened())
        for outcome in ("booking_captured", "crm_created"):
            ledger.queue(OutcomeRow(call="c1", at=1, outcome=outcome, detail="x"))
        await ledger.flush()
        assert rows_of(ledger.path, "SELECT outcome FROM calls") == [("booking_captured",)]
        assert rows_of(ledger.path, "SELECT kind, count(*) FROM events") == [("outcome", 2)]


async def test_the_first_close_wins(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(opened())
        ledger.queue(CallClosed(call="c1", ended=5, cause=Cause.COMPLETED, ended_by="us"))
        await ledger.durable(CallClosed(call="c1", ended=9, cause=Cause.CRASH, ended_by="us"))
        assert rows_of(ledger.path, "SELECT ended, cause FROM calls") == [(5, "completed")]


async def test_a_write_replayed_by_the_model_is_found_however_its_arguments_are_spaced(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(ToolRunRow(call="c1", session=0, tool_request_id="t", tool="book", arguments='{"b":1,"a":2}'))
        ledger.queue(ToolRunDone(call="c1", session=0, tool_request_id="t", state="finished", output="booked"))
        assert await ledger.earlier_run("c1", "book", '{"a": 2, "b": 1}') == ("finished", "booked")
        assert await ledger.earlier_run("c1", "book", '{"a": 3}') is None


async def test_refusals_above_ten_a_second_of_one_cause_become_one_counted_event(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        for n in range(250):
            ledger.queue(CallRefused(call=f"r{n}", at=1000 + n, cause=Cause.OVERLOAD, sip_code=503))
        ledger.queue(CallRefused(call="other", at=1000, cause=Cause.NO_ROUTE, sip_code=404))
        await ledger.flush()
        assert rows_of(ledger.path, "SELECT cause, count(*) FROM calls GROUP BY 1 ORDER BY 1") == [
            ("no_route", 1),
            ("overload", 10),
        ]
        assert rows_of(ledger.path, "SELECT kind, body FROM events") == [
            ("refused", '{"cause":"overload","count":240}')
        ]
        assert rows_of(ledger.path, "SELECT DISTINCT sip_code FROM attempts ORDER BY 1") == [(404,), (503,)]


async def test_a_fold_is_written_when_its_second_is_over_without_any_other_row(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        at = ledger.wall(trio.current_time()) - 950
        for n in range(12):
            ledger.queue(CallRefused(call=f"r{n}", at=at, cause=Cause.OVERLOAD, sip_code=503))
        with trio.fail_after(3):
            while ledger.statistics().written < 11:
                await trio.lowlevel.checkpoint()


async def test_a_full_queue_is_an_error_and_a_counter(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", "a1", bound=2)
    ledger.queue(opened("c1"))
    ledger.queue(opened("c2"))
    with pytest.raises(LedgerBroken, match=r"2 rows wait .* lower limits.calls"):
        ledger.queue(opened("c3"))
    assert ledger.statistics().overflowed == 1


async def test_a_disk_that_fails_is_told_with_a_remedy_and_the_rows_are_written_once_it_is_back(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.flush()
        db = ledger._connection
        assert db is not None
        db.execute("PRAGMA max_page_count = 1")  # the disk is full: SQLite's own limit raises SQLITE_FULL
        ledger.queue(EventRow(call="c1", at=1, kind="big", body="x" * 100_000))
        with pytest.raises(LedgerBroken, match="free some disk space"):
            await ledger.flush()
        assert ledger.statistics().broken
        db.execute("PRAGMA max_page_count = 1000000")
        await ledger.durable(opened())
        assert ledger.statistics().broken is None
        assert rows_of(ledger.path, "SELECT kind FROM events") == [("big",)]


async def test_rows_that_never_reach_the_disk_are_an_error_at_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callactors.stores.ledger.SHUTDOWN", 0.1)
    with pytest.RaisesGroup(
        pytest.RaisesExc(LedgerBroken, match="1 rows could not be written"), flatten_subgroups=True
    ):
        async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
            await ledger.flush()
            assert ledger._connection is not None
            ledger._connection.execute("PRAGMA max_page_count = 1")
            ledger.queue(EventRow(call="c1", at=1, kind="big", body="x" * 100_000))


async def test_a_row_sqlite_refuses_costs_only_itself_and_leaves_an_event(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        ledger.queue(opened("before"))
        with pytest.raises(LedgerBroken, match="CallOpened"):
            await ledger.durable(CallOpened(call="bad", direction="inbound", started=2**70))
        await ledger.durable(opened("after"))
        assert rows_of(ledger.path, "SELECT id FROM calls ORDER BY 1") == [("after",), ("before",)]
        assert rows_of(ledger.path, "SELECT kind FROM events") == [("row_refused",)]
        assert ledger.statistics().refused == 1


async def test_text_that_is_no_unicode_is_stored_not_fatal(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.durable(TurnRow(call="c1", n=0, heard="a\ud800b\x00c", said=""))
        assert rows_of(ledger.path, "SELECT heard FROM turns") == [("a?b\x00c",)]


async def test_a_second_process_on_the_same_data_is_told_who_has_it_and_no_other_user_may_read_it(
    tmp_path: Path,
) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1"):
        with pytest.raises(NodeBusy, match=r"process \d+ \(node a1\); stop it, or .*--data DIR"):
            await Ledger(tmp_path / "ledger.db", "a1").open()
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        assert ledger.path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_no_ledger_is_refused_and_the_folder_is_free_again(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    for _ in range(2):
        with pytest.raises(LedgerBroken, match="not a database; move it away"):
            await Ledger(tmp_path / "ledger.db", "a1").open()


async def test_open_calls_keep_their_lease_while_the_process_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callactors.stores.ledger.RENEWAL", 0.05)
    ledger = Ledger(tmp_path / "ledger.db", "a1")
    async with trio.open_nursery() as nursery:
        await nursery.start(ledger.run)
        await ledger.durable(opened())
        before = rows_of(ledger.path, "SELECT lease_until FROM calls")[0][0]
        with trio.fail_after(5):
            while rows_of(ledger.path, "SELECT lease_until FROM calls")[0][0] == before:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_a_call_on_virtual_time_writes_its_rows_in_place(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    offload.INLINE.set(True)
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        await ledger.durable(opened(at=ledger.wall(trio.current_time())))
        await trio.sleep(100)
        ended = ledger.wall(trio.current_time())
        await ledger.durable(CallClosed(call="c1", ended=ended, cause=Cause.COMPLETED, ended_by="us"))
        ((lasted,),) = rows_of(ledger.path, "SELECT ended - started FROM calls")
        assert 100_000 <= int(str(lasted)) < 100_100


async def test_wall_is_utc_milliseconds_from_one_offset(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", "a1")
    now = trio.current_time()
    assert ledger.wall(now + 1.5) - ledger.wall(now) == 1500
    assert ledger.wall(now) > 1_700_000_000_000


async def test_a_ledger_whose_file_was_taken_away_says_so_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "ledger.db", tmp_path / "elsewhere.db"
    async with open_ledger(path, "a1") as ledger:
        await ledger.durable(opened("c1"))
        path.rename(elsewhere)
        with pytest.raises(LedgerBroken, match="is gone; put it back"):
            await ledger.durable(opened("c2"))
        elsewhere.rename(path)
        await ledger.durable(opened("c3"))
    assert [row[0] for row in rows_of(path, "SELECT id FROM calls ORDER BY id")] == ["c1", "c2", "c3"]
