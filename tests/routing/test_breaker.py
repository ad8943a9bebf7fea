from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.routing.breaker import JITTER, LONGEST, MOST, Breaker, Breakers, Patience
from callactors.sip.address import Hop

RANDOM = Random(1)
HOP = Hop("127.0.0.2", 5060)


def tripped(at: float = 0.0) -> Breaker:
    breaker = Breaker(3, 5, 30.0)
    for _ in range(3):
        breaker.report(True, at, RANDOM)
    return breaker


def test_one_failure_closes_nothing_three_of_five_do() -> None:
    breaker = Breaker(3, 5, 30.0)
    for failed in (True, False, True, False):
        breaker.report(failed, 0.0, RANDOM)
    assert breaker.state(0.0) == "closed"
    breaker.report(True, 0.0, RANDOM)
    assert (breaker.state(0.0), breaker.allows(0.0)) == ("open", False)


def test_failures_that_lie_far_apart_do_not_add_up() -> None:
    breaker = Breaker(3, 5, 30.0)
    for failed in (True, False, False, False, True, False, False, False, True):
        breaker.report(failed, 0.0, RANDOM)
    assert breaker.state(0.0) == "closed"


def test_who_asks_to_be_left_alone_is_for_as_long_as_that_at_once() -> None:
    breaker = Breaker(3, 5, 30.0)
    breaker.report(True, 0.0, RANDOM, 7)
    assert (breaker.state(6.9), breaker.state(7.0)) == ("open", "half_open")
    breaker.report(False, 7.0, RANDOM)
    assert breaker.state(7.0) == "closed"


def test_nobody_is_left_alone_for_a_day() -> None:
    breaker = Breaker(3, 5, 30.0)
    breaker.report(True, 0.0, RANDOM, 86_400)
    assert breaker.state(LONGEST) == "half_open"


def test_after_its_rest_one_call_may_try() -> None:
    breaker = tripped()
    later = 30.0 * (1 + JITTER)
    assert breaker.state(later) == "half_open"
    assert breaker.allows(later)
    assert not breaker.allows(later)


def test_one_success_closes_it_and_forgets() -> None:
    breaker = tripped()
    breaker.allows(36.0)
    breaker.report(False, 36.0, RANDOM)
    breaker.report(True, 37.0, RANDOM)
    breaker.report(True, 37.0, RANDOM)
    assert breaker.state(37.0) == "closed"


def test_one_failure_in_half_open_doubles_the_rest() -> None:
    breaker = tripped()
    breaker.allows(36.0)
    breaker.report(True, 36.0, RANDOM)
    assert breaker.state(36.0 + 60 * (1 - JITTER) - 1) == "open"
    assert breaker.state(36.0 + 60 * (1 + JITTER)) == "half_open"


def test_a_try_that_says_nothing_leaves_the_turn_to_another() -> None:
    breaker = tripped()
    assert breaker.allows(36.0)
    breaker.report(None, 36.0, RANDOM)
    assert breaker.allows(36.0)


def test_the_rests_of_two_nodes_do_not_end_together() -> None:
    ends = set()
    for seed in range(20):
        breaker = Breaker(1, 1, 30.0)
        breaker.report(True, 0.0, Random(seed))
        ends.add(breaker.until)
    assert len(ends) == 20


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 100)), max_size=60))
@settings(max_examples=150)
def test_no_rest_is_longer_than_five_minutes_and_a_success_always_closes(told: list[tuple[bool | None, float]]) -> None:
    breaker, now = Breaker(2, 3, 30.0), 0.0
    for failed, step in told:
        now += step
        breaker.allows(now)
        breaker.report(failed, now, RANDOM)
        assert breaker.until is None or breaker.until <= now + LONGEST * (1 + JITTER)
        assert failed is not False or breaker.state(now) == "closed"


def test_each_address_of_a_trunk_has_a_breaker_of_its_own() -> None:
    breakers = Breakers({"a": Patience(every=10, fail=1, of=1)}, RANDOM)
    breakers.report("a", HOP, True, 0.0)
    assert breakers.state("a", HOP, 0.0) == "open"
    assert breakers.allows("a", Hop("127.0.0.3", 5060), 0.0)
    assert breakers.allows("b", HOP, 0.0)


def test_addresses_are_not_remembered_without_bound() -> None:
    breakers = Breakers({}, RANDOM)
    for port in range(MOST + 50):
        breakers.report("a", Hop("127.0.0.2", port), True, 0.0)
    assert len(breakers._known) == MOST
