"""Turns: when one begins, pauses, goes on and is over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.speech.endpointing import (
    Endpoint,
    Endpointer,
    Paused,
    Resumed,
    SpeechStarted,
    SpeechStopped,
    more_is_coming,
)


def hear(endpointer: Endpointer, *runs: tuple[float, int]) -> list[Endpoint]:
    """Feed runs of (probability, chunks of 32 ms)."""
    return [event for probability, chunks in runs for _ in range(chunks) for event in endpointer.feed(probability)]


def kinds(events: list[Endpoint]) -> list[type]:
    return [type(event) for event in events]


def test_a_turn_starts_where_its_speech_does() -> None:
    assert hear(Endpointer(), (0.0, 10), (0.9, 3)) == [SpeechStarted(320)]


def test_a_click_is_no_turn() -> None:
    assert hear(Endpointer(), (0.0, 5), (0.9, 1), (0.0, 30), (0.9, 1), (0.0, 30)) == []


def test_a_turn_is_over_after_the_hang_over() -> None:
    events = hear(Endpointer(hang_over_ms=384), (0.9, 10), (0.0, 12))
    assert events == [SpeechStarted(0), Paused(320), SpeechStopped(320, 320)]


def test_a_short_silence_pauses_and_speech_resumes() -> None:
    events = hear(Endpointer(), (0.9, 10), (0.0, 6), (0.9, 3))
    assert kinds(events) == [SpeechStarted, Paused, Resumed]


def test_patience_keeps_the_turn_open() -> None:
    endpointer = Endpointer(hang_over_ms=384)
    hear(endpointer, (0.9, 10), (0.0, 5))
    endpointer.patience_ms = 1_200
    assert hear(endpointer, (0.0, 30)) == []
    assert kinds(hear(endpointer, (0.0, 5))) == [SpeechStopped]


def test_a_dip_below_the_threshold_is_still_speech() -> None:
    assert kinds(hear(Endpointer(threshold=0.5), (0.9, 5), (0.4, 20))) == [SpeechStarted]


def test_a_second_turn_follows_the_first() -> None:
    events = hear(Endpointer(), (0.9, 5), (0.0, 20), (0.9, 5), (0.0, 20))
    assert kinds(events) == [SpeechStarted, Paused, SpeechStopped] * 2


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 40)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_turns_never_overlap_and_never_run_backwards(runs: list[tuple[float, int]]) -> None:
    events = hear(Endpointer(), *runs)
    turns = [event for event in events if isinstance(event, SpeechStarted | SpeechStopped)]
    assert [type(turn) is SpeechStarted for turn in turns] == [number % 2 == 0 for number in range(len(turns))]
    assert [turn.at_ms for turn in turns] == sorted(turn.at_ms for turn in turns)


@pytest.mark.parametrize(
    "text", ["I'd like to book it for", "My name is", "tomorrow and.", "Well,", "My number is 555 12", "555 12."]
)
def test_unfinished_words_are_waited_for(text: str) -> None:
    assert more_is_coming(text)


@pytest.mark.parametrize(
    "text", ["", "Yes.", "At 3:30.", "My number is 555 123 4567.", "I need a haircut.", "3.30", "Two."]
)
def test_finished_words_are_not(text: str) -> None:
    assert not more_is_coming(text)
