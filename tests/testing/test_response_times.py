"""Response times from two channels: what a listener would measure, at every rate, with noise and clicks."""

from __future__ import annotations

import numpy as np
import pytest

from callactors.audio.g711 import Samples
from callactors.testing.response_times import Measured, measure, story

RATES = (8_000, 16_000, 24_000, 48_000)


def channel(rate: int, seconds: float, *sounds: tuple[float, float], noise: float = 0.0) -> Samples:
    """Tone from each `start` to each `end`, over noise of that RMS."""
    dice = np.random.default_rng(7)
    made = dice.normal(0, noise, round(seconds * rate)) if noise else np.zeros(round(seconds * rate))
    for start, end in sounds:
        span = slice(round(start * rate), round(end * rate))
        made[span] += 6_000 * np.sin(2 * np.pi * 400 * np.arange(span.stop - span.start) / rate)
    return made.astype(np.int16)


def heard(
    caller: list[tuple[float, float]], agent: list[tuple[float, float]], rate: int = 8_000, noise: float = 0.0
) -> Measured:
    return measure(channel(rate, 20, *caller, noise=noise), channel(rate, 20, *agent), rate)


@pytest.mark.parametrize("rate", RATES)
def test_the_time_is_from_the_callers_last_sound_to_the_agents_first(rate: int) -> None:
    found = heard([(1, 3), (8, 9.5)], [(3.64, 6), (10.25, 12)], rate)
    assert [answer.ms for answer in found.answers] == [640, 750]


def test_a_breath_in_mid_sentence_is_not_the_end_of_it() -> None:
    assert [answer.ms for answer in heard([(1, 2), (2.5, 3)], [(4, 5)]).answers] == [1000]


def test_noise_on_the_line_moves_the_threshold_and_not_the_times() -> None:
    found = heard([(1, 3), (8, 9.5)], [(3.64, 6), (10.25, 12)], noise=300)
    assert found.thresholds[0] > found.thresholds[1]
    assert [answer.ms for answer in found.answers] == pytest.approx([640, 750], abs=10)


def test_a_click_is_neither_a_question_nor_an_answer() -> None:
    found = heard([(1, 3), (7, 7.02)], [(3.3, 3.31), (4, 6)])
    assert [answer.ms for answer in found.answers] == [1000]
    assert len(found.caller) == 1


def test_a_question_nobody_answers_is_told() -> None:
    found = heard([(1, 3), (6, 8)], [(9, 10)])
    assert found.unanswered == (3.0,)
    assert [answer.ms for answer in found.answers] == [1000]


def test_an_agent_who_stops_when_spoken_over_has_yielded_in_so_many_ms() -> None:
    (cut,) = heard([(2, 5)], [(0.5, 2.4), (6, 7)]).cut_ins
    assert cut.ms == 400


def test_an_agent_who_goes_on_has_not_yielded() -> None:
    (cut,) = heard([(2, 6)], [(0.5, 9)]).cut_ins
    assert cut.ms is None


def test_an_agent_who_spoke_over_the_callers_last_word_has_not_answered_it() -> None:
    assert heard([(2, 6)], [(5, 9)]).answers == ()


def test_what_happened_is_told_in_order() -> None:
    found = heard([(2, 4), (6, 8), (15, 16)], [(0.5, 2.3), (4.5, 6.4), (9, 10)])
    assert [kind for _, kind, _ in story(found)] == ["cut in", "answer", "cut in", "answer", "unanswered"]


def test_silence_has_no_speech_and_no_answer() -> None:
    found = heard([], [])
    assert (found.caller, found.answers, found.percentiles()["p50"]) == ((), (), None)


def test_nothing_at_all_can_be_measured_too() -> None:
    assert measure(np.zeros(0, np.int16), np.zeros(0, np.int16), 8_000).answers == ()
