"""Rows of the media bench: medians, what is spoiled, what is held, what it costs; as text, JSON and a picture."""

from __future__ import annotations

from xml.etree import ElementTree

import attrs
import pytest
from rich.console import Console
from typer.testing import CliRunner

from callactors.__main__ import app
from callactors.commands.bench import show
from callactors.commands.bench.plot import svg
from callactors.commands.bench.row import Figures, Row, row, spoiled

GOOD = Figures(
    up=50, refused=0, cpu_ms=1.5, core=7.5, late=0.1, missing=0.0, gap_p99=22.0, gap_max=30.0, setup_p95=20.0,
    delta_p50=11.0, delta_p99=21.0, append_p50=3.0, append_p99=9.0, first_p50=43.0, first_p99=50.0, memory=0.3,
    sender_p50=0.1, sender_p99=1.0, sender_max=3.0, peer_p99=1.0, gone=0,
)  # fmt: skip


def good(**changes: float) -> Figures:
    return attrs.evolve(GOOD, **changes)


def rows() -> list[Row]:
    return [
        row("pcm16", 50, [GOOD]),
        row("pcm16", 100, [good(up=100, cpu_ms=1.4)]),
        row("pcm16", 200, [good(up=200, late=3.0)]),
        row("pcm16 srtp", 100, [good(up=100, cpu_ms=1.9)]),
        row("pcm16 overload", 75, [good(refused=25)]),
        row("naive", 50, [good(cpu_ms=9.0)]),
    ]


def test_a_row_is_the_medians_of_its_measurements() -> None:
    made = row("pcm16", 50, [good(cpu_ms=cpu) for cpu in (1.1, 9.0, 1.3, 1.2, 1.4)])
    assert made.figures is not None
    assert (made.runs, made.figures.cpu_ms) == (5, 1.3)


@pytest.mark.parametrize(
    ("changes", "words"), [({"sender_p99": 5.1}, "own packets left late"), ({"peer_p99": 9.0}, "deltas were late")]
)
def test_a_measurement_its_own_load_spoiled_has_no_figures(changes: dict[str, float], words: str) -> None:
    made = row("pcm16", 50, [good(**changes)])
    assert made.figures is None
    assert words in made.spoiled
    assert show.spoiled([made]) == [f"pcm16 at 50 calls: {made.spoiled}"]


def test_a_spoiled_measurement_does_not_touch_the_good_ones() -> None:
    made = row("pcm16", 50, [good(cpu_ms=7.0, sender_p99=9.0), GOOD])
    assert made.figures == GOOD
    assert not spoiled(GOOD)


@pytest.mark.parametrize("changes", [{"late": 1.0}, {"missing": 1.2}, {"gone": 1}])
def test_calls_are_held_only_with_every_packet_in_time(changes: dict[str, float]) -> None:
    assert GOOD.held
    assert not good(**changes).held


def test_the_most_calls_held_is_the_number_before_the_first_that_was_not() -> None:
    assert show.held(rows(), "pcm16") == 100
    assert show.held([Row("pcm16", 50, 0, None, "late"), row("pcm16", 100, [good(up=100)])], "pcm16") is None
    assert show.held([row("pcm16", 100, [good(up=99, refused=1)])], "pcm16") is None


def test_the_facts_have_costs_and_the_ratio_to_the_naive_pipeline() -> None:
    facts = show.as_facts(rows())
    assert facts["costs"] == {"srtp (pcm16, 100 calls)": 0.5}
    assert show.ratios(rows())["pcm16, 50 calls"] == 6.0
    assert facts["naive_ratio"] == show.ratios(rows())
    assert facts["held"] == {"pcm16": 100, "pcm16 srtp": 100, "naive": 50}


def test_the_facts_say_how_fast_the_machine_is() -> None:
    machine = show.as_facts(rows())["machine"]
    assert isinstance(machine, dict)
    assert machine["compiled"] in ("yes", "no")
    assert all(0.1 < machine[step] < 1_000 for step in ("checkpoint_us", "json_us", "datagram_us"))


def test_the_text_says_what_the_rows_come_to() -> None:
    console = Console(width=220, record=True, quiet=True)
    console.print(show.table(rows()))
    said = " ".join(show.sentences(rows()))
    assert "75 offered, 50 taken, 25 refused" in said
    assert "the naive pipeline takes 6.0 times the CPU of pcm16, 50 calls" in said


def test_the_picture_is_xml_with_a_line_a_row_and_hollow_points_for_what_was_not_held() -> None:
    drawn = ElementTree.fromstring(svg(rows()))
    space = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f"{space}polyline")) == 4
    assert sum(one.get("fill") == "white" for one in drawn.findall(f"{space}circle")) == 1


def test_a_picture_of_nothing_is_still_one() -> None:
    assert ElementTree.fromstring(svg([])).tag.endswith("svg")


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["--calls", "ten"], "write 50,100,200"), (["--calls", "0"], "write 50"), (["--model-audio", "opus"], "pcm16")],
)
def test_what_cannot_be_measured_is_said_at_once(words: list[str], problem: str) -> None:
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == 2
    assert problem in result.output
