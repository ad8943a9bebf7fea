"""A worker's ledger: its rows go to the parent, who has the one writer. Both ends of that conversation stand here.

- The promises are Ledger's: `queue` never blocks, `durable` and `flush` return once the row is on disk, and what cannot
  be written is a LedgerBroken.
- Rows arrive in the order they were queued, under this worker's node and boot. No parent is a broken ledger.
- What a worker has sent before it died is written: the parent reads its lane to the end.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from callactors.errors import LedgerBroken
from callactors.stores import ledger_rows
from callactors.stores.ledger import BOUND, RENEWAL, Ledger, LedgerStatistics, Origin
from callactors.stores.ledger_orphans import Orphan
from callactors.stores.ledger_rows import LeasesRenewed, Row

TOLD_EVERY = 64  # rows nobody waits for, until their fate is told


class RowSent(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: a row, or a flush where `kind` is empty. `told`: say what became of it, good or bad."""

    number: int
    kind: str = ""
    row: bytes = b""  # msgpack
    told: bool = False


class Asked(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: `earlier_run` or `usd_since`."""

    number: int
    question: str
    arguments: list[str | int]


class RowSettled(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: this row and all before it are written, but for what is told otherwise."""

    number: int
    problem: str | None = None


class Replied(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: the answer to Asked."""

    number: int
    value: Any = None
    problem: str | None = None


class LedgerState(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: why rows cannot be written now, None when they can."""

    broken: str | None


FromWorker = RowSent | Asked
ToWorker = RowSettled | Replied | LedgerState
_DECODERS: dict[str, msgspec.msgpack.Decoder[Row]] = {}


@attrs.define(eq=False)
class _Waiting:
    done: trio.Event = attrs.field(factory=trio.Event)
    value: Any = None
    problem: str | None = None


@attrs.define(eq=False)
class RemoteLedger:
    """A LedgerWriter. `send` passes a message to the parent at once; `take` is handed what comes back."""

    path: Path
    node: str
    send: Callable[[FromWorker], None]
    boot: str = attrs.field(factory=lambda: secrets.token_hex(8))
    bound: int = BOUND
    broken: str | None = attrs.field(default=None, init=False)
    seen: Callable[[Row], None] = attrs.field(default=lambda row: None, init=False)  # told of each row before it leaves
    _offset: float | None = attrs.field(default=None, init=False)
    _waiting: dict[int, _Waiting] = attrs.field(factory=dict, init=False)
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _sent: int = attrs.field(default=0, init=False)
    _settled: int = attrs.field(default=0, init=False)
    _refused: int = attrs.field(default=0, init=False)
    _overflowed: int = attrs.field(default=0, init=False)
    _over: bool = attrs.field(default=False, init=False)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the leases of our calls, until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(RENEWAL)
            if not self.broken:
                self.queue(LeasesRenewed())

    def wall(self, at: float) -> int:
        if self._offset is None:
            self._offset = time.time() - trio.current_time()
        return round((at + self._offset) * 1000)

    def statistics(self) -> LedgerStatistics:
        """As Ledger's, of this worker's rows; commits are the parent's to count."""
        waiting = self._sent - self._settled
        return LedgerStatistics(waiting, self._settled, 0, self._refused, self._overflowed, self.broken)

    # -- writing -------------------------------------------------------------------------------------------------

    def queue(self, row: Row) -> None:
        self.seen(row)
        number = next(self._numbers)
        self._send(RowSent(number, type(row).__name__, _packed(row), number % TOLD_EVERY == 0))

    async def durable(self, row: Row) -> None:
        self.seen(row)
        number = next(self._numbers)
        await self._wait(number, RowSent(number, type(row).__name__, _packed(row), True))

    async def flush(self) -> None:
        number = next(self._numbers)
        await self._wait(number, RowSent(number, told=True))

    # -- asking --------------------------------------------------------------------------------------------------

    async def earlier_run(self, call: str, tool: str, arguments: str | bytes) -> tuple[str, str | None] | None:
        text = arguments if isinstance(arguments, str) else bytes(arguments).decode("utf-8", "replace")
        value = await self._ask("earlier_run", [call, tool, text])
        return None if value is None else (str(value[0]), value[1])

    async def usd_since(self, wall: int) -> float:
        return float(await self._ask("usd_since", [wall]))

    async def orphans(self) -> list[Orphan]:
        """None: they are the parent's to bury."""
        await trio.lowlevel.checkpoint()
        return []

    async def close_orphans(self, orphans: Sequence[Orphan]) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    # -- what the parent says ------------------------------------------------------------------------------------

    def take(self, word: ToWorker) -> None:
        """An answer has come."""
        if isinstance(word, LedgerState):
            self.broken = word.broken
            return
        if isinstance(word, RowSettled):
            self._settled = max(self._settled, word.number)
            self._refused += word.problem is not None
        waiting = self._waiting.get(word.number)
        if waiting is not None:
            waiting.problem = word.problem
            waiting.value = word.value if isinstance(word, Replied) else None
            waiting.done.set()

    def lose(self) -> None:
        """The parent is gone, and the ledger with it."""
        self._over, self.broken = True, f"{self.path}: the process that writes it has ended"
        for waiting in self._waiting.values():
            waiting.problem = self.broken
            waiting.done.set()

    async def _ask(self, question: str, arguments: list[str | int]) -> Any:
        number = next(self._numbers)
        return await self._wait(number, Asked(number, question, arguments))

    async def _wait(self, number: int, message: FromWorker) -> Any:
        waiting = self._waiting[number] = _Waiting()
        try:
            self._send(message)
            await waiting.done.wait()
        finally:
            del self._waiting[number]
        if waiting.problem is not None:
            raise LedgerBroken(waiting.problem)
        return waiting.value

    def _send(self, message: FromWorker) -> None:
        if self._over or message.number - self._settled > self.bound:
            self._overflowed += 1
            raise LedgerBroken(self.broken or f"{self.bound} rows wait for {self.path}; lower limits.calls")
        self._sent = message.number
        self.send(message)


@attrs.define(eq=False)
class LedgerDesk:
    """The parent's side, one for each worker: writes what it sends, and answers. `origin` is its node and boot."""

    ledger: Ledger
    origin: Origin
    send: Callable[[ToWorker], None]
    seen: Callable[[Row], None] = lambda row: None  # told of each row

    async def serve(self, word: FromWorker, nursery: trio.Nursery) -> None:
        """Take one message; in order."""
        if isinstance(word, Asked):
            nursery.start_soon(self._answer, word)
            await trio.lowlevel.checkpoint()
        else:
            self.accept(word)

    def accept(self, word: RowSent) -> None:
        """Have a row written; what becomes of it is told when somebody waits, or when it is nothing good."""
        row = _decoder(word.kind).decode(word.row) if word.kind else None
        if row is not None:
            self.seen(row)
        try:
            self.ledger.accept(row, self.origin, partial(self._settle, word), awaited=word.told)
        except LedgerBroken as error:
            self._settle(word, str(error))

    def _settle(self, word: RowSent, problem: str | None) -> None:
        if word.told or problem is not None:
            self.send(RowSettled(word.number, problem))

    async def _answer(self, asked: Asked) -> None:
        value: object = None
        problem = None
        try:
            if asked.question == "usd_since":
                value = await self.ledger.usd_since(int(asked.arguments[0]))
            else:
                call, tool, arguments = map(str, asked.arguments)
                value = await self.ledger.earlier_run(call, tool, arguments)
        except LedgerBroken as error:
            problem = str(error)
        self.send(Replied(asked.number, value, problem))


def _packed(row: Row) -> bytes:
    """Raises LedgerBroken for what no row may hold."""
    try:
        return msgspec.msgpack.encode(row)
    except UnicodeEncodeError:  # half a surrogate pair, from a caller's or a model's broken text
        try:
            return msgspec.msgpack.encode(_whole(msgspec.to_builtins(row)))
        except (TypeError, OverflowError) as error:
            raise LedgerBroken(f"{type(row).__name__}: {error}") from error
    except (TypeError, OverflowError, RecursionError) as error:
        raise LedgerBroken(f"{type(row).__name__}: {error}") from error


def _whole(value: Any) -> Any:
    """The same with every text storable."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, (list, tuple)) else value


def _decoder(kind: str) -> msgspec.msgpack.Decoder[Row]:
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.msgpack.Decoder(getattr(ledger_rows, kind))
    return _DECODERS[kind]
