"""What a process can be asked about itself for /metrics: each part's statistics(), read when somebody scrapes.

Nothing here counts: parts count, the tally of rows counts, and this file names what they say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import attrs
import trio

from callactors.calls.switchboard import Switchboard
from callactors.calls.trunk_board import Board
from callactors.meters.gauges import Reading, counter, counters, gauge
from callactors.meters.pulse import Pulse
from callactors.meters.series import MOST
from callactors.meters.tally import FULL, Tally
from callactors.stores.ledger import LedgerStatistics


@attrs.frozen
class Readings:
    """The readings of one process that takes calls."""

    switchboard: Switchboard
    pulse: Pulse
    tally: Tally
    gate: Mapping[str, int]  # what became of those who asked to come in
    trunks: Callable[[], Board]

    def read(self) -> Iterator[Reading]:
        """All of them, as they are now."""
        yield from self._calls()
        yield from self._trunk_room()
        yield from self._recording()
        yield from self._models()
        yield from self._process()
        yield from self._media()
        yield from self._ledger()
        yield from self._sip()

    def _calls(self) -> Iterator[Reading]:
        board = self.switchboard
        live = self.tally.live()
        yield Reading("gauge", "calls_live", "Calls under way.", live, ("direction", "trunk"))
        if board.config.limits.calls is not None:
            yield gauge("calls_limit", "limits.calls.", board.config.limits.calls)
        word = board.full().partition(" ")[0].rstrip(":")
        closed = {(name,): float(name == word) for name in FULL}
        yield Reading("gauge", "admission_closed", "1 for what keeps new calls out now.", closed, ("full",))
        now = board.ledger.wall(trio.current_time())
        yield gauge("usd_today", "What calls have cost since midnight UTC.", board.purse.spent(now))

    def _recording(self) -> Iterator[Reading]:
        recorders = [call.recorder for call in self.switchboard.calls.values() if call.recorder is not None]
        yield gauge("recordings_live", "Calls that have a recorder.", len(recorders))
        deck = self.switchboard.archive.deck.statistics()
        yield gauge("recording_queue", "Pieces of recordings that wait for the disk.", deck.waiting)
        yield counter("recording_failures", "Pieces of recordings that could not be written.", deck.failed)

    def _models(self) -> Iterator[Reading]:
        calls = self.switchboard.calls.values()
        live = Counter((call.terms.meter.model,) for call in calls if call.conductor.to_session is not None)
        yield Reading("gauge", "model_sessions_live", "Model sessions under way.", live, ("model",))

    def _trunk_room(self) -> Iterator[Reading]:
        board = self.switchboard
        used = {(name,): float(board.endpoint.calls(name)) for name in board.config.trunks}
        most = {(name,): float(trunk.channels) for name, trunk in board.config.trunks.items() if trunk.channels}
        yield Reading("gauge", "trunk_calls", "Calls on a trunk, either way.", used, ("trunk",))
        yield Reading("gauge", "trunk_channels", "trunks.x.channels.", most, ("trunk",))

    def _process(self) -> Iterator[Reading]:
        now = self.pulse.vitals()
        yield gauge("loop_lag_recent_seconds", "What a quarter of the last 2 s was later than.", now.lag)
        yield gauge("loop_cpu_share", "Of its core, by the thread of the loop.", now.cpu)
        yield counter("process_cpu_seconds", "CPU of all threads.", now.process_cpu)
        yield gauge("memory_bytes", "Resident.", now.memory)
        yield gauge("descriptors", "Open file descriptors.", now.descriptors)
        yield gauge("descriptors_limit", "How many there may be.", now.descriptor_limit)

    def _media(self) -> Iterator[Reading]:
        plane = self.switchboard.plane.statistics()
        yield gauge("streams", "Open RTP streams.", plane.open_streams)
        yield gauge("rtp_ports_free", "Free pairs of ports of listen.rtp.", plane.free_ports)
        yield counter("media_ticks", "Ticks of the media clock.", plane.ticks)
        yield counter("media_late_ticks", "Ticks late by more than one tick (5 ms).", plane.late_ticks)
        yield counter("skipped_frames", "Frames skipped for everybody, the clock being late.", plane.skipped_frames)
        counts = self.switchboard.plane.counts()
        yield counters("rtp_events", "What became of datagrams that were not heard or sent.", "what", counts)
        yield gauge("media_worst_lag_seconds", "The media clock's worst lateness yet.", plane.worst_lag)

    def _ledger(self) -> Iterator[Reading]:
        yield from of_ledger(self.switchboard.ledger.statistics())

    def _sip(self) -> Iterator[Reading]:
        endpoint = self.switchboard.endpoint
        yield gauge("sip_entries", "Sessions and transactions in the table.", endpoint.entries())
        yield counters("sip_events", "What became of datagrams and connections.", "what", endpoint.counters())
        yield counters("gate_events", "Why the gate let somebody wait outside.", "what", self.gate)
        answers, registered = self._trunks()
        yield Reading("gauge", "trunk_answers", "1 for an address that answers OPTIONS.", answers, ("trunk", "address"))
        yield Reading("gauge", "trunk_registered", "1 where our REGISTER stands.", registered, ("trunk",))

    def _trunks(self) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
        answers: dict[tuple[str, ...], float] = {}
        registered: dict[tuple[str, ...], float] = {}
        for trunk, known in self.trunks().items():
            for about, facts in known.items():
                if about == "registration":
                    registered[trunk,] = float(facts.get("state") == "registered")
                elif len(answers) < MOST:
                    answers[trunk, about] = float(facts.get("state") == "closed")
        return answers, registered


def of_ledger(ledger: LedgerStatistics) -> Iterator[Reading]:
    """Of whoever writes the rows."""
    yield gauge("ledger_queue", "Rows that wait for the disk.", ledger.waiting)
    yield gauge("ledger_broken", "1 while the ledger cannot be written.", float(ledger.broken is not None))
    yield counter("ledger_rows", "Rows written.", ledger.written)
    lost = {"refused": ledger.refused, "overflowed": ledger.overflowed}
    yield counters("ledger_rows_lost", "Rows that SQLite, or a full queue, has turned away.", "why", lost)
    commits = {(): (ledger.commits, ledger.commit_seconds)}
    yield Reading("summary", "ledger_commit_seconds", "How long commits took.", commits)
