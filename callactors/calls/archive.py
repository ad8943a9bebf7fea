"""Every recording of one process: recorders for its calls, the deck they write by, and what happens to files later.

- Finished recordings are converted where Opus is wanted, one at a time; what a killed process left is, at start.
- `keep_days` is enforced at start and every hour; a deletion is an event of its call.
- It outlives the calls (`open`): what they hand over when they end still reaches the disk, and its events the ledger.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.parts.tape import Tape
from callactors.actors.recorder import Recorder
from callactors.calls.record import CallRecord
from callactors.config import Config
from callactors.config.schema import RecordingMode
from callactors.errors import LedgerBroken, RecordingUnreadable
from callactors.meters.log import log
from callactors.net.offload import in_thread
from callactors.stores.deck import Deck
from callactors.stores.ledger_rows import EventRow
from callactors.stores.ledger_writer import LedgerWriter
from callactors.stores.recordings import Kept, Recordings
from callactors.stores.sealed import MasterKey

SWEEP = 3600.0  # seconds between two looks for what is too old
FOLDER = "recordings"


def recordings_of(config: Config) -> Recordings:
    """The folder and its key, to read from. Writing sealed files takes `Archive.open`."""
    key = config.recording.key
    folder = Path(config.data_dir) / FOLDER
    return Recordings(folder, key=key.reveal() if key is not None else None)


@attrs.define(eq=False)
class Archive:
    """One a process. `open` before the first call."""

    config: Config
    ledger: LedgerWriter
    deck: Deck = attrs.field(factory=Deck, init=False)
    recordings: Recordings = attrs.field(init=False)
    _finished: Mailbox[Kept] = attrs.field(factory=lambda: Mailbox(math.inf), init=False)

    def __attrs_post_init__(self) -> None:
        self.recordings = recordings_of(self.config)

    def recorder(self, mode: RecordingMode, tape: Tape, record: CallRecord) -> Recorder | None:
        """What records this call, as far as it may be recorded."""
        if mode == "off":
            return None
        tape.load(mode)
        spool, finished = partial(self.recordings.spool, record.call), partial(self._written, record.call)
        return Recorder(tape, self.deck, spool, partial(_told, record), finished)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Usable inside; leaving it, cancelled or not, waits for what is to be written."""
        key = self.recordings.key
        if key is not None:
            master = await in_thread(MasterKey.derive, key, os.urandom(16))
            self.recordings = attrs.evolve(self.recordings, master=master)
        async with trio.open_nursery() as nursery:
            scope = await nursery.start(self._run_shielded)
            try:
                yield
            finally:
                scope.cancel()

    async def _run_shielded(self, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope(shield=True) as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.deck.run)
                nursery.start_soon(self._convert_all)
                nursery.start_soon(self._sweep)
                task_status.started(scope)

    # -- afterwards ----------------------------------------------------------------------------------------------

    def _written(self, call: str) -> None:
        if self.config.recording.format == "opus" and (kept := self.recordings.find(call)) is not None:
            self._finished.offer(kept)

    async def _convert_all(self) -> None:
        if self.config.recording.format != "opus":
            return
        await in_thread(self.recordings.sweep_parts)
        for kept in await in_thread(lambda: list(self.recordings.all())):
            if kept.format == "wav":
                self._finished.offer(kept)
        async for kept in self._finished:
            await self._convert(kept)

    async def _convert(self, kept: Kept) -> None:
        """A recording that cannot be converted is kept as it is."""
        try:
            made = await in_thread(self.recordings.convert, kept, abandon=True)
        except (RecordingUnreadable, OSError, RuntimeError) as error:
            log().warning("recording.not_converted", path=str(kept.path), error=str(error)[:200])
            return
        if made is not None:
            facts = {"path": str(made.path), "format": made.format, "encrypted": made.encrypted}
            self._event(kept.call, "recording", **facts)

    async def _sweep(self) -> None:
        days = self.config.recording.keep_days
        while days is not None:
            try:
                deleted = await in_thread(lambda: list(self.recordings.expired(days, time.time())))
            except OSError as error:
                log().warning("recording.not_deleted", error=str(error)[:200])
            else:
                for kept in deleted:
                    self._event(kept.call, "recording_deleted", path=str(kept.path), keep_days=days)
            await trio.sleep(SWEEP)

    def _event(self, call: str, kind: str, **body: object) -> None:
        try:
            self.ledger.queue(EventRow(call=call, at=self.ledger.wall(trio.current_time()), kind=kind, body=body))
        except LedgerBroken as error:
            log().warning("recording.not_recorded", call=call, kind=kind, error=str(error)[:200])


def _told(record: CallRecord, kind: str, **facts: object) -> None:
    """What a recorder tells of its call; a disk that fails is a matter for whoever runs this house."""
    record.event(kind, **facts)
    if kind == "recording_failed":
        log().error("recording.failed", call=record.call, **facts)
