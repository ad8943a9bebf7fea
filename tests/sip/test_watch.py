"""What is remembered of a source: a rate, failures, a ban; all of it bounded and forgotten."""

from __future__ import annotations

from callactors.sip.rate import Rate
from callactors.sip.watch import Watch


def watch(size: int = 10) -> Watch:
    return Watch(Rate(2.0, 4.0), failures=3, window=60.0, ban=600.0, size=size)


def test_a_burst_is_taken_at_once_and_then_so_many_a_second() -> None:
    table = watch()
    assert [table.take("a", 0.0) for _ in range(5)] == [True] * 4 + [False]
    assert [table.take("a", 1.0) for _ in range(3)] == [True, True, False]


def test_failures_that_lie_far_apart_are_forgiven() -> None:
    table = watch()
    assert [table.failed("a", now) for now in (0.0, 10.0, 100.0, 110.0)] == [False] * 4
    assert table.failed("a", 120.0)


def test_too_many_failures_are_told_once() -> None:
    table = watch()
    assert [table.failed("a", 0.0) for _ in range(6)] == [False, False, True, False, False, False]
    assert table.suspected("a", 59.0)
    assert not table.suspected("a", 61.0)


def test_a_ban_ends() -> None:
    table = watch()
    table.ban("a", 0.0)
    assert [table.banned("a", now) for now in (0.0, 599.0, 600.0)] == [True, True, False]


def test_the_table_is_bounded_and_bans_outlive_a_flood_of_other_hosts() -> None:
    table = watch(size=10)
    table.ban("bad", 0.0)
    for n in range(1000):
        table.take(f"host{n}", 0.0)
    assert len(table) == 10
    assert table.banned("bad", 1.0)
