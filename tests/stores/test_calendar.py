"""The calendar: what is free, no double booking whoever writes, and clear words when a time cannot be had."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from callactors.stores.calendar import Calendar, CannotBook, NoSuchBooking, NotOpen, SlotTaken, UnknownService

MONDAY = date(2026, 3, 2)
THREE = datetime(2026, 3, 2, 15, 0)


def salon(path: Path, house: str = "salon") -> Calendar:
    calendar = Calendar(f"sqlite:///{path}/stores.db", house)
    calendar.configure({"Haircut": 45, "Colour": 120}, ["Maya", "Theo"], {"mon-fri": "09:00-18:00", "sun": "closed"})
    return calendar


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[Calendar]:
    made = salon(tmp_path)
    yield made
    made.close()


def test_a_booking_is_there_for_whoever_opens_the_file_next(tmp_path: Path, calendar: Calendar) -> None:
    booking = calendar.book("haircut", THREE, "Ann Lee", "+1 312 555 0100")
    again = Calendar(f"sqlite:///{tmp_path}/stores.db", "salon")
    assert again.bookings(MONDAY) == [booking]
    assert (booking.service, booking.resource, booking.end) == ("Haircut", "Maya", THREE + timedelta(minutes=45))
    again.close()


def test_the_second_booking_of_a_time_gets_the_other_stylist_and_the_third_is_told_what_is_free(
    calendar: Calendar,
) -> None:
    assert [calendar.book("Haircut", THREE, name).resource for name in ("A", "B")] == ["Maya", "Theo"]
    with pytest.raises(SlotTaken, match="Everybody is taken at 15:00 on Monday 02 March") as refused:
        calendar.book("Haircut", THREE, "C")
    assert [f"{slot.start:%H:%M}" for slot in refused.value.alternatives] == ["14:00", "14:15", "15:45"]


def test_every_alternative_that_is_offered_can_be_booked(calendar: Calendar) -> None:
    calendar.book("Colour", THREE, "A", resource="Maya")
    with pytest.raises(SlotTaken) as refused:
        calendar.book("Haircut", THREE + timedelta(minutes=5), "B", resource="maya")
    slot = refused.value.alternatives[-1]
    assert calendar.book("Haircut", slot.start, "B", resource=slot.resource).start == slot.start


def test_an_appointment_that_overlaps_by_one_quarter_is_refused_and_one_that_touches_is_not(calendar: Calendar) -> None:
    calendar.book("Haircut", THREE, "A", resource="Maya")
    with pytest.raises(SlotTaken):
        calendar.book("Haircut", THREE + timedelta(minutes=40), "B", resource="Maya")
    calendar.book("Haircut", THREE + timedelta(minutes=45), "B", resource="Maya")
    calendar.book("Haircut", THREE - timedelta(minutes=45), "C", resource="Maya")


@pytest.mark.parametrize(
    "start",
    [
        datetime(2026, 3, 2, 8, 45),
        datetime(2026, 3, 2, 17, 30),
        datetime(2026, 3, 8, 12, 0),
        datetime(9999, 12, 31, 12, 0),
        datetime(1, 1, 1, 0, 0),
    ],
)
def test_outside_opening_hours_is_refused(calendar: Calendar, start: datetime) -> None:
    with pytest.raises(NotOpen, match="We are not open at"):
        calendar.book("Haircut", start, "A")


def test_a_time_that_is_past_is_refused_with_times_that_are_not(calendar: Calendar) -> None:
    with pytest.raises(CannotBook) as refused:
        calendar.book("Haircut", THREE, "A", after=THREE + timedelta(minutes=1))
    assert [slot.start.hour for slot in refused.value.alternatives] == [15, 15, 15]
    assert refused.value.alternatives[0].start == THREE + timedelta(minutes=15)


def test_free_times_shrink_by_part_of_day_service_bookings_and_now(calendar: Calendar) -> None:
    assert len(calendar.free(MONDAY, "Haircut")) == 34
    assert [f"{slot.start:%H:%M}" for slot in calendar.free(MONDAY, "Colour", "evening")] == []
    assert calendar.free(MONDAY, "Haircut", "morning")[-1].start.hour == 11
    assert calendar.free(date(2026, 3, 8), "Haircut") == []
    calendar.book("Haircut", THREE, "A", resource="Maya")
    assert THREE not in [slot.start for slot in calendar.free(MONDAY, "Haircut", resource="Maya")]
    assert calendar.free(MONDAY, "Haircut", after=THREE)[0].start == THREE


def test_cancelling_frees_the_time_and_keeps_the_record(calendar: Calendar) -> None:
    booking = calendar.book("Haircut", THREE, "Ann Lee", resource="Maya")
    assert calendar.cancel(name="ann  LEE", start=THREE).cancelled
    assert calendar.bookings() == []
    assert [one.id for one in calendar.bookings(cancelled=True)] == [booking.id]
    calendar.book("Haircut", THREE, "Bo", resource="Maya")
    with pytest.raises(NoSuchBooking):
        calendar.cancel(booking.id)


def test_cancelling_somebody_with_two_appointments_asks_which(calendar: Calendar) -> None:
    calendar.book("Haircut", THREE, "Ann")
    calendar.book("Colour", THREE + timedelta(days=1), "Ann")
    with pytest.raises(NoSuchBooking, match="Haircut on Monday 02 March at 15:00, Colour on Tuesday"):
        calendar.cancel(name="Ann")


def test_a_person_is_found_by_national_or_international_number(calendar: Calendar) -> None:
    booking = calendar.book("Haircut", THREE, "Ann", "+44 20 7946 0958")
    assert calendar.find(phone="020 7946 0958") == [booking]
    assert calendar.find("bob", "020 7946 0958") == calendar.find() == []


def test_an_unknown_service_or_stylist_is_told_those_there_are(calendar: Calendar) -> None:
    with pytest.raises(UnknownService, match="there is Haircut, Colour"):
        calendar.book("Pedicure", THREE, "A")
    with pytest.raises(UnknownService, match="there is Maya, Theo"):
        calendar.free(MONDAY, "Haircut", resource="Zoe")


def test_two_houses_in_one_file_do_not_see_each_other(tmp_path: Path, calendar: Calendar) -> None:
    other = salon(tmp_path, "dental")
    calendar.book("Haircut", THREE, "A", resource="Maya")
    other.book("Haircut", THREE, "A", resource="Maya")
    assert len(other.bookings()) == len(calendar.bookings()) == 1
    other.close()


def test_configuring_again_replaces_the_offer_and_keeps_the_bookings(calendar: Calendar) -> None:
    calendar.book("Haircut", THREE, "A", resource="Theo")
    calendar.configure({"Trim": 15}, ["Theo"], {"mon": "10:00-16:00"})
    assert calendar.services() == {"Trim": 15}
    assert calendar.resources() == ["Theo"]
    assert list(calendar.hours()) == [0]
    with pytest.raises(SlotTaken):
        calendar.book("Trim", THREE, "B")


@pytest.mark.parametrize("hours", [{"mon": "9-18"}, {"someday": "09:00-18:00"}, {"mon": "18:00-09:00"}])
def test_hours_that_make_no_sense_are_refused_by_name(calendar: Calendar, hours: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"mon|09:00"):
        calendar.configure({"Trim": 15}, ["Theo"], hours)


def test_an_aware_datetime_keeps_its_hands(calendar: Calendar) -> None:
    assert calendar.book("Haircut", THREE.replace(tzinfo=UTC), "A").start == THREE


def test_of_many_writers_at_once_exactly_one_gets_each_place(tmp_path: Path) -> None:
    calendars = [salon(tmp_path) for _ in range(2)]  # two processes, as far as SQLite can tell
    won: list[str] = []
    lost: list[SlotTaken] = []

    def book(calendar: Calendar, name: str) -> None:
        try:
            won.append(calendar.book("Haircut", THREE, name).resource)
        except SlotTaken as refused:
            lost.append(refused)

    threads = [threading.Thread(target=book, args=(calendars[n % 2], f"caller {n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == ["Maya", "Theo"]
    assert len(lost) == 10
    for calendar in calendars:
        calendar.close()
