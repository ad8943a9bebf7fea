"""Whose number is this."""

from __future__ import annotations

import pytest

from callactors.routing.number import Number, find, without_parameters

EXACT = Number(match="+1 (312) 555-0100", trunk="acme", scenario="salon")
DESK = Number(match="100", trunk="acme", scenario="desk")
ANY = Number(match="*", trunk="loopback", scenario="any")
NUMBERS = (EXACT, DESK, ANY)


@pytest.mark.parametrize("called", ["+13125550100", "+1-312-555-0100", "13125550100", "+1.312.555.0100"])
def test_a_number_is_found_however_it_is_written(called: str) -> None:
    assert find(NUMBERS, called, "acme") is EXACT


@pytest.mark.parametrize("called", ["+13125550101", "3125550100", "", "+", "*", "sip", "+100"])
def test_a_number_nobody_serves_is_none(called: str) -> None:
    assert find(NUMBERS, called, "acme") is None


def test_a_number_belongs_to_its_trunk() -> None:
    assert find((EXACT, DESK), "+13125550100", "loopback") is None


@pytest.mark.parametrize("called", ["+13125550100", "salon", "", "\x00"])
def test_a_star_serves_anything_on_its_trunk(called: str) -> None:
    assert find(NUMBERS, called, "loopback") is ANY


def test_the_first_match_wins() -> None:
    assert find((Number(match="*", trunk="acme", scenario="first"), DESK), "100", "acme") != DESK


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("+13125550100;npdi;rn=+13125550000", "+13125550100"),
        ("+1-312-555-0100;cpc=ordinary;oli=00", "+1-312-555-0100"),
        ("100;phone-context=acme.example", "100"),
        ("alice;day=tuesday", "alice;day=tuesday"),
        ("+13125550100", "+13125550100"),
        (";npdi", ";npdi"),
        ("", ""),
    ],
)
def test_a_number_has_no_parameters_and_a_name_keeps_its_semicolons(user: str, number: str) -> None:
    assert without_parameters(user) == number
