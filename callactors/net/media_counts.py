"""What the media plane and its streams have seen besides audio."""

from __future__ import annotations

import attrs


@attrs.define
class StreamCounts:
    """Datagrams, but for those that were heard or sent."""

    refused: int = 0  # ICMP port unreachable: a fact
    unsent: int = 0  # the kernel had no room
    strangers: int = 0
    malformed: int = 0
    early: int = 0  # before start()


@attrs.frozen
class PlaneStatistics:
    """How the clock does. `lag` is the last tick's lateness, `worst_lag` the largest yet, in seconds."""

    open_streams: int
    free_ports: int
    ticks: int
    late_ticks: int  # by more than one tick
    skipped_frames: int
    lag: float
    worst_lag: float
