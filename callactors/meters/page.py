"""/metrics: the page of one process, and one page of several processes.

- A page is as old as FRESH seconds at most: whoever asks more often gets the same one, and costs nothing.
- `merged` puts a label in front of every sample: the parent's page of its workers. Text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from callactors.meters.gauges import Gauges, Reading
from callactors.meters.series import Series
from callactors.meters.tally import Tally
from callactors.stores.ledger_rows import Row

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH = 0.5  # seconds
_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_SUFFIX = re.compile(r"_(?:total|bucket|sum|count)$")


@attrs.define(eq=False)
class Meters:
    """The meters of one process. `now` is a clock in seconds."""

    now: Callable[[], float]
    series: Series = attrs.field(factory=Series, init=False)
    tally: Tally = attrs.field(init=False)
    _page: bytes = attrs.field(default=b"", init=False)
    _made: float = attrs.field(default=float("-inf"), init=False)

    def __attrs_post_init__(self) -> None:
        self.tally = Tally(self.series, self.now)

    def see(self, row: Row) -> None:
        """A row of the ledger that has just been queued."""
        self.tally.see(row)

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Have these readings on the page too."""
        self.series.registry.register(Gauges(read))

    def page(self) -> bytes:
        """All series as text (Prometheus exposition format 0.0.4)."""
        now = self.now()
        if now - self._made >= FRESH:
            self._page, self._made = generate_latest(_Plain(self.series.registry)), now
        return self._page


class _Plain(Collector):
    """A registry without the moments at which series were made: 0.0.4 shows them as series of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def merged(pages: Mapping[str, bytes], label: str = "worker") -> bytes:
    """One page of several: each sample bears its page's name; a family's samples stand together."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for name, page in pages.items():
        for line in page.decode("utf-8", "replace").splitlines():
            if line.startswith("#"):
                _, kind, family, *_ = line.split(" ", 3)
                head = heads.setdefault(_base(family), [])
                if not any(known.startswith(f"# {kind} ") for known in head):
                    head.append(line)
            elif (sample := _SAMPLE.match(line)) is not None:
                samples.setdefault(_base(sample["name"]), []).append(_labelled(sample, label, name))
    families = dict.fromkeys([*heads, *samples])
    lines = [line for family in families for line in (*heads.get(family, ()), *samples.get(family, ()))]
    return ("\n".join(lines) + "\n").encode()


def _labelled(sample: re.Match[str], label: str, value: str) -> str:
    rest = f",{sample['labels']}" if sample["labels"] else ""
    return f'{sample["name"]}{{{label}="{value}"{rest}}} {sample["value"]}'


def _base(name: str) -> str:
    return _SUFFIX.sub("", name)
