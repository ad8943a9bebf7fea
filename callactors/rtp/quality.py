"""How good a stream was: loss, jitter, and a mean opinion score by the E-model (ITU-T G.107, G.113 appendix I).

G.711 with concealment under random loss: Ie 0, Bpl 25.1. The delay taken is half the round trip plus our own holding.
"""

from __future__ import annotations

from typing import Literal

import attrs

_BPL = 25.1
_R0 = 93.2


@attrs.frozen
class Quality:
    """One direction of one stream. `out` is what the far end reported of us (RTCP), perfect when it never did.

    `mos` is None where there was nothing to hear.
    """

    direction: Literal["in", "out"]
    packets: int
    lost: int
    late: int
    jitter_ms: float
    mos: float | None


def mos(loss: float, delay_ms: float) -> float:
    """Mean opinion score, 1 to 4.5, for a share of packets lost (0 to 1) and a one-way delay."""
    percent = 100 * min(1.0, max(0.0, loss))
    impairment = 95 * percent / (percent + _BPL)
    delay = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
    r = min(100.0, max(0.0, _R0 - impairment - delay))
    return round(max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6), 2)


def quality(
    direction: Literal["in", "out"], packets: int, lost: int, late: int, jitter: float, delay_ms: float
) -> Quality:
    """The figures of one direction; `jitter` in milliseconds. Late packets are as good as lost to the ear."""
    expected = packets + lost if direction == "in" else packets
    score = mos((lost + late) / expected, delay_ms) if expected else None
    return Quality(direction, packets, lost, late, round(jitter, 2), score)
