"""The pulse: one hiccup is no overload, lasting lateness is, and a stall counts for as long as it was."""

from __future__ import annotations

import math
import os
import time

import trio

from callactors.meters.pulse import BEAT, BEATS, QUARTER, Pulse, descriptors, memory


def lag(*late: float) -> float:
    pulse = Pulse()
    for one in late:
        pulse.beat(one)
    return pulse.vitals().lag


def test_one_late_beat_is_a_hiccup() -> None:
    assert lag(0.099) == 0.0


def test_a_quarter_of_late_beats_is_lag() -> None:
    assert lag(*[0.045] * QUARTER) == 0.0
    assert lag(*[0.045] * (QUARTER + 1)) == 0.045


def test_a_stall_counts_for_the_beats_that_it_swallowed() -> None:
    assert lag(BEAT * (QUARTER + 1)) == BEAT * (QUARTER + 1)


def test_two_quiet_seconds_later_nothing_is_left_of_it() -> None:
    assert lag(5.0, *[0.001] * BEATS) == 0.001


def test_the_media_clock_is_late_for_the_pulse_too() -> None:
    pulse, seen = Pulse(lambda: 0.042), list[float]()
    pulse.observe = seen.append
    for _ in range(BEATS):
        pulse.beat(0.001)
    assert pulse.vitals().lag == 0.042
    assert seen == [0.042] * BEATS


async def test_a_loop_that_works_is_seen_to_use_its_core() -> None:
    """CPU time against the clock: about 30 ms in each 50."""
    pulse = Pulse()
    async with trio.open_nursery() as nursery:
        await nursery.start(pulse.run)
        with trio.move_on_after(2.3):
            while True:
                until = time.thread_time() + 0.03
                while time.thread_time() < until:
                    math.sqrt(2)
                await trio.sleep(0.02)
        vitals = pulse.vitals()
        nursery.cancel_scope.cancel()
    assert vitals.sample >= 2
    assert 0.1 < vitals.cpu < 1.0
    assert vitals.process_cpu > 0


def test_descriptors_and_memory_are_this_process_own() -> None:
    before = descriptors()
    end, other = os.pipe()
    assert descriptors() == before + 2
    os.close(end)
    os.close(other)
    assert 10_000_000 < memory() < 10_000_000_000


async def test_a_process_that_was_asleep_does_not_beat_for_all_it_missed(autojump_clock: object) -> None:
    seen = list[float]()
    async with trio.open_nursery() as nursery:
        await nursery.start(Pulse(observe=seen.append).run)
        await trio.sleep(1.01)
        nursery.cancel_scope.cancel()
    assert len(seen) == 10
    assert max(seen) < 0.001
