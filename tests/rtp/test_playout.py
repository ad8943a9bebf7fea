"""What plays, what was heard, and what a barge-in drops."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio.format import AudioFormat
from callactors.errors import PlayoutFull
from callactors.rtp.playout import CAP, FRAME, PATIENCE, REMEMBERED, Playout
from callactors.rtp.utterances import Began, Finished, Heard


def drain(playout: Playout, slots: int) -> list[bytes]:
    return [frame for _ in range(slots) if (frame := playout.take()) is not None]


def test_frames_leave_in_order_and_the_tail_is_padded_with_silence() -> None:
    playout = Playout(AudioFormat.PCMA)
    playout.play("a", b"\1" * 200)
    playout.end("a")
    assert drain(playout, 5) == [b"\1" * 160, b"\1" * 40 + b"\xd5" * 120]


def test_begin_and_end_of_an_utterance_are_told_once_with_what_was_heard() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 320)
    playout.end("a")
    drain(playout, 4)
    assert playout.notices == [Began("a"), Finished("a", 40)]


def test_an_end_that_comes_after_the_last_frame_finishes_at_once() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 160)
    drain(playout, 2)
    playout.notices.clear()
    playout.end("a")
    assert playout.notices == [Finished("a", 20)]


def test_an_utterance_without_audio_is_finished_after_nothing() -> None:
    playout = Playout()
    playout.end("a")
    assert playout.notices == [Finished("a", 0)]


def test_flush_says_what_was_sounding_and_how_much_left() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 1600)
    playout.play("b", b"\2" * 1600)
    drain(playout, 3)
    assert playout.flush() == Heard("a", 60)
    fading = playout.take()
    assert fading is not None
    assert fading[40:] == b"\xff" * 120
    assert fading[:40] == bytes(sorted(fading[:40]))  # u-law: softer and softer
    assert playout.take() is None
    assert playout.queued_ms() == 0


def test_late_audio_of_a_flushed_utterance_is_ignored_and_never_finishes() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 1600)
    playout.play("b", b"\2" * 1600)
    playout.flush()
    playout.play("a", b"\1" * 160)
    playout.play("b", b"\2" * 160)
    playout.end("a")
    assert (playout.take(), playout.notices) == (None, [])


def test_an_utterance_waiting_its_turn_was_heard_zero_milliseconds() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 1600)
    assert playout.heard() == Heard("a", 0)


def test_nothing_sounds_after_the_end_was_heard() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 160)
    playout.end("a")
    drain(playout, 1)
    assert playout.flush() == Heard(None, 0)


def test_an_underrun_keeps_the_utterance_sounding() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 160)
    drain(playout, 5)
    assert playout.heard() == Heard("a", 20)


def test_late_audio_of_the_first_goes_before_the_second_while_the_first_still_plays() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 160)
    playout.play("b", b"\2" * 160)
    playout.play("a", b"\3" * 160)
    assert [frame[0] for frame in drain(playout, 5)] == [1, 3, 2]


def test_an_unended_utterance_gives_way_and_is_finished_when_its_end_comes() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 160)
    drain(playout, 1)
    playout.play("b", b"\2" * 160)
    drain(playout, 1)
    playout.end("a")
    assert playout.notices == [Began("a"), Began("b"), Finished("a", 20)]


def test_a_short_piece_waits_a_little_for_its_rest() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 100)
    assert playout.take() is None
    playout.play("a", b"\1" * 60)
    assert playout.take() == b"\1" * 160


def test_a_short_piece_does_not_wait_for_ever() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 100)
    assert len(drain(playout, PATIENCE + 1)) == 1


def test_ninety_seconds_are_the_most_that_is_queued() -> None:
    playout = Playout()
    playout.play("a", bytes(CAP))
    with pytest.raises(PlayoutFull):
        playout.play("a", b"\1")


def test_the_oldest_flushed_names_are_forgotten_in_the_end() -> None:
    playout = Playout()
    for index in range(REMEMBERED + 1):
        playout.play(str(index), b"\1" * 160)
        playout.flush()
    playout.play("0", b"\1" * 160)
    playout.play("1", b"\1" * 160)
    assert playout.queued_ms() == 20


def test_what_is_queued_can_change_its_codec() -> None:
    playout = Playout()
    playout.play("a", b"\1" * 100)
    playout.end("a")
    playout.recode(lambda audio: audio.replace(b"\1", b"\2"), AudioFormat.PCMA)
    assert playout.take() == b"\2" * 100 + b"\xd5" * 60


Step = tuple[str, str, int]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["play", "end", "take", "flush"]), st.sampled_from("abc"), st.integers(0, 900)))
)
def test_what_was_heard_is_never_more_than_what_was_played_and_frames_are_whole(steps: list[Step]) -> None:
    playout, played = Playout(), dict.fromkeys("abc", 0)
    for verb, name, size in steps:
        if verb == "play":
            playout.play(name, b"\1" * size)
            played[name] += size
        elif verb == "end":
            playout.end(name)
        elif verb == "take":
            frame = playout.take()
            assert frame is None or len(frame) == FRAME
        else:
            playout.flush()
        heard = playout.heard()
        assert heard.utterance is None or heard.ms * 8 <= played[heard.utterance]
