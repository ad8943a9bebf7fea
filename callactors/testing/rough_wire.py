"""A network that loses, delays, reorders and doubles packets, as seeded dice say: times in, times out, no sockets."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class RoughWire:
    """`loss` and `doubles` are shares of all packets; `jitter` is the most that one is delayed, evenly spread (s)."""

    random: Random
    loss: float = 0.0
    jitter: float = 0.0
    doubles: float = 0.0
    delay: float = 0.0  # seconds, of every packet

    def carry(self, sent: Iterable[tuple[float, T]]) -> list[tuple[float, T]]:
        """What arrives of (time, packet) pairs, in the order in which it arrives."""
        arrived: list[tuple[float, T]] = []
        for at, packet in sent:
            if self.random.random() < self.loss:
                continue
            copies = 2 if self.random.random() < self.doubles else 1
            arrived += [(at + self.delay + self.random.uniform(0, self.jitter), packet) for _ in range(copies)]
        return sorted(arrived, key=lambda pair: pair[0])
