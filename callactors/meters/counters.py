"""Counters: what has happened since start, by name. Row 1 returns facts; shells, actors and the switchboard count here.

Only the loop's own thread counts. Names are ours, but a label may come from a packet: at most LIMIT are told apart, the
rest are counted together, so that nobody can fill our memory with new names.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

LIMIT = 1000
REST = "other_names"


@attrs.define(eq=False)
class Counters:
    """`counters.add("sip_malformed")`, `counters.set("rtp_streams", 12)`, `counters.snapshot()`."""

    _values: dict[str, int | float] = attrs.field(factory=dict, init=False)

    def add(self, name: str, n: int | float = 1) -> None:
        """Count `n` more of `name`."""
        known = self._known(name)
        self._values[known] = self._values.get(known, 0) + n

    def set(self, name: str, value: int | float) -> None:
        """A gauge: what is so now."""
        self._values[self._known(name)] = value

    def merge(self, prefix: str, others: Mapping[str, int | float]) -> None:
        """Take over somebody else's counters as they stand now, such as the SIP endpoint's."""
        for name, value in others.items():
            self.set(f"{prefix}_{name}", value)

    def get(self, name: str) -> int | float:
        """0 for what never happened."""
        return self._values.get(name, 0)

    def snapshot(self) -> dict[str, int | float]:
        """A copy, by name."""
        return dict(sorted(self._values.items()))

    def _known(self, name: str) -> str:
        return name if name in self._values or len(self._values) < LIMIT else REST
