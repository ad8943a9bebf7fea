"""What a receiver has seen."""

from __future__ import annotations

import attrs


@attrs.define
class Counts:
    """What came and what became of it; sums over all sources of the stream."""

    packets: int = 0
    lost: int = 0
    late: int = 0
    repeated: int = 0  # copies of what had come
    foreign: int = 0  # of another SSRC while ours talks
    unknown: int = 0  # of a payload type or size nobody agreed on
    sources: int = 0
