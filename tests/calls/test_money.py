"""What calls cost."""

from __future__ import annotations

import pytest

from callactors import config
from callactors.actors.messages import ModelUsed
from callactors.calls.money import DAY, Meter, Purse
from callactors.config.schema import Prices
from callactors.routing.cause import Cause

PRICES = {"main": Prices(audio_in=32, audio_out=64, text_in=4, text_out=16)}
NOON = 20_000 * DAY + DAY // 2


def used(**tokens: int) -> ModelUsed:
    return ModelUsed(at=0.0, session=1, **tokens)


def meter(per_call: float | None = None, per_day: float | None = None) -> Meter:
    made = Meter(Purse(per_call, per_day, PRICES))
    made.model = "main"
    return made


def test_tokens_cost_what_the_model_says() -> None:
    one = meter()
    one.used(used(audio_in=1_000_000, audio_out=500_000, text_in=250_000, text_out=1_000_000), NOON)
    assert one.closed(0.0, NOON) == 32 + 32 + 1 + 16


def test_a_model_without_prices_costs_nothing() -> None:
    one = meter(per_call=0.01)
    one.model = "offline"
    assert one.used(used(audio_out=10**9), NOON) is None
    assert one.usd == 0


def test_minutes_cost_what_the_route_says_from_answer_to_end() -> None:
    one = meter()
    one.reached(0, 0.01, 100.0)
    one.reached(1, None, 100.0)
    one.left(0, 220.0, NOON)
    one.left(0, 500.0, NOON)
    one.reached(2, 0.03, 300.0)
    assert one.closed(360.0, NOON) == pytest.approx(0.02 + 0.03)


def test_the_response_that_reaches_the_calls_cap_is_its_last() -> None:
    one = meter(per_call=0.1)
    assert one.used(used(audio_out=1000), NOON) is None
    assert one.used(used(audio_out=1000), NOON) is Cause.CALL_COST


def test_a_day_is_spent_by_all_calls_and_over_at_midnight() -> None:
    purse = Purse(None, 0.1, PRICES)
    for _ in range(2):
        one = Meter(purse)
        one.model = "main"
        one.used(used(audio_out=1000), NOON)
    assert purse.empty(NOON)
    assert not purse.empty(NOON + DAY)
    assert purse.spent(NOON + DAY) == 0


def test_tokens_below_zero_give_nothing_back() -> None:
    one = meter()
    one.used(used(audio_out=-(10**9), text_in=-5), NOON)
    assert one.usd == 0


def test_a_purse_knows_the_prices_of_the_configuration() -> None:
    assert Purse.of(config.default()).prices == {}
