"""The media bench's rows as text, as JSON, and beside the figures MEDIA-PATH asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
from rich.table import Table

from callactors.commands.bench.machine import machine
from callactors.commands.bench.row import Figures, Row

COLUMNS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("up", lambda one: f"{one.up:.0f}"),
    ("refused", lambda one: f"{one.refused:.0f}"),
    ("CPU ms/call-s", lambda one: f"{one.cpu_ms:.2f}"),
    ("core %", lambda one: f"{one.core:.0f}"),
    ("late %", lambda one: f"{one.late:.2f}"),
    ("missing %", lambda one: f"{one.missing:.2f}"),
    ("gap p99/max ms", lambda one: f"{one.gap_p99:.1f}/{one.gap_max:.1f}"),
    ("delta-RTP p50/p99", lambda one: f"{one.delta_p50:.1f}/{one.delta_p99:.1f}"),
    ("batch-append", lambda one: f"{one.append_p50:.1f}/{one.append_p99:.1f}"),
    ("first-append", lambda one: f"{one.first_p50:.1f}/{one.first_p99:.1f}"),
    ("set-up p95", lambda one: f"{one.setup_p95:.1f}"),
    ("MB/call", lambda one: f"{one.memory:.2f}"),
    ("load late p50/p99/max", lambda one: f"{one.sender_p50:.1f}/{one.sender_p99:.1f}/{one.sender_max:.1f}"),
)


def table(rows: Sequence[Row]) -> Table:
    """Every row; one that was spoiled has its reason and no figures."""
    shown = Table("", "calls", "runs", *(title for title, _ in COLUMNS), box=None)
    for row in rows:
        if row.figures is None:
            shown.add_row(row.name, str(row.calls), "0", "spoiled")
        else:
            cells = [text(row.figures) for _, text in COLUMNS]
            shown.add_row(row.name, str(row.calls), str(row.runs), *cells)
    return shown


def held(rows: Sequence[Row], name: str) -> int | None:
    """The most calls this row held: a call refused, no figures, or bad ones, at any number below ends it."""
    most = None
    for row in sorted((row for row in rows if row.name == name), key=lambda row: row.calls):
        if row.figures is None or not row.figures.holds(row.calls):
            break
        most = row.calls
    return most


def as_facts(rows: Sequence[Row]) -> dict[str, object]:
    """The whole measurement as one JSON object."""
    names = list(dict.fromkeys(row.name for row in rows))
    return {
        "machine": machine(),
        "rows": [attrs.asdict(row) for row in rows],
        "held": {name: held(rows, name) for name in names if not name.endswith("overload")},
        "costs": costs(rows),
        "naive_ratio": ratios(rows),
    }


def costs(rows: Sequence[Row]) -> dict[str, float]:
    """What each addition costs over the plain row of the same model audio, in CPU ms a call and second."""
    found = {}
    for row in rows:
        audio, _, addition = row.name.partition(" ")
        plain = _cpu(rows, audio, row.calls)
        if addition and plain is not None and row.figures is not None and not addition.startswith("overload"):
            found[f"{addition} ({audio}, {row.calls} calls)"] = round(row.figures.cpu_ms - plain, 3)
    return found


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """How many times the CPU of ours the naive pipeline takes for a call, by our model audio and number of calls.

    It is asked for as many as it can carry; ours shares what a tick costs among however many there are.
    """
    naive = next((row.figures.cpu_ms for row in rows if row.name == "naive" and row.figures is not None), None)
    if naive is None:
        return {}
    plain = [row for row in rows if row.name in ("pcm16", "pcmu") and row.figures is not None]
    return {f"{row.name}, {row.calls} calls": round(naive / row.figures.cpu_ms, 2) for row in plain if row.figures}


def _cpu(rows: Sequence[Row], name: str, calls: int) -> float | None:
    for row in rows:
        if row.name == name and row.calls == calls and row.figures is not None:
            return row.figures.cpu_ms
    return None


def sentences(rows: Sequence[Row]) -> Iterator[str]:
    """What the rows come to."""
    yield " ".join(f"{name}={fact}" for name, fact in machine().items())
    for name in dict.fromkeys(row.name for row in rows if not row.name.endswith("overload")):
        yield f"{name}: {held(rows, name) or 'none'} calls held (under 1 % late, under 1 % missing, nobody dropped)"
    for addition, cost in costs(rows).items():
        yield f"{addition}: {cost:+.2f} CPU ms a call and second"
    for row in (row for row in rows if row.name.endswith("overload") and row.figures is not None):
        assert row.figures is not None  # by the line above
        yield f"{row.name}: {row.calls} offered, {row.figures.up:.0f} taken, {row.figures.refused:.0f} refused"
    for ours, times in ratios(rows).items():
        yield f"the naive pipeline takes {times:.1f} times the CPU of {ours}"


def spoiled(rows: Sequence[Row]) -> list[str]:
    """What must not be reported, and why."""
    return [f"{row.name} at {row.calls} calls: {row.spoiled}" for row in rows if row.figures is None]
