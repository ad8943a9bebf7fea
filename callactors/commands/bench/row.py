"""A row of the media bench: one way to answer calls at one number of them, measured some times; the medians.

A measurement that its own load spoiled is no measurement: `Row.spoiled` says why, and it has no figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import attrs

from callactors.commands.bench.facts import Loaded, PeerReport
from callactors.commands.bench.latencies import Latencies, latencies

SENDER_LATE = 5.0  # ms at p99: a load later than this measures itself
BAD = 1.0  # % of packets late, and % missing, that a run may have and still be held


@attrs.frozen
class Figures:
    """One measurement. Shares are percent of the packets expected, times milliseconds, memory megabytes."""

    up: float
    refused: float
    cpu_ms: float  # per call and second
    core: float  # % of one core
    late: float
    missing: float
    gap_p99: float
    gap_max: float
    setup_p95: float
    delta_p50: float
    delta_p99: float
    append_p50: float  # last packet of a batch to its append
    append_p99: float
    first_p50: float  # first packet of a batch to its append
    first_p99: float
    memory: float  # a call
    sender_p50: float
    sender_p99: float
    sender_max: float
    peer_p99: float
    gone: float

    @property
    def held(self) -> bool:
        """Whether every call that was taken was served well."""
        return self.late < BAD and self.missing < BAD and not self.gone

    def holds(self, calls: int) -> bool:
        """Whether so many were taken, and served well."""
        return self.held and self.up >= calls


@attrs.frozen
class Row:
    """`figures` are the medians of `runs` measurements."""

    name: str
    calls: int
    runs: int
    figures: Figures | None
    spoiled: str = ""


def figures(loaded: Loaded, peer: PeerReport) -> Figures:
    """One measurement, as the generator and the model peer saw it."""
    window = loaded.window[1] - loaded.window[0]
    found: Latencies = latencies(loaded, peer)
    expected, up = max(1, loaded.expected), max(1, loaded.up)
    return Figures(
        up=loaded.up,
        refused=sum(loaded.refused.values()),
        cpu_ms=1000 * loaded.cpu_s / window / up,
        core=100 * loaded.cpu_s / window,
        late=100 * loaded.late / expected,
        missing=100 * max(0, loaded.expected - loaded.received) / expected,
        gap_p99=loaded.gap_ms.p99,
        gap_max=loaded.gap_ms.max,
        setup_p95=loaded.setup_ms.p95,
        delta_p50=found.delta_to_rtp.p50,
        delta_p99=found.delta_to_rtp.p99,
        append_p50=found.batch_to_append.p50,
        append_p99=found.batch_to_append.p99,
        first_p50=found.first_to_append.p50,
        first_p99=found.first_to_append.p99,
        memory=loaded.rss_kb / 1024 / up,
        sender_p50=loaded.sender_ms.p50,
        sender_p99=loaded.sender_ms.p99,
        sender_max=loaded.sender_ms.max,
        peer_p99=peer.late_ms.p99,
        gone=loaded.gone,
    )


def spoiled(one: Figures) -> str:
    """Why this measurement says nothing of what was measured; empty when it does."""
    if one.sender_p99 > SENDER_LATE:
        return f"the generator's own packets left late: {one.sender_p99:.1f} ms at p99"
    if one.peer_p99 > SENDER_LATE:
        return f"the model peer's own deltas were late: {one.peer_p99:.1f} ms at p99"
    return ""


def row(name: str, calls: int, measured: Sequence[Figures]) -> Row:
    """The row of some measurements; the good ones count, and there must be one."""
    good = [one for one in measured if not spoiled(one)]
    if not good:
        return Row(name, calls, 0, None, next((spoiled(one) for one in measured), "nothing was measured"))
    return Row(name, calls, len(good), medians(good))


def medians(measured: Sequence[Figures]) -> Figures:
    """Figure by figure."""
    names = [field.name for field in attrs.fields(Figures)]
    middle = {name: median([getattr(one, name) for one in measured]) for name in names}
    return Figures(**{name: round(value, 3) for name, value in middle.items()})
