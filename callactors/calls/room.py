"""Whether one more call may begin: exactly the excess is refused, and who was admitted does not notice. Pure.

- What can be counted is exact: `limits.calls`, port pairs, descriptors. A load that is only seen once in a while (CPU,
  descriptors) is reckoned forward by the calls that began since.
- What is measured has two thresholds, so that a door does not flap: closed at `limits.lag_ms` and `limits.cpu`,
  open again at REOPENS of them. With FEW calls it is not asked: whatever makes such a process late, its callers do
  not, and to refuse them helps nobody.
- A refusal begins with the name of what is full: meters/tally.FULL has all of them.
- Calls for help are not asked about here; a few port pairs are kept for them, and for the second legs of calls that
  live already.
"""

from __future__ import annotations

import attrs

from callactors.config.schema import Limits

PER_CALL = 4  # descriptors: RTP, RTCP, a model's socket, a recording
RESERVE = 32  # descriptors that calls leave to the ledger, the web face and DNS
LEAST, MOST = 0.001, 0.02  # share of a core that one call is believed to cost, whatever was measured
KNOWN = 10  # calls from which on the measured cost of one is believed
FEW = 4  # calls
REOPENS = {"lag": 0.5, "cpu": 0.9}  # of the thresholds
MANY = 64  # port pairs from which on KEPT of them are kept back
KEPT = 2


@attrs.frozen
class Load:
    """What there is to go by. `sample` changes whenever `cpu` and `descriptors` were looked at anew."""

    calls: int
    elsewhere: int = 0  # calls of the other processes of this house, which share limits.calls
    free_ports: int | None = None  # pairs; None: nobody counts
    lag: float = 0.0  # seconds
    cpu: float = 0.0  # share of one core
    descriptors: int = 0  # open
    descriptor_limit: int = 0  # 0: nobody counts
    sample: int = 0


@attrs.define(eq=False)
class Room:
    """The doorkeeper of one process. `lag` is in seconds, `cpu` a share of one core; None is no limit."""

    calls: int | None = None
    lag: float | None = None
    cpu: float | None = None
    kept_ports: int = 0
    _late: bool = attrs.field(default=False, init=False)
    _busy: bool = attrs.field(default=False, init=False)
    _sample: int = attrs.field(default=-1, init=False)
    _calls_then: int = attrs.field(default=0, init=False)

    @classmethod
    def of(cls, limits: Limits, ports: range) -> Room:
        """As the configuration has it."""
        lag = None if limits.lag_ms is None else limits.lag_ms / 1000
        return cls(limits.calls, lag, limits.cpu, KEPT if len(ports) // 2 >= MANY else 0)

    def full(self, load: Load) -> str:
        """Why no further call is taken; empty when one would be."""
        if load.sample != self._sample:
            self._sample, self._calls_then = load.sample, load.calls
        counted = self._counted(load) or self._descriptors(load)
        if counted or load.calls < FEW:
            return counted
        return self._lateness(load) or self._effort(load)

    def _counted(self, load: Load) -> str:
        if self.calls is not None and load.calls + load.elsewhere >= self.calls:
            return f"limits.calls is {self.calls}"
        if load.free_ports is not None and load.free_ports <= self.kept_ports:
            return f"listen.rtp has {load.free_ports} free port pairs, and {self.kept_ports} are kept"
        return ""

    def _descriptors(self, load: Load) -> str:
        since = max(0, load.calls - self._calls_then)
        left = load.descriptor_limit - load.descriptors - PER_CALL * since
        if load.descriptor_limit and left < RESERVE + PER_CALL:
            return f"descriptors: {max(left, 0)} of {load.descriptor_limit} are left"
        return ""

    def _lateness(self, load: Load) -> str:
        if self.lag is None:
            return ""
        self._late = load.lag >= self.lag * (REOPENS["lag"] if self._late else 1)
        if not self._late:
            return ""
        return f"limits.lag_ms is {self.lag * 1000:g}, and the loop is {load.lag * 1000:.0f} ms late"

    def _effort(self, load: Load) -> str:
        if self.cpu is None:
            return ""
        since = max(0, load.calls - self._calls_then)
        expected = load.cpu + since * self._cost(load)
        self._busy = expected >= self.cpu * (REOPENS["cpu"] if self._busy else 1)
        if not self._busy:
            return ""
        return f"limits.cpu is {self.cpu:g}, and the loop uses {expected:.2f} of its core"

    def _cost(self, load: Load) -> float:
        """Of one call."""
        if self._calls_then < KNOWN:
            return LEAST
        return min(max(load.cpu / self._calls_then, LEAST), MOST)
