"""The ledger's one writer: every row of every call goes through here, in order, in group commits.

- `queue` never blocks; `durable` and `flush` return once what they wait for is on disk (WAL, synchronous=FULL).
- A row that somebody waits for takes at most 20 ms to its commit, with all that came before it, and so does a call's
  close: killed sooner, we would bill the call as one that was killed. Any other row may take 200: a thread, a
  transaction and a sync fifty times a second cost as much as thirty callers.
- Nothing is lost silently: a full queue, a broken disk, a row SQLite refuses: each is a LedgerBroken and a counter.
  A batch that could not be written stays queued and is tried again; only its `durable` waiters are told at once.
- SQLite runs in a thread, through net/offload, one transaction at a time.
- `run` must outlive every call: `open_ledger` shields it until its body is done.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from callactors.errors import LedgerBroken
from callactors.net.offload import in_thread
from callactors.routing.cause import Cause
from callactors.stores import ledger_orphans, ledger_schema
from callactors.stores.ledger_folding import Folding
from callactors.stores.ledger_lock import NodeLock, hold
from callactors.stores.ledger_orphans import Orphan
from callactors.stores.ledger_rows import (
    CallClosed,
    CallRefused,
    EventRow,
    LeasesRenewed,
    Row,
    Values,
    arguments_hash,
    write,
)

T = TypeVar("T")

GROUP = 0.02  # s between two commits
PATIENCE = 0.2  # s that rows may wait while nobody waits for them
LEASE = 10_000  # ms
RENEWAL = 3.0  # s
RETRY = 0.5  # s after a commit that failed
SHUTDOWN = 5.0  # s for the last commit
BOUND = 20_000  # rows that may wait

_REMEDIES = {
    "full": "free some disk space",
    "readonly": "make the folder and the file writable",
    "locked": "close the other program that writes it",
    "unable to open": "make the folder writable, or start with another --data DIR",
    "not a database": "move it away, or start with another --data DIR",
    "is gone": "put it back, or start again",
    "malformed": "restore it from a copy, or start with another --data DIR",
}
# what is wrong with one row, and leaves the rest of its transaction alone
_ROW_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
    OverflowError,
    TypeError,
    ValueError,
    KeyError,
    RecursionError,
)


@attrs.frozen
class LedgerStatistics:
    """Rows waiting, written, refused by SQLite, turned away by a full queue; commits, and seconds they took in all."""

    waiting: int
    written: int
    commits: int
    refused: int
    overflowed: int
    broken: str | None  # what is wrong now
    commit_seconds: float = 0.0


@attrs.frozen
class Origin:
    """Whose a row is: a process's node and boot."""

    node: str
    boot: str


Told = Callable[[str | None], None]


@attrs.define(eq=False)
class _Entry:
    """A row on its way, and who waits for it. `row` None is a flush."""

    row: Row | None
    done: trio.Event | None = None
    problem: str | None = None
    origin: Origin | None = None  # None is this process
    told: Told | None = None

    def settle(self, problem: str | None) -> None:
        if self.told is not None:
            told, self.told = self.told, None
            told(problem)
        if self.done is not None and not self.done.is_set():
            self.problem = problem
            self.done.set()


