"""What a recording says of response times, and that it says the same as packets do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.tone import sine
from callactors.testing import ears


def timeline(*parts: tuple[int, int]) -> Samples:
    """(ms of silence, ms of a tone) after one another."""
    pieces = [np.concatenate((np.zeros(quiet * 8, np.int16), sine(440, tone))) for quiet, tone in parts]
    return np.concatenate([*pieces, np.zeros(8000, np.int16)])


def test_a_response_is_from_the_last_loud_sample_to_the_first() -> None:
    caller = timeline((100, 1000))
    agent = timeline((1750, 400))
    [response] = ears.responses(caller, agent)
    assert response.ms == pytest.approx(650, abs=10)


def test_a_pause_for_breath_is_part_of_the_same_speech() -> None:
    assert len(ears.stretches(timeline((0, 300), (400, 300)))) == 1
    assert len(ears.stretches(timeline((0, 300), (900, 300)))) == 2


def test_an_answer_after_the_caller_went_on_belongs_to_what_was_said_last() -> None:
    caller = timeline((0, 500), (1000, 500))
    agent = timeline((2500, 300))
    [response] = ears.responses(caller, agent)
    assert response.ms == pytest.approx(500, abs=10)


def test_speech_that_is_never_answered_makes_no_response() -> None:
    assert ears.responses(timeline((0, 500)), np.zeros(16_000, np.int16)) == []
    assert ears.responses(np.zeros(16_000, np.int16), timeline((0, 500))) == []


@pytest.mark.parametrize("law", [AudioFormat.PCMU, AudioFormat.PCMA])
def test_an_idle_line_is_not_speech(law: AudioFormat) -> None:
    assert not ears.loud(g711.decode(law.silence * 1600, law))


@settings(max_examples=50)
@given(st.integers(0, 4000), st.integers(20, 1000), st.integers(720, 3000))
def test_edges_are_within_a_window_of_the_truth(start: int, length: int, gap: int) -> None:
    samples = timeline((start, length), (gap, length))
    first, second = ears.stretches(samples)
    for found, truth in ((first, start), (second, start + length + gap)):
        assert abs(found.start - truth * 8) <= ears.WINDOW
        assert abs(found.end - (truth + length) * 8) <= ears.WINDOW
    assert ears.last_loud(samples) == second.end
    assert ears.first_loud(samples) == first.start


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3), (0.95, 5), (0.0, 1), (1.0, 5)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert ears.percentile([5, 1, 4, 2, 3], share) == expected


def test_nothing_has_no_percentile() -> None:
    assert ears.percentile([], 0.5) is None


def test_a_tone_is_heard_wherever_it_is_and_no_other() -> None:
    assert ears.hears(timeline((700, 200)), 440)
    assert not ears.hears(timeline((700, 200)), 800)
    assert not ears.hears(np.zeros(0, np.int16), 440)
