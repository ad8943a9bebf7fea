"""Whom we may call, when, and as whom."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callactors.routing.cause import Cause
from callactors.routing.rules import Refusal, Rules, Window, numbers_of, read_window, wrong_caller, zones_of

CHICAGO = "+13125550142"
LONDON = "+442071838750"
NOON = datetime.datetime(2026, 6, 1, 12, 0, tzinfo=datetime.UTC)  # 07:00 in Chicago, 13:00 in London
EVERYWHERE = ("+1", "+44")


def cause(rules: Rules, number: str, now: datetime.datetime = NOON) -> Cause | None:
    refused = rules.refuse(number, now)
    return refused.cause if refused else None


def test_nothing_is_permitted_until_a_prefix_is() -> None:
    assert cause(Rules(), CHICAGO) is Cause.NOT_PERMITTED
    assert cause(Rules(permit=("+44",)), CHICAGO) is Cause.NOT_PERMITTED
    assert cause(Rules(permit=("+1312",)), CHICAGO) is None


def test_a_refusal_says_what_to_do() -> None:
    refused = Rules(permit=("+44",)).refuse(CHICAGO, NOON)
    assert refused is not None
    assert refused.why == "+13125550142 is not under `permit` (+44); add its prefix there"


def test_hours_are_the_callees_own() -> None:
    rules = Rules(permit=EVERYWHERE, hours=Window(8 * 60, 21 * 60))
    assert cause(rules, LONDON) is None
    assert cause(rules, CHICAGO) is Cause.OUT_OF_HOURS
    assert cause(rules, CHICAGO, NOON + datetime.timedelta(hours=2)) is None


def test_a_number_of_many_time_zones_must_be_inside_the_hours_in_all_of_them() -> None:
    toll_free = "+18005550142"
    assert len(zones_of(toll_free)) > 1
    rules = Rules(permit=EVERYWHERE, hours=Window(8 * 60, 21 * 60))
    assert cause(rules, toll_free, NOON + datetime.timedelta(hours=3)) is Cause.OUT_OF_HOURS  # Hawaii sleeps


def test_where_nobody_knows_the_time_the_hours_refuse() -> None:
    assert cause(Rules(permit=("+",), hours=Window(0, 24 * 60)), "+999123456789") is Cause.OUT_OF_HOURS


def test_who_is_on_the_do_not_call_list_is_not_called_whoever_agreed() -> None:
    rules = Rules(permit=EVERYWHERE, consent=frozenset({CHICAGO}), do_not_call=frozenset({CHICAGO}))
    assert cause(rules, CHICAGO) is Cause.DO_NOT_CALL


def test_with_a_consent_list_only_who_is_on_it_is_called() -> None:
    rules = Rules(permit=EVERYWHERE, consent=frozenset({CHICAGO}))
    assert cause(rules, CHICAGO) is None
    assert cause(rules, LONDON) is Cause.NO_CONSENT


@pytest.mark.parametrize("written", ["911", "112", "+1911", "urn:service:sos", "9911", "933"])
def test_no_agent_ever_calls_for_help(written: str) -> None:
    number = Rules(permit=("+",), country="US", emergency=("9911",)).number(written)
    assert isinstance(number, Refusal)
    assert "emergency" in number.why


def test_a_number_may_be_written_as_its_country_does() -> None:
    assert Rules(country="US").number("(312) 555-0142") == CHICAGO
    assert Rules().number("+1 312 555 0142") == CHICAGO
    assert isinstance(Rules().number("312 555 0142"), Refusal)
    assert isinstance(Rules().number("sip:anyone@example.com"), Refusal)


def test_only_caller_ids_of_the_trunk_may_be_shown() -> None:
    assert wrong_caller(None, (), "bw") is None
    assert wrong_caller(CHICAGO, (CHICAGO,), "bw") is None
    refused = wrong_caller(LONDON, (CHICAGO,), "bw")
    assert refused == Refusal(Cause.CALLER_ID, f"{LONDON} is not a caller id of trunk bw ({CHICAGO})")


def test_a_list_is_a_column_of_numbers_with_or_without_a_head() -> None:
    text = "number,since\n+1 312 555 0142,2026-01-01\n\n# old customers\n+442071838750\n"
    assert numbers_of(text) == {CHICAGO, LONDON}
    assert numbers_of("(312) 555-0142", "US") == {CHICAGO}


def test_a_list_with_a_line_that_is_no_number_is_not_half_understood() -> None:
    with pytest.raises(ValueError, match="line 2: 'Jane'"):
        numbers_of("+13125550142\nJane,+442071838750\n")


@pytest.mark.parametrize("text", ["", "8-21", "08:00", "25:00-26:00", "08:00-08:00", "24:30-12:00"])
def test_what_is_no_span_of_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as 08:00-21:00"):
        read_window(text)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_every_minute_is_in_a_window_or_in_the_one_that_follows_it(opens: int, closes: int, minute: int) -> None:
    if opens != closes:
        assert Window(opens, closes).holds(minute) != Window(closes, opens).holds(minute)


def test_what_nobody_can_read_as_a_number_has_no_time_zone() -> None:
    assert zones_of("+") == ()


def test_a_window_is_shown_as_it_is_written() -> None:
    assert str(read_window("08:00-21:30")) == "08:00-21:30"
    assert read_window("22:00-06:00").holds(23 * 60)
