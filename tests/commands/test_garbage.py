"""What was there before the first call is never looked at again."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from callactors.commands import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_was_there_is_frozen_and_the_young_are_looked_at_seldom() -> None:
    garbage.settle()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == garbage.YOUNG
    assert len(gc.get_objects()) < 10_000


def test_a_thread_that_computes_gives_way_in_less_than_a_millisecond() -> None:
    garbage.settle()
    assert sys.getswitchinterval() < 0.001
