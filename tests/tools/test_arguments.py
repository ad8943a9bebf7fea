"""Arguments are checked before a tool runs, and what is wrong is told for a model to mend."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import Enum
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import BadArguments
from callactors.tools.arguments import MOST_JSON, validate
from callactors.tools.tool import tool


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@tool()
def visit(
    day: date, at: time, what: Literal["cut", "trim"], size: Size = Size.SMALL, count: int = 1, note: str | None = None
) -> str:
    """Visit.

    Args:
        day: the day of the visit
    """
    return f"{day}{at}{what}{size}{count}{note}"


@tool()
def measure(until: datetime, weight: float, wet: bool) -> str:
    """Measure."""
    return f"{until}{weight}{wet}"


GOOD = '{"day": "2026-12-03", "at": "15:30", "what": "cut"'


def test_values_arrive_as_the_types_of_the_signature() -> None:
    values = validate(visit, GOOD + ', "size": "large", "count": 2.0, "note": "x"}')
    assert values == {
        "day": date(2026, 12, 3), "at": time(15, 30), "what": "cut", "size": Size.LARGE, "count": 2, "note": "x",
    }  # fmt: skip


def test_numbers_booleans_and_moments_too() -> None:
    values = validate(measure, b'{"until": "2026-12-03T15:30", "weight": 2, "wet": false}')
    assert values == {"until": datetime(2026, 12, 3, 15, 30), "weight": 2.0, "wet": False}


def test_null_for_an_optional_argument_means_absent() -> None:
    assert "note" not in validate(visit, GOOD + ', "note": null}')


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(BadArguments) as caught:
        validate(visit, '{"at": "half past", "what": "dye", "colour": 1, "count": "two"}')
    text = str(caught.value)
    assert "colour: no such argument; visit takes day, at, what" in text
    assert "day: missing; it is the day of the visit" in text
    assert "at: 'half past' is not a time of day; write it HH:MM" in text
    assert "what: 'dye' is not one of 'cut', 'trim'" in text
    assert "count: must be a whole number, not a string" in text


@pytest.mark.parametrize("raw", ["[1]", '"x"', "null", "{", "{'a': 1}", "\x00", "[" * 5000, "x" * (MOST_JSON + 1)])
def test_what_is_no_json_object_is_refused(raw: str) -> None:
    with pytest.raises(BadArguments):
        validate(visit, raw)


@pytest.mark.parametrize("wrong", ['{"until": 5', '{"until": "2026-13-01T00:00"', '{"until": true'])
def test_moments_of_the_wrong_kind_are_refused(wrong: str) -> None:
    with pytest.raises(BadArguments):
        validate(measure, wrong + ', "weight": true, "wet": 1}')


def test_a_number_too_large_to_hold_is_refused() -> None:
    with pytest.raises(BadArguments, match="weight"):
        validate(measure, '{"until": "2026-12-03T15:30", "weight": 1' + "0" * 400 + ', "wet": true}')


def test_overlong_and_unprintable_strings_are_refused() -> None:
    with pytest.raises(BadArguments, match="at most"):
        validate(visit, GOOD + ', "note": "' + "x" * 5000 + '"}')
    with pytest.raises(BadArguments, match="NUL"):
        validate(visit, GOOD + ', "note": "\\u0000"}')


@given(st.binary(max_size=300))
@settings(max_examples=150)
def test_nothing_but_bad_arguments_ever_escapes(raw: bytes) -> None:
    with pytest.raises(BadArguments):
        validate(visit, raw)
