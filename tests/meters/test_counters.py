"""Counters, and that nobody can fill our memory with names."""

from __future__ import annotations

from callactors.meters.counters import LIMIT, REST, Counters


def test_counting_and_gauges_appear_in_the_snapshot_by_name() -> None:
    counters = Counters()
    counters.add("b")
    counters.add("b", 2)
    counters.set("a", 7.5)
    counters.merge("sip", {"malformed": 3})
    assert counters.snapshot() == {"a": 7.5, "b": 3, "sip_malformed": 3}
    assert counters.get("never") == 0


def test_names_past_the_limit_are_counted_together() -> None:
    counters = Counters()
    for n in range(LIMIT + 50):
        counters.add(f"stranger_{n}")
    assert len(counters.snapshot()) == LIMIT + 1
    assert counters.get(REST) == 50
