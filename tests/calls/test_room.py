"""Exactly the excess is refused, by the name of what is full; and a door that is measured does not flap."""

from __future__ import annotations

import attrs
import pytest

from callactors.calls.room import FEW, KEPT, PER_CALL, RESERVE, Load, Room
from callactors.config.schema import Limits
from callactors.meters.tally import FULL

ROOM = Room(calls=60, lag=0.04, cpu=0.9, kept_ports=2)


@pytest.fixture
def room() -> Room:
    return attrs.evolve(ROOM)


def word(reason: str) -> str:
    return reason.partition(" ")[0].rstrip(":")


def taken(room: Room, load: Load, most: int = 1000) -> int:
    """How many calls are let in one after another while nothing else is looked at anew."""
    for count in range(most):
        if room.full(attrs.evolve(load, calls=load.calls + count)):
            return count
    return most


def test_limits_calls_is_exact(room: Room) -> None:
    assert taken(room, Load(calls=0)) == 60
    assert room.full(Load(calls=60)) == "limits.calls is 60"
    assert room.full(Load(calls=59)) == ""


@pytest.mark.parametrize(
    ("load", "full"),
    [
        (Load(calls=60), "limits.calls"),
        (Load(calls=0, free_ports=2), "listen.rtp"),
        (Load(calls=0, descriptors=1000, descriptor_limit=1024), "descriptors"),
        (Load(calls=FEW, lag=0.05), "limits.lag_ms"),
        (Load(calls=FEW, cpu=0.95), "limits.cpu"),
    ],
)
def test_each_want_of_room_has_a_name_of_its_own_that_meters_know(room: Room, load: Load, full: str) -> None:
    assert word(room.full(load)) == full
    assert full in FULL


def test_without_limits_there_is_always_room() -> None:
    none = Room.of(Limits(lag_ms=None, cpu=None), range(20_000, 30_000))
    assert none.full(Load(calls=10_000, free_ports=5000, lag=3.0, cpu=1.0, descriptors=5)) == ""


def test_a_wide_range_keeps_ports_for_help_and_second_legs_a_narrow_one_does_not() -> None:
    assert Room.of(Limits(), range(20_000, 30_000)).kept_ports == KEPT
    narrow = Room.of(Limits(), range(20_000, 20_010))
    assert narrow.full(Load(calls=4, free_ports=1)) == ""
    assert word(narrow.full(Load(calls=5, free_ports=0))) == "listen.rtp"


def test_a_late_loop_closes_the_door_until_it_is_half_as_late(room: Room) -> None:
    said = [bool(room.full(Load(calls=FEW, lag=lag))) for lag in (0.039, 0.041, 0.030, 0.021, 0.019, 0.030)]
    assert said == [False, True, True, True, False, False]


def test_a_busy_loop_closes_the_door_until_it_is_a_tenth_less_busy(room: Room) -> None:
    said = [bool(room.full(Load(calls=FEW, cpu=cpu, sample=n))) for n, cpu in enumerate((0.89, 0.91, 0.85, 0.80, 0.85))]
    assert said == [False, True, True, False, False]


def test_a_machine_that_is_busy_with_something_else_takes_the_few_who_call(room: Room) -> None:
    assert room.full(Load(calls=FEW - 1, lag=3.0, cpu=1.0)) == ""


def test_calls_that_began_since_the_last_look_are_reckoned_in(room: Room) -> None:
    """A burst between two looks must not fill the core twice: 400 calls at 80 % make a call 0.2 %."""
    room.calls = None
    seen = Load(calls=400, cpu=0.8, sample=1)
    assert room.full(seen) == ""
    assert 45 <= taken(room, seen) <= 50


@pytest.mark.parametrize("beginning", [0.002, 0.012])
def test_a_rush_to_an_idle_process_is_not_taken_for_what_the_calls_will_need(room: Room, beginning: float) -> None:
    """30 calls a second of which each needs 2 ms a second: what they cost as they begin is over when they talk."""
    room.calls, cpu, calls, sample = None, 0.0, 0, 0
    while not room.full(Load(calls=calls, begun=calls, cpu=cpu, sample=sample)):
        calls += 1
        if calls % 30 == 0:
            sample += 1
            cpu = (cpu + min(1.0, 0.002 * (calls - 15) + 30 * beginning)) / 2  # as the pulse smooths it
    assert 405 <= calls <= 495


def test_what_beginnings_cost_is_learned_also_when_it_changes(room: Room) -> None:
    """A cache that fills makes beginnings cheaper; a process that is full of calls is full whatever it believed."""
    room.calls = None
    for sample in range(60):
        room.full(Load(calls=100, begun=20 * sample, cpu=0.3 + (0.2 if sample < 20 else 0.02), sample=sample))
    assert room.full(Load(calls=100, begun=1200, cpu=0.32, sample=60)) == ""
    assert word(room.full(Load(calls=400, begun=1201, cpu=0.95, sample=61))) == "limits.cpu"


def test_the_same_is_true_of_descriptors(room: Room) -> None:
    room.calls = None
    seen = Load(calls=100, descriptors=500, descriptor_limit=500 + RESERVE + 10 * PER_CALL, sample=1)
    assert taken(room, seen) == 10


def test_a_process_that_has_just_begun_is_not_believed_about_the_cost_of_a_call(room: Room) -> None:
    """Loading models took half a core: two calls did not."""
    assert room.full(Load(calls=2, cpu=0.5, sample=1)) == ""
    assert taken(room, Load(calls=2, cpu=0.5, sample=1)) > 50


def test_what_is_not_looked_at_anew_is_not_reckoned_from_calls_that_ended(room: Room) -> None:
    assert room.full(Load(calls=50, cpu=0.89, sample=1)) == ""
    assert room.full(Load(calls=40, cpu=0.89, sample=1)) == ""
