"""Whose number is this."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from callactors.routing.number import Number, Plan, width, without_parameters

EXACT = Number(match="+1 (312) 555-0100", trunk="acme", scenario="salon")
DESK = Number(match="100", trunk="acme", scenario="desk")
ANY = Number(match="*", trunk="loopback", scenario="any")
NUMBERS = (EXACT, DESK, ANY)


def find(numbers: Iterable[Number], called: str, trunk: str) -> Number | None:
    return Plan.of(numbers, {}).find(called, trunk)


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


def plan(*matches: str, country: str | None = "US") -> Plan:
    entries = [Number(match=match, trunk="acme", scenario=f"s{i}") for i, match in enumerate(matches)]
    return Plan.of(entries, {"acme": country})


def scenario(found: Number | None) -> str | None:
    return found.scenario if found is not None else None


def test_a_range_serves_its_ends_and_nothing_beside_them() -> None:
    numbers = plan("+13125550100-+13125550199")
    served = [scenario(numbers.find(n, "acme")) for n in ("+13125550100", "3125550150", "13125550199", "+13125550200")]
    assert served == ["s0", "s0", "s0", None]


def test_a_pattern_serves_any_digit_where_it_has_an_x() -> None:
    numbers = plan("+1312555xxxx", "1xx", country=None)
    asked = ("+13125551234", "13125551234", "+131255512345", "+1312555123a", "142", "242", "1423")
    assert [scenario(numbers.find(n, "acme")) for n in asked] == ["s0", "s0", None, None, "s1", None, None]
    assert [scenario(plan("xxx").find(n, "acme")) for n in ("100", "1000", "xxx")] == ["s0", None, None]


def test_what_a_country_dials_finds_its_number() -> None:
    numbers = plan("030 123456", "+4930999999", country="DE")
    asked = ("+4930123456", "4930123456", "030999999", "004930999999", "123456")
    assert [scenario(numbers.find(n, "acme")) for n in asked] == ["s0", "s0", "s1", "s1", None]


def test_the_first_line_wins_whatever_its_kind() -> None:
    assert scenario(plan("+13125550100", "+1312555xxxx").find("+13125550100", "acme")) == "s0"
    assert scenario(plan("+1312555xxxx", "+13125550100").find("+13125550100", "acme")) == "s0"


def test_a_line_that_does_not_hold_now_leaves_the_call_to_the_next() -> None:
    numbers = Plan.of(
        [
            Number(match="100", trunk="acme", scenario="day", when="office"),
            Number(match="100", trunk="acme", scenario="night"),
        ],
        {},
    )
    assert scenario(numbers.find("100", "acme", lambda when: True)) == "day"
    assert scenario(numbers.find("100", "acme", lambda when: when == "always")) == "night"


def test_ten_thousand_numbers_are_one_look_up() -> None:
    numbers = plan(*(f"+1312{n:07}" for n in range(2_000_000, 2_010_000)))
    began = time.perf_counter()
    assert all(numbers.find(f"+1312{n:07}", "acme") for n in range(2_000_000, 2_001_000))
    assert time.perf_counter() - began < 2.0


def test_a_match_says_how_many_numbers_it_is() -> None:
    assert [width(m) for m in ("+13125550100", "+1312555xxxx", "+13125550100-+13125550199", "+132-+131")] == [
        1, 10_000, 100, 0,
    ]  # fmt: skip
