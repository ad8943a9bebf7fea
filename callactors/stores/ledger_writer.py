"""What a call asks of whoever writes its record: the process's own Ledger, or a worker's RemoteLedger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from callactors.stores.ledger import LedgerStatistics
from callactors.stores.ledger_orphans import Orphan
from callactors.stores.ledger_rows import Row


class LedgerWriter(Protocol):
    """One for the process."""

    seen: Callable[[Row], None]  # told of each row as it is queued

    @property
    def path(self) -> Path:
        """The database."""

    @property
    def broken(self) -> str | None:
        """Why rows cannot be written now."""

    def wall(self, at: float) -> int:
        """A trio.current_time() as UTC epoch milliseconds, by one offset for all of the process."""

    def statistics(self) -> LedgerStatistics:
        """Rows waiting, written, lost."""

    def queue(self, row: Row) -> None:
        """Have this row written. Never blocks. Raises LedgerBroken when the queue is full or closed."""

    async def durable(self, row: Row) -> None:
        """Queue this row and return once it is on disk. Raises LedgerBroken when it is not."""

    async def flush(self) -> None:
        """Return once everything queued so far is on disk. Raises LedgerBroken when it is not."""

    async def earlier_run(self, call: str, tool: str, arguments: str | bytes) -> tuple[str, str | None] | None:
        """(state, output) of this call's last run of a tool with these arguments. Raises LedgerBroken."""

    async def usd_since(self, wall: int) -> float:
        """What the calls that ended since then (UTC milliseconds) have cost. Raises LedgerBroken."""

    async def orphans(self) -> list[Orphan]:
        """Open calls of dead processes that are ours to end."""

    async def close_orphans(self, orphans: Sequence[Orphan]) -> int:
        """Close those of them still orphans; returns how many."""
