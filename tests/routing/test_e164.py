"""Numbers as their countries dial them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.routing.e164 import known_country, normalise


@pytest.mark.parametrize(
    ("dialled", "country", "number"),
    [
        ("+13125550142", None, "+13125550142"),
        ("+1 (312) 555-0142", "DE", "+13125550142"),
        ("3125550142", "US", "+13125550142"),
        ("13125550142", "US", "+13125550142"),
        ("01144 20 7183 8750", "US", "+442071838750"),
        ("030 123456", "DE", "+4930123456"),
        ("004930123456", "DE", "+4930123456"),
        ("4930123456", "DE", "+4930123456"),
        ("020 7183 8750", "GB", "+442071838750"),
        ("06 698 12345", "IT", "+390669812345"),  # Italy keeps its zero
    ],
)
def test_what_a_country_dials_is_one_number(dialled: str, country: str, number: str) -> None:
    assert normalise(dialled, country) == number


@pytest.mark.parametrize("dialled", ["911", "933", "100", "9911", "1234", "", "+", "alice", "+0123456", "+" + "1" * 16])
def test_short_codes_extensions_and_names_are_no_numbers_of_the_world(dialled: str) -> None:
    assert normalise(dialled, "US") is None


def test_without_a_country_only_a_plus_makes_a_number() -> None:
    assert normalise("3125550142", None) is None


@settings(max_examples=100)
@given(st.text(alphabet="0123456789+-() ", max_size=60), st.sampled_from(["US", "DE", "GB", "IT", None]))
def test_a_normalised_number_is_normal(dialled: str, country: str | None) -> None:
    number = normalise(dialled, country)
    assert number is None or normalise(number, country) == number


def test_sixty_thousand_digits_are_no_number() -> None:
    assert normalise("+" + "1" * 60_000, "US") is None


def test_a_country_is_known_by_its_two_letters() -> None:
    assert known_country("US")
    assert not known_country("XX")
