from __future__ import annotations

from math import inf

import pytest

from callactors.routing.limits import Cap, Limits


def limits(cap: Cap, used: int = 0) -> Limits:
    return Limits({"a": cap}, lambda trunk: used)


def test_without_a_cap_there_is_none() -> None:
    free = limits(Cap())
    assert all(free.take("a", 0.0) for _ in range(1_000))
    assert free.take("unknown", 0.0)


def test_channels_count_calls_that_go_on_and_calls_on_their_way() -> None:
    one_left = limits(Cap(channels=3), used=2)
    assert one_left.take("a", 0.0)
    assert not one_left.take("a", 0.0)
    one_left.begun("a")
    assert one_left.take("a", 0.0)


def test_a_call_we_have_got_is_counted_already() -> None:
    full = limits(Cap(channels=3), used=3)
    assert full.take("a", 0.0, counted=1)
    assert not full.take("a", 0.0)
    assert limits(Cap(channels=3), used=4).wait("a", 0.0, counted=1) == inf


def test_calls_per_second_are_paced() -> None:
    two = limits(Cap(cps=2))
    assert [two.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert two.wait("a", 0.0) == pytest.approx(0.5)
    assert two.take("a", 0.5)
    assert not two.take("a", 0.6)


def test_less_than_one_call_a_second_is_still_a_call() -> None:
    slow = limits(Cap(cps=0.1))
    assert slow.take("a", 0.0)
    assert slow.wait("a", 0.0) == pytest.approx(10.0)
    assert slow.take("a", 10.0)


def test_a_rate_of_nothing_lets_the_first_call_through_and_no_other() -> None:
    none = limits(Cap(cps=0.0))
    assert none.take("a", 0.0)
    assert none.wait("a", 1e9) == inf


def test_an_hour_of_quiet_allows_no_more_than_a_second_of_calls() -> None:
    five = limits(Cap(cps=5))
    assert [five.take("a", 3_600.0) for _ in range(6)] == [True] * 5 + [False]
