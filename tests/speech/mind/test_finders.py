"""Days, times, numbers, names and choices, as people say them and as a transcriber writes them."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.speech.mind.choices import find_choice
from callactors.speech.mind.dates import find_date
from callactors.speech.mind.names import find_name
from callactors.speech.mind.phones import find_phone
from callactors.speech.mind.times import find_time
from callactors.speech.mind.words import cardinal, distance, near, ordinal, tokens

SUNDAY = date(2026, 11, 22)
SERVICES = ("haircut", "beard trim", "colour", "highlights", "blow dry")


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("Tomorrow.", "2026-11-23"), ("to-morrow at 3", "2026-11-23"), ("tomorow", "2026-11-23"),
        ("today please", "2026-11-22"), ("the day after tomorrow", "2026-11-24"),
        ("on Tuesday", "2026-11-24"), ("next Tuesday.", "2026-11-24"), ("Sunday", "2026-11-29"),
        ("in three days", "2026-11-25"), ("in a week", "2026-11-29"), ("in two weeks", "2026-12-06"),
        ("a week from Tuesday", "2026-12-01"), ("the 5th", "2026-12-05"), ("on the twenty fifth", "2026-11-25"),
        ("December 3rd", "2026-12-03"), ("December the third", "2026-12-03"), ("the third of December", "2026-12-03"),
        ("dec 3 2027", "2027-12-03"), ("January 2nd", "2027-01-02"), ("Friday, November 27th", "2026-11-27"),
        ("12/3", "2026-12-03"), ("12/3/27", "2027-12-03"), ("the 31st", "2026-12-31"), ("Thursdays", "2026-11-26"),
    ],
)  # fmt: skip
def test_a_day_is_found(said: str, day: str) -> None:
    found = find_date(tokens(said), SUNDAY)
    assert found is not None
    assert found.value == date.fromisoformat(day)


def test_next_monday_on_a_monday_and_next_tuesday_are_in_the_next_week() -> None:
    monday = date(2026, 11, 23)
    found = [find_date(tokens(said), monday) for said in ("next Monday", "next Tuesday", "Tuesday")]
    assert [one.value.day if one else 0 for one in found] == [30, 1, 24]


@pytest.mark.parametrize("said", ["", "two weeks", "the second one", "one second", "February 30th", "13/40", "may I"])
def test_no_day_is_made_up(said: str) -> None:
    assert find_date(tokens(said), SUNDAY) is None


def test_a_bare_ordinal_is_a_day_only_when_asked_for() -> None:
    assert find_date(["fifth"], SUNDAY) is None
    found = find_date(["fifth"], SUNDAY, expected=True)
    assert found is not None
    assert found.value == date(2026, 12, 5)


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("Tomorrow at 3 p.m.", "15:00"), ("at three", "15:00"), ("3pm", "15:00"), ("3 P.M.", "15:00"),
        ("9 am", "09:00"),
        ("at 3.30", "15:30"), ("3:30", "15:30"), ("15:30", "15:30"), ("at 3 30", "15:30"), ("at 330", "15:30"),
        ("half past three", "15:30"), ("a quarter to four", "15:45"), ("ten past two", "14:10"), ("noon", "12:00"),
        ("at three thirty", "15:30"), ("at four forty five", "16:45"), ("at three oh five", "15:05"),
        ("3 o'clock", "15:00"), ("at ten", "10:00"), ("at 8", "08:00"), ("at 7", "19:00"),
        ("at seven in the morning", "07:00"),
        ("3 in the afternoon", "15:00"), ("tomorrow morning at 9", "09:00"), ("midnight", "00:00"), ("12 am", "00:00"),
    ],
)  # fmt: skip
def test_a_time_is_found(said: str, at: str) -> None:
    found = find_time(tokens(said))
    assert found is not None
    assert found.value == time.fromisoformat(at)


@pytest.mark.parametrize(("said", "at"), [("three", "15:00"), ("330", "15:30"), ("3 30", "15:30"), ("eleven", "11:00")])
def test_a_bare_number_is_a_time_only_when_asked_for(said: str, at: str) -> None:
    assert find_time(tokens(said)) is None
    found = find_time(tokens(said), expected=True)
    assert found is not None
    assert found.value == time.fromisoformat(at)


@pytest.mark.parametrize("said", ["", "the second one", "at 25", "at 3:75", "99"])
def test_no_time_is_made_up(said: str) -> None:
    assert find_time(tokens(said), expected=True) is None


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("555-0142.", "5550142"), ("5 5 5 0 1 4 2", "5550142"), ("5-5-5-0-1-4-2", "5550142"), ("555.0142", "5550142"),
        ("five five five oh one four two", "5550142"), ("double five five zero one four two", "5550142"),
        ("triple five, 0142", "5550142"), ("It's 555, 01, 42", "5550142"),
        ("five five five oh one forty two", "5550142"),
        ("five, five, five, zero, one, for, two", "5550142"), ("plus one 312 555 0142", "+13125550142"),
        ("+1 (312) 555-0142", "+13125550142"), ("eight hundred 555 0142", "8005550142"),
        ("area code 312, then 555 0142 thanks", "3125550142"),
    ],
)  # fmt: skip
def test_a_phone_number_is_found(said: str, number: str) -> None:
    found = find_phone(tokens(said))
    assert found is not None
    assert found.value == number


@pytest.mark.parametrize("said", ["", "tomorrow at 3", "555", "1234567890123456", "double trouble", "plus"])
def test_no_phone_number_is_made_up(said: str) -> None:
    assert find_phone(tokens(said)) is None


def test_a_piece_of_a_number_counts_when_one_was_asked_for() -> None:
    found = find_phone(tokens("it's 555"), least=2)
    assert found is not None
    assert found.value == "555"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("It's Dana.", "Dana"), ("My name is Dana Reyes and my number is", "Dana Reyes"), ("my name is dana", "Dana"),
        ("This is Dana, I need a cut", "Dana"), ("for Dana, please", "Dana"), ("Under the name of O'Neil", "O'Neil"),
        ("The name is Smith.", "Smith"), ("my name's Dana, D-A-N-A", "Dana"),
    ],
)  # fmt: skip
def test_a_name_is_found_unasked(said: str, name: str) -> None:
    assert find_name(said) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [("Dana", "Dana"), ("dana.", "Dana"), ("Yes, it's dana", "Dana"), ("D-A-N-A", "Dana"),
     ("Mary Ann Lee", "Mary Ann Lee"), ("Uh, sure, Lee", "Lee"), ("April", "April")],
)  # fmt: skip
def test_a_name_asked_for_may_stand_alone(said: str, name: str) -> None:
    assert find_name(said, expected=True) == name


@pytest.mark.parametrize(
    "said", ["Yes.", "Tomorrow at three", "I'm looking for a haircut", "What do you mean?", "555 0142", ""]
)
def test_no_name_is_made_up(said: str) -> None:
    assert find_name(said, expected=True) is None


@pytest.mark.parametrize(
    ("said", "service"),
    [
        ("I'd like a hair cut", "haircut"), ("Hey cut", "haircut"), ("a cut", "haircut"), ("hare cut", "haircut"),
        ("color", "colour"), ("hi lights", "highlights"), ("a beer trim", "beard trim"), ("trim", "beard trim"),
        ("a blow-dry", "blow dry"), ("haircuts", "haircut"),
    ],
)  # fmt: skip
def test_a_choice_is_found_through_what_a_transcriber_does_to_it(said: str, service: str) -> None:
    found = find_choice(tokens(said), SERVICES)
    assert found is not None
    assert found.value == service


def test_two_choices_that_fit_equally_are_none() -> None:
    assert find_choice(["cut"], ("haircut", "dry cut")) is not None
    assert find_choice(["cut"], ("mens cut", "kids cut")) is None
    assert find_choice(tokens("a cold day"), SERVICES) is None


def test_numbers_are_read_in_words_and_digits() -> None:
    assert [cardinal(["twenty", "five"], 0), cardinal(["7"], 0)] != [None, None]
    assert cardinal([], 0) is None
    assert ordinal(["twenty", "first"], 0) is not None
    assert ordinal([], 0) is None
    assert ordinal(["trim"], 0) is None


def test_the_edit_distance_is_levenshteins() -> None:
    assert distance("kitten", "sitting") == 3
    assert near("", "") == 0.0


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_no_utterance_breaks_a_finder(text: str) -> None:
    words = tokens(text)
    for expected in (False, True):
        find_date(words, SUNDAY, expected)
        find_time(words, expected)
        find_name(text, expected)
    find_phone(words, 2)
    find_choice(words, SERVICES)
