"""What a stream of the media plane has seen besides its audio."""

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
