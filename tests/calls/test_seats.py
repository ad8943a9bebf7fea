"""What several processes count together: exact, whoever asks at the same time, and whoever dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from callactors.calls.money import DAY
from callactors.calls.seats import Alone, Page, Seats, SharedLimits
from callactors.routing.limits import Cap

Pages = Callable[[int, Sequence[str]], Page]


@pytest.fixture
def page_of() -> Iterator[Pages]:
    """Makes pages, and closes them."""
    made: list[Page] = []

    def make(workers: int, trunks: Sequence[str]) -> Page:
        made.append(Page(workers, trunks))
        return made[-1]

    yield make
    for page in made:
        page.close()


def seats(page: Page, worker: int, calls: list[str]) -> Seats:
    made = Seats(page, worker)
    made.watch(lambda: len(calls), lambda trunk: calls.count(trunk), lambda: (DAY, 2.5))
    return made


def test_a_worker_sees_the_others_counts_and_not_its_own(page_of: Pages) -> None:
    page = page_of(3, ["t1"])
    mine, theirs = seats(page, 0, ["t1"]), seats(page, 1, ["t1", "t2"])
    mine.publish()
    theirs.publish()
    assert (mine.calls(), theirs.calls()) == (2, 1)
    assert (mine.channels("t1"), mine.channels("t2"), mine.channels("unlimited")) == (1, 0, 0)


def test_what_was_decided_is_published_before_anybody_else_decides(page_of: Pages) -> None:
    page, calls = page_of(2, []), list[str]()
    mine, theirs = seats(page, 0, calls), seats(page, 1, [])
    with mine.deciding():
        calls.append("t1")
        with mine.deciding():  # nested: the trunk's limits, inside an admission
            pass
    assert theirs.calls() == 1


def test_a_dead_workers_calls_are_taken_away_and_its_money_is_not(page_of: Pages) -> None:
    page = page_of(2, ["t1"])
    theirs, mine = seats(page, 1, ["t1"]), seats(page, 0, [])
    theirs.publish()
    page.vacate(1)
    assert (mine.calls(), mine.channels("t1"), mine.spent(DAY)) == (0, 0, 2.5)
    assert Seats(page, 1).own_spent(DAY) == 2.5


def test_money_is_counted_by_day_and_with_what_was_spent_before_we_began(page_of: Pages) -> None:
    page = page_of(2, [])
    page.spend(page.house, 1, 10.0)
    seats(page, 1, []).publish()
    mine = seats(page, 0, [])
    assert mine.spent(DAY) == 12.5
    assert mine.spent(2 * DAY) == 0.0


def test_alone_there_is_nobody_to_count() -> None:
    alone = Alone()
    with alone.deciding():
        assert (alone.calls(), alone.channels("t"), alone.spent(0), alone.own_spent(0)) == (0, 0, 0.0, None)


def test_channels_and_calls_a_second_are_one_limit_for_all_workers(page_of: Pages) -> None:
    page = page_of(2, ["t1"])
    caps = {"t1": Cap(channels=3, cps=2.0)}
    calls: tuple[list[str], list[str]] = ([], [])
    workers = [seats(page, n, calls[n]) for n in range(2)]
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


def test_six_processes_that_decide_at_once_pass_no_limit(page_of: Pages) -> None:
    page, limit = page_of(6, []), 50

    def work(worker: int) -> int:
        mine = list[str]()
        own = seats(page, worker, mine)
        for _ in range(60):
            with own.deciding():
                if len(mine) + own.calls() < limit:
                    mine.append("t1")
        return len(mine)

    children = [forked(partial(work, worker)) for worker in range(6)]
    assert sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children) == limit


def test_a_process_that_is_killed_while_it_decides_holds_nobody_up(page_of: Pages) -> None:
    page = page_of(2, [])
    reader, writer = os.pipe()

    def work() -> int:
        with page.locked():
            os.write(writer, b"x")
            signal.pause()
        return 0

    child = forked(work)
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with seats(page, 0, []).deciding():
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
def test_a_page_is_zero_at_first_whatever_its_size(workers: int, page_of: Pages) -> None:
    page = page_of(workers, ["a", "b"])
    assert sum(page.calls(worker) for worker in range(workers)) == 0
