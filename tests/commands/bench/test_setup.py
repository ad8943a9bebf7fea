"""What the set-up bench makes of its figures; the measuring itself is tests/interop/test_bench.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from callactors.commands.bench.programs import cpu_seconds
from callactors.commands.bench.setup import Step, as_facts, before_failure, rates
from callactors.commands.bench.sipp import Load


def step(rate: int, failed: int, who: str = "callactors") -> Step:
    return Step(who, Load(rate, 100, failed, 0, 20.0, 30.0, 40.0), 9.5)


@pytest.mark.parametrize(("first", "most", "expected"), [(10, 40, [10, 20, 40]), (10, 39, [10, 20]), (7, 1, [7])])
def test_each_rate_is_double_the_one_before(first: int, most: int, expected: Sequence[int]) -> None:
    assert rates(first, most) == expected


@pytest.mark.parametrize(("failed", "expected"), [([0, 0, 1], 20), ([0, 0], 20), ([1], None), ([0, 1, 0], 10)])
def test_the_figure_is_the_last_rate_before_the_first_failure(failed: Sequence[int], expected: int | None) -> None:
    steps = [step(10 * 2**index, count) for index, count in enumerate(failed)]
    assert before_failure([*steps, step(640, 0, "kamailio")], "callactors") == expected


def test_the_facts_name_both_programs() -> None:
    facts = as_facts([step(10, 0), step(10, 0, "kamailio"), step(20, 3)])
    assert facts["calls_per_second_before_failure"] == {"callactors": 10, "kamailio": 10}


def test_the_cpu_of_this_process_is_counted() -> None:
    assert cpu_seconds(int(Path("/proc/self").resolve().name)) > 0
