"""Call ids: UUID version 7 (RFC 9562 section 5.7), so that ids sort by the time their calls began."""

from __future__ import annotations

import os
import random
import uuid


def uuid7(ms: int, source: random.Random | None = None) -> str:
    """A sortable id for a call that began at `ms` (UTC epoch ms). Without `source`, the system's randomness."""
    noise = source.getrandbits(74) if source is not None else int.from_bytes(os.urandom(10)) >> 6
    value = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (noise >> 62) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def began(call: str) -> int:
    """The UTC epoch milliseconds inside a uuid7. Raises ValueError for anything else."""
    value = uuid.UUID(call)
    if value.version != 7:
        raise ValueError(f"{call} is not a uuid7")
    return value.int >> 80
