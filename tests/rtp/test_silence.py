"""When the far end counts as silent, and when it does not."""

from __future__ import annotations

from math import inf

from callactors.rtp.events import CameBack, MediaEvent, WentSilent
from callactors.rtp.silence import SilenceWatch


def watch() -> SilenceWatch:
    return SilenceWatch(5.0, 30.0, 100.0)


def look(one: SilenceWatch, now: float, *, receives: bool = True, reported_at: float = -inf) -> MediaEvent | None:
    return one.look(now, receives=receives, reported_at=reported_at)


def test_nothing_at_all_is_told_after_first_rtp_and_once() -> None:
    one = watch()
    assert look(one, 104.9) is None
    assert look(one, 105.0) == WentSilent(at=105.0, since=100.0)
    assert look(one, 200.0) is None


def test_nothing_any_more_is_told_after_rtp_silence_and_its_end_too() -> None:
    one = watch()
    one.heard_at = 101.0
    assert look(one, 130.9) is None
    assert look(one, 131.0) == WentSilent(at=131.0, since=101.0)
    one.heard_at = 140.0
    assert look(one, 140.1) == CameBack(at=140.1)
    assert look(one, 140.2) is None


def test_silence_on_hold_is_none_and_its_time_starts_anew_afterwards() -> None:
    one = watch()
    one.pause(True, 101.0)
    assert look(one, 1000.0) is None
    one.pause(False, 1000.0)
    assert look(one, 1004.9) is None
    assert look(one, 1005.0) == WentSilent(at=1005.0, since=1000.0)


def test_who_has_just_agreed_on_something_new_has_its_time_again() -> None:
    one = watch()
    one.restart(104.0)
    assert look(one, 108.9) is None
    assert look(one, 109.0) is not None


def test_nobody_is_missed_who_need_not_send() -> None:
    assert look(watch(), 1000.0, receives=False) is None


def test_a_peer_whose_rtcp_is_alive_is_not_silent() -> None:
    one = watch()
    one.heard_at = 101.0
    assert look(one, 140.0, reported_at=126.0) is None
    assert look(one, 141.0, reported_at=126.0) is not None
