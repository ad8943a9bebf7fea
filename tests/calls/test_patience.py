"""Whoever looks at the silence of a call only when it may have ended misses nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callactors.calls.patience import Patience
from callactors.scenario.schema import Silence

EVENTS = st.sampled_from(["agent_began", "agent_ended", "caller_began", "busy"])
WAITS = st.lists(st.sampled_from([0.5, 3.0, 8.0, 30.0]), min_size=1, max_size=3).map(tuple)


def happens(patience: Patience, event: str, now: float) -> None:
    told = getattr(patience, event)
    told(now) if event in ("agent_ended", "caller_began") else told()


@given(WAITS, st.lists(st.tuples(st.floats(0.01, 20.0), EVENTS), max_size=30))
def test_a_deadline_is_seen_when_it_comes_however_it_came_about(
    waits: tuple[float, ...], story: list[tuple[float, str]]
) -> None:
    patience = Patience(Silence(waits=waits, then="goodbye"))
    now = 0.0
    look = patience.next_look(now)
    for wait, event in story:
        until = now + wait
        while look <= until:
            assert patience.deadline() >= look - 1e-9
            if patience.deadline() <= look:
                patience.expire()
            look = max(patience.next_look(look), look + 0.001)
        assert patience.deadline() > until - 0.001
        now = until
        happens(patience, event, now)


def test_without_a_policy_nobody_looks() -> None:
    assert Patience(None).next_look(3.0) == float("inf")
