"""One side that cannot be heard is noticed while the call lives, and so is its coming back."""

from __future__ import annotations

import pytest

from callactors.rtp.events import OneWay
from callactors.rtp.one_way import DEAF, MUTE, UNNAMED, OneWayWatch

QUIET, SOUND = b"\xff" * 480, b"\xff\x12" * 240


def reports(highest: list[int | None], *, sending: bool = True, every: float = 5.0) -> list[OneWay]:
    watch, news = OneWayWatch(), list[OneWay]()
    for index, number in enumerate(highest):
        watch.reported(number, sending, index * every)
        news += watch.news()
    return news


def test_reports_that_no_longer_grow_while_we_send_mean_that_we_are_not_heard() -> None:
    (told,) = reports([100, 350, 350, 350, 350])
    assert (told.direction, told.since, told.over) == ("out", 5.0, False)
    assert told.at - told.since >= DEAF


def test_it_is_told_when_they_hear_us_again() -> None:
    assert [told.over for told in reports([100, 100, 100, 100, 600, 900])] == [False, True]


def test_reports_that_never_name_us_are_believed_later() -> None:
    (told,) = reports([None] * 6)
    assert told.at - told.since >= UNNAMED > DEAF
    assert reports([None, None, None, 12, 300]) == []


@pytest.mark.parametrize("sending", [True, False])
def test_who_hears_all_of_it_or_is_sent_nothing_is_not_deaf(sending: bool) -> None:
    assert reports([100, 350, 600, 850] if sending else [100] * 8, sending=sending) == []


def test_packets_without_a_sound_since_the_call_began_mean_that_they_are_not_heard() -> None:
    watch, news = OneWayWatch(), list[OneWay]()
    for batch in range(round(40 / 0.06)):
        watch.heard(QUIET if batch < 600 else SOUND, batch * 0.06)
        news += watch.news()
    assert [(told.direction, told.over) for told in news] == [("in", False), ("in", True)]
    assert news[0].at == pytest.approx(MUTE, abs=0.1)


def test_who_has_been_heard_once_may_be_silent_as_long_as_they_like() -> None:
    watch = OneWayWatch()
    watch.heard(SOUND, 0.0)
    for batch in range(2_000):
        watch.heard(QUIET, batch * 0.06)
    assert watch.news() == []
