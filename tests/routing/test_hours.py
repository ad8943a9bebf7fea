"""Opening hours in the zone of the place that is open."""

from __future__ import annotations

import datetime as dt

import pytest

from callactors.routing.hours import Schedule, at, read_day, read_span, read_zone


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


OFFICE = Schedule.of("America/Chicago", ["mon-fri 09:00-17:00", "sat 10:00-14:00"], ["2026-12-25"])


@pytest.mark.parametrize(
    ("now", "open_"),
    [
        ("2026-11-23T15:00", True),  # monday, 9:00 in Chicago
        ("2026-11-23T14:59", False),
        ("2026-11-23T22:59", True),
        ("2026-11-23T23:00", False),
        ("2026-11-28T16:00", True),  # saturday, 10:00
        ("2026-11-29T16:00", False),  # sunday
        ("2026-07-06T14:00", True),  # 9:00 of summer
        ("2026-12-25T16:00", False),  # a friday that is closed
    ],
)
def test_an_office_is_open_by_its_own_clock(now: str, open_: bool) -> None:
    assert OFFICE.is_open(utc(now)) is open_


def test_a_night_belongs_to_the_day_it_begins_on() -> None:
    bar = Schedule.of("UTC", ["fri 22:00-02:00"], ["2026-11-27"])
    assert bar.is_open(utc("2026-11-21T01:59"))
    assert not bar.is_open(utc("2026-11-21T02:00"))
    assert not bar.is_open(utc("2026-11-22T01:00"))
    assert not bar.is_open(utc("2026-11-28T01:00"))  # its friday was closed


def test_a_day_without_times_is_all_of_it_and_days_go_round_the_week() -> None:
    assert Schedule.of("UTC", ["sun"]).is_open(utc("2026-11-22T23:59"))
    assert read_span("sat-mon").days == {5, 6, 0}


def test_a_when_is_always_a_name_or_not_a_name() -> None:
    holds = at(utc("2026-11-23T15:00"), {"office": OFFICE})
    assert [holds(when) for when in ("always", "office", "not office", "nights", "not nights")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "monday", "mon 9-17", "mon 25:00-26:00", "mon 09:00-09:00", "mon 24:00-01:00"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"meant|never be open"):
        read_span(text)


def test_what_is_no_day_or_zone_is_told() -> None:
    with pytest.raises(ValueError, match="2026-12-25"):
        read_day("25.12.2026")
    with pytest.raises(ValueError, match="America/Chicago"):
        read_zone("../etc/passwd")
