"""The media bench as an SVG picture: CPU per call and second over the number of calls, a line a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from callactors.commands.bench.row import Row

WIDTH, HEIGHT, MARGIN, LEGEND = 760, 420, 60, 190
COLOURS = ("#1b6ca8", "#c0392b", "#27834a", "#8e5aa8", "#b7791f", "#0f7f86", "#555555", "#d0508b")


def svg(rows: Sequence[Row]) -> str:
    """The whole file. Rows without figures are left out; a number that did not hold is a hollow point."""
    points = [row for row in rows if row.figures is not None]
    most_calls = max([row.calls for row in points], default=1)
    most_cpu = 1.1 * max([row.figures.cpu_ms for row in points if row.figures], default=1.0)
    names = list(dict.fromkeys(row.name for row in points))
    body = [*_axes(most_calls, most_cpu)]
    for place, name in enumerate(names):
        body += _line([row for row in points if row.name == name], place, most_calls, most_cpu)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def _x(calls: float, most: float) -> float:
    return round(MARGIN + (WIDTH - MARGIN - LEGEND) * calls / most, 1)


def _y(cpu: float, most: float) -> float:
    return round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * cpu / most, 1)


def _axes(most_calls: float, most_cpu: float) -> Iterator[str]:
    left, right, floor = _x(0, 1), _x(1, 1), _y(0, 1)
    yield f'<path d="M{left} {MARGIN}V{floor}H{right}" fill="none" stroke="black"/>'
    for step in range(1, 6):
        cpu, calls = most_cpu * step / 5, most_calls * step / 5
        yield f'<path d="M{left} {_y(cpu, most_cpu)}H{right}" stroke="#dddddd"/>'
        yield f'<text x="{left - 6}" y="{_y(cpu, most_cpu) + 4}" text-anchor="end">{cpu:.2f}</text>'
        yield f'<text x="{_x(calls, most_calls)}" y="{floor + 18}" text-anchor="middle">{calls:.0f}</text>'
    yield f'<text x="{(left + right) / 2}" y="{HEIGHT - 14}" text-anchor="middle">concurrent calls</text>'
    yield f'<text x="{left}" y="{MARGIN - 20}">CPU ms per call and second (hollow: not held)</text>'


def _line(rows: Sequence[Row], place: int, most_calls: float, most_cpu: float) -> Iterator[str]:
    colour = COLOURS[place % len(COLOURS)]
    found = [(_x(row.calls, most_calls), _y(row.figures.cpu_ms, most_cpu), row) for row in rows if row.figures]
    path = " ".join(f"{x},{y}" for x, y, _ in found)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y, row in found:
        fill = colour if row.figures and row.figures.held else "white"
        yield f'<circle cx="{x}" cy="{y}" r="4" fill="{fill}" stroke="{colour}" stroke-width="2"/>'
    high = MARGIN + 20 * place
    yield f'<rect x="{WIDTH - LEGEND + 16}" y="{high}" width="12" height="12" fill="{colour}"/>'
    yield f'<text x="{WIDTH - LEGEND + 34}" y="{high + 11}">{escape(rows[0].name)}</text>'