@attrs.define(eq=False)
class Ledger:
    """`path` is the database; its folder also holds node.lock. `bound` is how many rows may wait."""

    path: Path
    node: str
    boot: str = attrs.field(factory=lambda: secrets.token_hex(8))
    bound: int = BOUND
    broken: str | None = attrs.field(default=None, init=False)  # why the last commit failed; /readyz says so
    seen: Callable[[Row], None] = attrs.field(default=lambda row: None, init=False)  # told of each row before the disk
    _offset: float | None = attrs.field(default=None, init=False)
    _pending: deque[_Entry] = attrs.field(factory=deque, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)  # something is to be written
    _awaited: trio.Event = attrs.field(factory=trio.Event, init=False)  # and somebody waits for it
    _folding: Folding = attrs.field(factory=Folding, init=False)
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    _connection: sqlite3.Connection | None = attrs.field(default=None, init=False)
    _lock: NodeLock | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _written: int = attrs.field(default=0, init=False)
    _commits: int = attrs.field(default=0, init=False)
    _committing: float = attrs.field(default=0.0, init=False)  # seconds
    _refused: int = attrs.field(default=0, init=False)
    _overflowed: int = attrs.field(default=0, init=False)

    # -- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Lock the folder, open and migrate the file. Raises NodeBusy, LedgerBroken. Idempotent."""
        self.wall(trio.current_time())
        if self._connection is None:
            await in_thread(self._open, limiter=self._limiter)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled, then write the rest. Raises LedgerBroken if the rest could not be written."""
        await self.open()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew)
                task_status.started()
                await self._write_on()
        finally:
            with trio.move_on_after(SHUTDOWN, shield=True):
                await self._finish()
            self._abandon()

    def wall(self, at: float) -> int:
        """A trio.current_time() as UTC epoch milliseconds, by the one offset fixed when the ledger started."""
        if self._offset is None:
            self._offset = time.time() - trio.current_time()
        return round((at + self._offset) * 1000)

    def statistics(self) -> LedgerStatistics:
        return LedgerStatistics(
            len(self._pending), self._written, self._commits, self._refused, self._overflowed, self.broken,
            self._committing,
        )  # fmt: skip

    # -- writing -------------------------------------------------------------------------------------------------

    def queue(self, row: Row) -> None:
        """Have this row written, within 220 ms. Never blocks. Raises LedgerBroken when the queue is full or closed."""
        self.seen(row)
        if isinstance(row, CallRefused) and not self._folding.admits(row, row.at):
            self._wake.set()
            return
        self._append(_Entry(row))

    async def durable(self, row: Row) -> None:
        """Queue this row and return once it is on disk. Raises LedgerBroken when it is not."""
        self.seen(row)
        await self._settled(_Entry(row, trio.Event()))

    async def flush(self) -> None:
        """Return once everything queued so far is on disk. Raises LedgerBroken when it is not."""
        for event in self._folding.due(0, everything=True):
            self._append(_Entry(event))
        await self._settled(_Entry(None, trio.Event()))

    def accept(self, row: Row | None, origin: Origin, told: Told, *, awaited: bool = True) -> None:
        """A row of another process, None for its flush; `told(problem)` follows. Raises LedgerBroken like `queue`.

        Not `awaited`: nobody there waits for it.
        """
        if isinstance(row, CallRefused) and not self._folding.admits(row, row.at):
            self._wake.set()
            told(None)
            return
        if row is None:
            for event in self._folding.due(0, everything=True):
                self._append(_Entry(event))
        self._append(_Entry(row, origin=origin, told=told), awaited=awaited)

    async def _settled(self, entry: _Entry) -> None:
        self._append(entry, awaited=True)
        assert entry.done is not None
        await entry.done.wait()
        if entry.problem is not None:
            raise LedgerBroken(entry.problem)

    def _append(self, entry: _Entry, *, awaited: bool = False) -> None:
        if self._closed:
            self._overflowed += 1
            raise LedgerBroken(f"{self.path} is closed; {type(entry.row).__name__} came after the last call")
        if len(self._pending) >= self.bound:
            self._overflowed += 1
            why = self.broken or "the disk is too slow for this many calls; lower limits.calls"
            raise LedgerBroken(f"{len(self._pending)} rows wait for {self.path}: {why}")
        self._pending.append(entry)
        self._wake.set()
        if awaited or isinstance(entry.row, CallClosed):
            self._awaited.set()

    # -- reading what we wrote -----------------------------------------------------------------------------------

    async def orphans(self) -> list[Orphan]:
        """Open calls of dead processes, with what a BYE to each of their dialogs needs. Ask at start."""
        return await self._read(lambda db: ledger_orphans.find(db, self.node, self.boot, _epoch_ms()))

    async def orphans_of(self, dead: Origin, *, flushed: bool = True) -> list[Orphan]:
        """Open calls of one process that has just died; all it has sent is accepted. Raises LedgerBroken.

        Not `flushed`: as far as it is on disk, which may be full.
        """
        if flushed:
            await self.flush()
        return await self._read(lambda db: ledger_orphans.find_of(db, dead.node, dead.boot))

    async def close_orphans(self, orphans: Sequence[Orphan], cause: Cause = Cause.KILLED) -> int:
        """Close those of them still orphans; returns how many."""
        return await self._read(lambda db: ledger_orphans.close(db, orphans, self.node, _epoch_ms(), cause))

    async def earlier_run(self, call: str, tool: str, arguments: str | bytes) -> tuple[str, str | None] | None:
        """(state, output) of this call's last run of a tool with these arguments: the model asked again."""
        await self.flush()
        key = (call, tool, arguments_hash(arguments))
        query = "SELECT state, output FROM tool_runs WHERE call=? AND tool=? AND arguments_hash=? ORDER BY rowid DESC"
        return await self._read(lambda db: db.execute(query, key).fetchone())

    async def usd_since(self, wall: int) -> float:
        """What the calls that ended since then (UTC milliseconds) have cost."""
        query = "SELECT coalesce(sum(usd), 0.0) FROM calls WHERE ended >= ?"
        return float((await self._read(lambda db: db.execute(query, (wall,)).fetchone()))[0])

    async def _read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        assert self._connection is not None, "open() first"
        try:
            return await in_thread(ask, self._connection, limiter=self._limiter)
        except sqlite3.Error as error:
            raise LedgerBroken(self._remedy(error)) from error

    # -- the writer ----------------------------------------------------------------------------------------------

    async def _write_on(self) -> None:
        while True:
            with trio.move_on_after(1.0 if self._folding.waiting() else math.inf):
                await self._wake.wait()
                with trio.move_on_after(PATIENCE):
                    await self._awaited.wait()
            self._fold(everything=False)
            began = trio.current_time()
            if await self._commit():
                await trio.sleep_until(began + GROUP)
            else:
                await trio.sleep(RETRY)

    async def _renew(self) -> None:
        while True:
            await trio.sleep(RENEWAL)
            if not self.broken:
                self._pending.append(_Entry(LeasesRenewed()))
                self._wake.set()

    def _fold(self, *, everything: bool) -> None:
        self._pending.extend(_Entry(row) for row in self._folding.due(self._now(), everything=everything))

    async def _commit(self) -> bool:
        """One transaction of everything that waits; False when it failed and waits on."""
        batch = list(self._pending)
        self._wake, self._awaited = trio.Event(), trio.Event()
        if not batch:
            return True
        rows, began = [(entry.row, entry.origin) for entry in batch], trio.current_time()
        try:
            problems = await in_thread(self._write, rows, limiter=self._limiter)
        except trio.Cancelled:
            self._wake.set()
            raise
        except (sqlite3.Error, OSError) as error:
            self._fail(batch, self._remedy(error))
            return False
        self._committing += trio.current_time() - began
        self._succeed(batch, problems)
        return True

    def _succeed(self, batch: list[_Entry], problems: dict[int, str]) -> None:
        self.broken = None
        self._commits += 1
        self._refused += len(problems)
        self._written += sum(entry.row is not None for entry in batch) - len(problems)
        for index, entry in enumerate(batch):
            self._pending.popleft()
            entry.settle(problems.get(index))

    def _fail(self, batch: list[_Entry], problem: str) -> None:
        self.broken = problem
        for entry in batch:
            entry.settle(problem)
        for entry in [entry for entry in batch if entry.row is None]:
            self._pending.remove(entry)
        self._wake.set()

    async def _finish(self) -> None:
        """The last commits, tried until they succeed or the time is over; then the file is closed."""
        self._closed = True
        self._fold(everything=True)
        while self._pending:
            if not await self._commit():
                await trio.sleep(RETRY)
        await in_thread(self._close, limiter=self._limiter)

    def _abandon(self) -> None:
        self._closed = True
        self._close()
        if self._lock is not None:
            self._lock.release()
        left = sum(entry.row is not None for entry in self._pending)
        for entry in self._pending:
            entry.settle(self.broken or "the ledger closed first")
        self._pending.clear()
        if left:
            self._overflowed += left
            raise LedgerBroken(f"{left} rows could not be written: {self.broken or 'the disk did not answer in time'}")

    def _now(self) -> int:
        return self.wall(trio.current_time())

    def _remedy(self, error: Exception) -> str:
        said = str(error)
        remedy = next((text for word, text in _REMEDIES.items() if word in said), "look at the disk it is on")
        return f"{self.path} cannot be written: {said}; {remedy}"

    # -- in the thread -------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            lock = hold(self.path.parent, self.node)
        except OSError as error:
            raise LedgerBroken(self._remedy(error)) from error
        try:
            self.path.touch(mode=0o600)  # who called, and what they said, is nobody else's to read
            self._connection = _connect(self.path)
        except (sqlite3.Error, OSError) as error:
            lock.release()
            raise LedgerBroken(self._remedy(error)) from error
        except LedgerBroken:
            lock.release()
            raise
        self._lock = lock

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write(self, rows: Sequence[tuple[Row | None, Origin | None]]) -> dict[int, str]:
        """One transaction; returns what was wrong with which rows. Whatever else goes wrong undoes all of it."""
        db = self._connection
        assert db is not None
        if not self.path.exists():  # SQLite would go on writing to a file nobody can find any more
            raise FileNotFoundError("the file is gone")
        now = _epoch_ms()
        ours: Values = {"node": self.node, "boot": self.boot, "lease_until": now + LEASE}
        problems: dict[int, str] = {}
        db.execute("BEGIN IMMEDIATE")
        try:
            for index, (row, origin) in enumerate(rows):
                theirs = ours if origin is None else ours | {"node": origin.node, "boot": origin.boot}
                if problem := _write_row(db, row, theirs, now):
                    problems[index] = problem
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
        return problems


