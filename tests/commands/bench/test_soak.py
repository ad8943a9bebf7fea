"""The soak's slope: what it says of memory that grows, that stands, and that only began low."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from callactors.commands.bench.row import Figures
from callactors.commands.bench.soak import Wave, as_facts, slope, text

FIGURES = Figures(**{field.name: 0 for field in attrs.fields(Figures)})


def waves(memory: Sequence[float], each: float = 0.01) -> list[Wave]:
    return [Wave((place + 1) * each, held, FIGURES) for place, held in enumerate(memory)]


def test_a_leak_is_its_slope_within_a_narrow_interval() -> None:
    found = slope(waves([200 + 0.5 * place + (-1) ** place * 0.2 for place in range(60)]))
    assert found is not None
    assert found.value == pytest.approx(50, abs=found.margin)
    assert found.margin < 2


def test_memory_that_stands_has_a_slope_whose_interval_holds_zero() -> None:
    found = slope(waves([200 + (-1) ** place for place in range(60)]))
    assert found is not None
    assert abs(found.value) < found.margin


def test_the_warm_up_does_not_count() -> None:
    found = slope(waves([100, 150, 190, 199] + [200] * 36))
    assert found is not None
    assert found.value == pytest.approx(0, abs=1e-6)


def test_few_waves_have_no_slope() -> None:
    assert slope(waves([200, 201])) is None
    assert slope([]) is None


def test_three_waves_have_a_wide_interval() -> None:
    found = slope(waves([200, 201, 200]))
    assert found is not None
    assert found.margin > 500


def test_it_is_said_in_a_sentence_how_long_it_ran() -> None:
    made = waves([200, 201, 202, 203])
    found = slope(made)
    assert found is not None
    assert text(as_facts(made, found, 50)).startswith("0.04 hours of 50 calls, 4 waves: memory +100.0 ")
