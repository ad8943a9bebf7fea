"""Whom a stream believes: the answer to injection (a third party is heard) and bleed (a third party is sent to)."""

from __future__ import annotations

from callactors.rtp.latch import LEARN, Latch, Source, Verdict

SIGNALLED: Source = ("127.0.0.10", 4000)
NATTED: Source = ("127.0.0.11", 5000)
ATTACKER: Source = ("127.0.0.66", 6000)


def latch() -> Latch:
    return Latch(SIGNALLED, lambda host: host in ("127.0.0.10", "127.0.0.11"), 0.0)


def send(to: Latch, source: Source, count: int, start: float, step: float = 0.02) -> list[Verdict]:
    return [to.judge(source, start + index * step) for index in range(count)]


def test_the_signalled_source_is_believed_at_once_and_the_window_closes() -> None:
    policy = latch()
    assert policy.judge(SIGNALLED, 0.1) is Verdict.LATCHED
    assert not policy.learning(0.2)
    assert policy.target == SIGNALLED


def test_a_stranger_is_never_heard_and_never_sent_to_even_when_first() -> None:
    policy = latch()
    assert set(send(policy, ATTACKER, 150, 0.0)) == {Verdict.STRANGER}
    assert policy.target == SIGNALLED


def test_an_allowed_source_is_believed_after_some_packets_in_a_row() -> None:
    policy = latch()
    assert send(policy, NATTED, LEARN, 0.0) == [Verdict.KEEP] * (LEARN - 1) + [Verdict.LATCHED]
    assert policy.target == NATTED


def test_a_burst_within_a_moment_is_not_believed() -> None:
    assert set(send(latch(), NATTED, 50, 0.0, step=0.001)) == {Verdict.KEEP}


def test_the_signalled_source_takes_over_while_the_window_is_open() -> None:
    policy = latch()
    send(policy, NATTED, LEARN, 0.0)
    assert policy.judge(SIGNALLED, 1.0) is Verdict.LATCHED
    assert policy.judge(NATTED, 1.1) is Verdict.STRANGER


def test_nobody_is_learnt_while_the_latched_source_talks() -> None:
    policy = latch()
    policy.judge(SIGNALLED, 0.0)
    for tick in range(100):
        policy.judge(SIGNALLED, tick * 0.02)
        assert policy.judge(NATTED, tick * 0.02 + 0.001) is Verdict.STRANGER


def test_after_silence_an_allowed_source_may_take_over_and_a_stranger_may_not() -> None:
    policy = latch()
    policy.judge(SIGNALLED, 0.0)
    assert policy.learning(1.5)
    assert set(send(policy, ATTACKER, 20, 1.5)) == {Verdict.STRANGER}
    assert send(policy, NATTED, LEARN, 2.0)[-1] is Verdict.LATCHED


def test_the_old_source_coming_back_stops_the_learning() -> None:
    policy = latch()
    policy.judge(SIGNALLED, 0.0)
    send(policy, NATTED, LEARN - 1, 1.5)
    assert policy.judge(SIGNALLED, 1.6) is Verdict.HEAR
    assert policy.judge(NATTED, 1.61) is Verdict.STRANGER


def test_a_re_offer_that_moves_the_media_is_followed_at_once_and_the_old_source_still_heard() -> None:
    policy = latch()
    policy.judge(SIGNALLED, 0.0)
    moved: Source = ("127.0.0.12", 4400)
    policy.renew(moved, policy.allowed, 10.0)
    assert policy.target == moved
    assert policy.judge(SIGNALLED, 10.1) is Verdict.HEAR
    assert policy.target == moved
    assert policy.judge(moved, 10.2) is Verdict.LATCHED
    assert policy.judge(SIGNALLED, 10.3) is Verdict.STRANGER


def test_a_re_offer_that_moves_nothing_keeps_the_latch_and_opens_a_window() -> None:
    policy = latch()
    policy.judge(SIGNALLED, 0.0)
    policy.renew(SIGNALLED, policy.allowed, 0.5)
    assert policy.learning(0.6)
    assert policy.judge(SIGNALLED, 0.6) is Verdict.HEAR
    assert not policy.learning(4.0) or policy.judge(SIGNALLED, 4.0) is Verdict.HEAR
