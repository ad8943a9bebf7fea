"""How often one caller may call."""

from __future__ import annotations

from callactors.routing.callers import MOST, Callers


def test_the_limit_is_for_one_minute_and_one_caller() -> None:
    callers = Callers(2)
    assert [callers.take("a", now) for now in (0.0, 1.0, 2.0)] == [True, True, False]
    assert callers.take("b", 2.0)
    assert callers.take("a", 62.1)


def test_trying_on_makes_nobody_welcome() -> None:
    callers = Callers(1)
    assert [callers.take("a", now) for now in (0.0, 50.0, 100.0, 161.0)] == [True, False, False, True]


def test_without_a_limit_everybody_is_welcome_and_nobody_remembered() -> None:
    callers = Callers(None)
    assert all(callers.take("a", 0.0) for _ in range(100))
    assert len(callers) == 0


def test_ten_thousand_strangers_cost_a_bounded_table() -> None:
    callers = Callers(1)
    for number in range(MOST + 500):
        callers.take(str(number), 0.0)
    assert len(callers) == MOST
