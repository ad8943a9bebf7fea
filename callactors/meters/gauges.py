"""What can be asked for at any time: read from statistics() when somebody scrapes, and never counted twice.

A `Reading` is one series of the page: a name, what it is about, and its values by label values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

Values = Mapping[Any, float | tuple[int, float]]  # its keys are tuples of str, of any length


@attrs.frozen
class Reading:
    """`values` by label values; of a summary, its (count, sum)."""

    kind: Literal["gauge", "counter", "summary"]
    name: str  # without callactors_
    about: str
    values: Values
    labels: Sequence[str] = ()


def gauge(name: str, about: str, value: float) -> Reading:
    return Reading("gauge", name, about, {(): value})


def counter(name: str, about: str, value: float) -> Reading:
    return Reading("counter", name, about, {(): value})


def counters(name: str, about: str, label: str, values: Mapping[str, int]) -> Reading:
    """One series for each key."""
    return Reading("counter", name, about, {(key,): value for key, value in values.items()}, (label,))


class Gauges(Collector):
    """Asks `read` at each scrape."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for reading in self._read():
            yield _family(reading)

    def describe(self) -> Iterable[Metric]:
        return ()


def _family(reading: Reading) -> Metric:
    name = f"callactors_{reading.name}"
    if reading.kind == "summary":
        summary = SummaryMetricFamily(name, reading.about, labels=reading.labels)
        for labels, value in reading.values.items():
            if isinstance(value, tuple):
                summary.add_metric(labels, count_value=value[0], sum_value=value[1])
        return summary
    family = (GaugeMetricFamily if reading.kind == "gauge" else CounterMetricFamily)(
        name, reading.about, labels=reading.labels
    )
    for labels, value in reading.values.items():
        if not isinstance(value, tuple):
            family.add_metric(labels, value)
    return family