def _write_row(db: sqlite3.Connection, row: Row | None, ours: Values, now: int) -> str | None:
    """Write one row; one that SQLite refuses leaves an event in its place and its problem is returned."""
    if row is None:
        return None
    try:
        write(db.execute, row, ours)
    except _ROW_ERRORS as error:
        problem = f"{type(row).__name__}: {error}"[:500]
        body = {"row": type(row).__name__, "call": ascii(row.call)[:80], "problem": problem}
        write(db.execute, EventRow(call="", at=now, kind="row_refused", body=body), ours)
        return problem
    return None


def _epoch_ms() -> int:
    return round(time.time() * 1000)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        ledger_schema.migrate(connection, str(path))
    except (sqlite3.Error, LedgerBroken):
        connection.close()
        raise
    return connection


@asynccontextmanager
async def open_ledger(path: Path, node: str) -> AsyncIterator[Ledger]:
    """A ledger that outlives its body, even a cancelled one, by the last commit. Raises NodeBusy, LedgerBroken."""
    ledger = Ledger(path, node)
    await ledger.open()
    async with trio.open_nursery() as nursery:
        scope = await nursery.start(_run_shielded, ledger)
        try:
            yield ledger
        finally:
            scope.cancel()


async def _run_shielded(ledger: Ledger, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    with trio.CancelScope(shield=True) as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(ledger.run)
            task_status.started(scope)
