"""Whether one more call may begin: exactly the excess is refused, and who was admitted does not notice. Pure.

- What can be counted is exact: `limits.calls`, port pairs, descriptors. A load that is only seen once in a while (CPU,
  descriptors) is reckoned forward by the calls that began since. What their beginnings cost is over when they talk, so
  it is left out: a rush of calls to an idle process is not what these calls will need.
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
BEGINNING, DEAREST = 0.005, 0.03  # seconds of CPU that the beginning of a call costs: at first, and at most
SURE = 400.0  # how much the first belief counts, in squares of beginnings a second
SATURATED = 0.95  # share of a core from which on a sample says no more than that there was no more to have
FADING = 0.9  # what a second counts against the next one
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
    begun: int = 0  # calls, since the start


@attrs.define(eq=False)
class Beginnings:
    """How much of the CPU that was measured went into calls that began: least squares over the last seconds.

    CPU is taken for `living` of each call that was there and `cost` of each that began. While there is none to spare
    nothing can be learned of it.
    """

    cost: float = BEGINNING  # seconds of CPU
    living: float = LEAST  # share of the core
    share: float = 0.0  # of the core, in the last sample
    _calls: float = 0.0  # smoothed, as the CPU is
    _begun: float = 0.0
    _squares: tuple[float, float, float] = (0.0, 0.0, SURE)  # sums of calls^2, calls * begun, begun^2
    _products: tuple[float, float] = (0.0, SURE * BEGINNING)  # sums of calls * CPU, begun * CPU

    def see(self, cpu: float, calls: float, begun: float) -> None:
        """A sample: the share of the core, the calls there were, and how many began a second."""
        self._calls, self._begun = (self._calls + calls) / 2, (self._begun + begun) / 2
        if cpu < SATURATED and self._calls >= KNOWN:
            self._learn(cpu, self._calls, self._begun)
        self.share = min(self.cost * self._begun, cpu)

    def _learn(self, cpu: float, there: float, began: float) -> None:
        (aa, ab, bb), (ay, by) = self._squares, self._products
        aa, ab, bb = FADING * aa + there * there, FADING * ab + there * began, FADING * bb + began * began
        ay, by = FADING * ay + there * cpu, FADING * by + began * cpu
        self._squares, self._products = (aa, ab, bb), (ay, by)
        determinant = aa * bb - ab * ab
        if determinant > 1e-9 * aa * bb:
            self.cost = min(max((by * aa - ay * ab) / determinant, 0.0), DEAREST)
            self.living = min(max((ay - self.cost * ab) / aa, LEAST), MOST)


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
    _begun_then: int = attrs.field(default=0, init=False)
    _beginnings: Beginnings = attrs.field(factory=Beginnings, init=False)

    @classmethod
    def of(cls, limits: Limits, ports: range) -> Room:
        """As the configuration has it."""
        lag = None if limits.lag_ms is None else limits.lag_ms / 1000
        return cls(limits.calls, lag, limits.cpu, KEPT if len(ports) // 2 >= MANY else 0)

    def full(self, load: Load) -> str:
        """Why no further call is taken; empty when one would be."""
        if load.sample != self._sample:
            self._look(load)
        counted = self._counted(load) or self._descriptors(load)
        if counted or load.calls < FEW:
            return counted
        return self._lateness(load) or self._effort(load)

    def _look(self, load: Load) -> None:
        """CPU and descriptors were looked at anew."""
        seconds = max(1, load.sample - self._sample) if self._sample >= 0 else 1
        self._beginnings.see(load.cpu, load.calls, (load.begun - self._begun_then) / seconds)
        self._sample, self._calls_then, self._begun_then = load.sample, load.calls, load.begun

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
        seen = self._beginnings
        expected = load.cpu - seen.share + since * self._cost(load)
        if load.cpu >= SATURATED:
            expected = max(expected, load.calls * seen.living)
        self._busy = expected >= self.cpu * (REOPENS["cpu"] if self._busy else 1)
        if not self._busy:
            return ""
        return f"limits.cpu is {self.cpu:g}, and the calls there are need {expected:.2f} of the loop's core"

    def _cost(self, load: Load) -> float:
        """Of one call."""
        if self._calls_then < KNOWN:
            return LEAST
        return min(max((load.cpu - self._beginnings.share) / self._calls_then, LEAST), MOST)
