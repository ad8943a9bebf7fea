"""How one trunk's SIP is spoken: what its operator may choose, as plain data. The machines read it, nobody else."""

from __future__ import annotations

from typing import Literal

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Choices for the dialogs of one trunk. Times are seconds.

    `responses`: where responses go, by RFC 3581 or always to the source. `reliable`: PRACK (RFC 3262) is not spoken,
    offered, or required. `session_expires` is what we ask for in RFC 4028 session timers, None for none of our own;
    `min_se` the shortest we accept.
    """

    responses: Literal["rfc3581", "source"] = "rfc3581"
    reliable: Literal["off", "offer", "require"] = "offer"
    session_expires: int | None = None
    min_se: int = 90
