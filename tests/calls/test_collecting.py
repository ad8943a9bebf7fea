"""What may be asked of a caller's keys, and which numbers are cards."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.calls.collecting import Wanted, is_card_number, wanted_of
from callactors.errors import BadArguments


@pytest.mark.parametrize("card", ["4111111111111111", "5555555555554444", "378282246310005", "6304000000000000"])
def test_test_cards_of_every_brand_are_cards(card: str) -> None:
    assert is_card_number(card)


@settings(max_examples=100)
@given(st.integers(0, 15), st.integers(1, 9))
def test_one_wrong_digit_makes_it_no_card(place: int, by: int) -> None:
    card = "4111111111111111"
    wrong = f"{card[:place]}{(int(card[place]) + by) % 10}{card[place + 1 :]}"
    assert not is_card_number(wrong)


@pytest.mark.parametrize("digits", ["", "0", "42", "00000000000", "41111111111111111111"])
def test_what_is_too_short_or_long_is_no_card(digits: str) -> None:
    assert not is_card_number(digits)


def test_what_is_left_out_has_a_sensible_value() -> None:
    assert wanted_of({"purpose": "pin", "digits": 4}) == Wanted("pin", 4, "#", 15.0)
    assert wanted_of({"purpose": "pin", "digits": 4, "terminator": "none", "timeout": 60}) == Wanted("pin", 4, "", 60.0)


@pytest.mark.parametrize("wrong", [{"digits": 0}, {"digits": 33}, {"timeout": 4}, {"timeout": 61}])
def test_numbers_out_of_range_are_refused_with_the_range(wrong: dict[str, object]) -> None:
    with pytest.raises(BadArguments, match=r"from \d+ to \d+"):
        wanted_of({"purpose": "pin", "digits": 4} | wrong)
