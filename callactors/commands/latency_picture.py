"""A call as a picture: who spoke when, and how long each answer took; for a terminal, and as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callactors.testing.response_times import Measured, Speech

WIDTH, ROW, LEFT, HEIGHT = 960, 26, 60, 150
CALLER, AGENT, GAP, OVER = "#1b6ca8", "#27834a", "#c0392b", "#b7791f"


def strip(heard: Measured, width: int) -> list[str]:
    """Two lines of blocks, caller over agent; a column is a share of the call."""
    return [f"{name:<7} {_blocks(spoken, heard.seconds, width)}" for name, spoken in _rows(heard)]


def _rows(heard: Measured) -> tuple[tuple[str, Sequence[Speech]], ...]:
    return ("caller", heard.caller), ("agent", heard.agent)


def _blocks(spoken: Sequence[Speech], seconds: float, width: int) -> str:
    column = seconds / width if seconds else 1.0
    return "".join(
        "█" if any(one.start < (place + 1) * column and one.end > place * column for one in spoken) else "·"
        for place in range(width)
    )


def svg(heard: Measured) -> str:
    """The whole file."""
    scale = (WIDTH - LEFT - 10) / max(heard.seconds, 1e-3)
    body = [*_speech(heard, scale), *_times(heard, scale), *_axis(heard.seconds, scale)]
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>"]) + "\n"


def _speech(heard: Measured, scale: float) -> Iterator[str]:
    for row, (name, spoken) in enumerate(_rows(heard)):
        high, colour = 30 + row * (ROW + 14), (CALLER, AGENT)[row]
        yield f'<text x="6" y="{high + 17}">{name}</text>'
        for one in spoken:
            across = f'x="{LEFT + one.start * scale:.1f}" width="{max(1.0, (one.end - one.start) * scale):.1f}"'
            yield f'<rect {across} y="{high}" height="{ROW}" fill="{colour}"/>'


def _times(heard: Measured, scale: float) -> Iterator[str]:
    """A red line from the caller's last sound to the agent's first, and an amber one where the caller cut in."""
    for one in heard.answers:
        x, until = LEFT + one.asked * scale, LEFT + one.answered * scale
        yield f'<path d="M{x:.1f} 63H{until:.1f}" stroke="{GAP}" stroke-width="3"/>'
        yield f'<text x="{x:.1f}" y="22" fill="{GAP}">{one.ms}</text>'
    for cut in heard.cut_ins:
        x = LEFT + cut.at * scale
        words = "went on" if cut.ms is None else f"{cut.ms}"
        yield f'<path d="M{x:.1f} 28V98" stroke="{OVER}" stroke-width="2"/>'
        yield f'<text x="{x:.1f}" y="112" fill="{OVER}">{words}</text>'


def _axis(seconds: float, scale: float) -> Iterator[str]:
    step = next(step for step in (1, 2, 5, 10, 30, 60, 300, 600, 1 << 30) if step * scale >= 60)
    for at in range(0, int(seconds) + 1, step):
        yield f'<text x="{LEFT + at * scale:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{at} s</text>'
