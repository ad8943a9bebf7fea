"""What several processes count together: exact, whoever asks at the same time, and whoever dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from callactors.calls.money import DAY
from callactors.calls.seats import Alone, Seats, SharedLimits, Slate
from callactors.routing.limits import Cap

Slates = Callable[[int, Sequence[str]], Slate]


@pytest.fixture
def slate_of() -> Iterator[Slates]:
    """Makes slates, and closes them."""
    made: list[Slate] = []

    def make(workers: int, trunks: Sequence[str]) -> Slate:
        made.append(Slate(workers, trunks))
        return made[-1]

    yield make
    for slate in made:
        slate.close()


def seats(slate: Slate, worker: int, calls: list[str]) -> Seats:
    made = Seats(slate, worker)
    made.watch(lambda: len(calls), lambda trunk: calls.count(trunk), lambda: (DAY, 2.5))
    return made


def test_a_worker_sees_the_others_counts_and_not_its_own(slate_of: Slates) -> None:
    slate = slate_of(3, ["t1"])
    mine, theirs = seats(slate, 0, ["t1"]), seats(slate, 1, ["t1", "t2"])
    mine.publish()
    theirs.publish()
    assert (mine.calls(), theirs.calls()) == (2, 1)
    assert (mine.channels("t1"), mine.channels("t2"), mine.channels("unlimited")) == (1, 0, 0)


def test_what_was_decided_is_published_before_anybody_else_decides(slate_of: Slates) -> None:
    slate, calls = slate_of(2, []), list[str]()
    mine, theirs = seats(slate, 0, calls), seats(slate, 1, [])
    with mine.deciding():
        calls.append("t1")
        with mine.deciding():  # nested: the trunk's limits, inside an admission
            pass
    assert theirs.calls() == 1


def test_a_dead_workers_calls_are_taken_away_and_its_money_is_not(slate_of: Slates) -> None:
    slate = slate_of(2, ["t1"])
    theirs, mine = seats(slate, 1, ["t1"]), seats(slate, 0, [])
    theirs.publish()
    slate.vacate(1)
    assert (mine.calls(), mine.channels("t1"), mine.spent(DAY)) == (0, 0, 2.5)
    assert Seats(slate, 1).own_spent(DAY) == 2.5


def test_money_is_counted_by_day_and_with_what_was_spent_before_we_began(slate_of: Slates) -> None:
    slate = slate_of(2, [])
    slate.spend(slate.house, 1, 10.0)
    seats(slate, 1, []).publish()
    mine = seats(slate, 0, [])
    assert mine.spent(DAY) == 12.5
    assert mine.spent(2 * DAY) == 0.0


def test_alone_there_is_nobody_to_count() -> None:
    alone = Alone()
    with alone.deciding():
        assert (alone.calls(), alone.channels("t"), alone.spent(0), alone.own_spent(0)) == (0, 0, 0.0, None)


def test_channels_and_calls_a_second_are_one_limit_for_all_workers(slate_of: Slates) -> None:
    slate = slate_of(2, ["t1"])
    caps = {"t1": Cap(channels=3, cps=2.0)}
    calls: tuple[list[str], list[str]] = ([], [])
    workers = [seats(slate, n, calls[n]) for n in range(2)]
    limits = [SharedLimits(caps, calls[n].count, workers[n], lambda: house) for n in range(2)]
    house = 0.0  # the clock of the house; each worker's own began at another moment

    def take(n: int, now: float) -> bool:
        nonlocal house
        house = now
        with workers[n].deciding():
            calls[n].append("t1")  # an INVITE is counted as soon as it has come
            taken = limits[n].take("t1", now + 1_000 * n, counted=1)
            if not taken:
                calls[n].pop()
        return taken

    assert [take(n % 2, 100.0) for n in range(4)] == [True, True, False, False]  # two at once
    assert take(1, 100.6)  # the third
    assert not take(0, 200.0)  # and no channel for a fourth


def test_six_processes_that_decide_at_once_pass_no_limit(slate_of: Slates) -> None:
    slate, limit = slate_of(6, []), 50

    def work(worker: int) -> int:
        mine = list[str]()
        own = seats(slate, worker, mine)
        for _ in range(60):
            with own.deciding():
                if len(mine) + own.calls() < limit:
                    mine.append("t1")
        return len(mine)

    children = [forked(partial(work, worker)) for worker in range(6)]
    assert sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children) == limit


def test_a_process_that_is_killed_while_it_decides_holds_nobody_up(slate_of: Slates) -> None:
    slate = slate_of(2, [])
    reader, writer = os.pipe()

    def work() -> int:
        with slate.locked():
            os.write(writer, b"x")
            signal.pause()
        return 0

    child = forked(work)
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with seats(slate, 0, []).deciding():
        pass
    os.close(reader)
    os.close(writer)


def forked(work: Callable[[], int]) -> int:
    """A child that runs `work` and exits with what it returns."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        finally:
            os._exit(255)
    return pid


@pytest.mark.parametrize("workers", [1, 64])
def test_a_slate_is_zero_at_first_whatever_its_size(workers: int, slate_of: Slates) -> None:
    slate = slate_of(workers, ["a", "b"])
    assert sum(slate.calls(worker) for worker in range(workers)) == 0
