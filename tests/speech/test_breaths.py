"""A long speech is cut at its breaths, and nothing of it is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio.tone import sine
from callactors.speech.stt.breaths import LONGEST, RATE, slices


@given(st.integers(0, 60 * RATE), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_nothing_is_lost_and_no_slice_is_longer_than_a_window(length: int, seed: int) -> None:
    speech = np.random.default_rng(seed).integers(-3000, 3000, length, dtype=np.int16)
    parts = list(slices(speech))
    assert np.array_equal(np.concatenate(parts), speech)
    assert max(len(part) for part in parts) <= LONGEST * RATE


def test_a_cut_falls_into_the_breath() -> None:
    pause = np.zeros(RATE // 2, np.int16)
    speech = np.concatenate((sine(300, 6000), pause, sine(300, 5000)))
    first, rest = slices(speech)
    assert 6 * RATE <= len(first) <= 6 * RATE + len(pause)
    assert len(first) + len(rest) == len(speech)


def test_short_speech_stays_whole() -> None:
    speech = sine(300, 8000)
    assert [len(part) for part in slices(speech)] == [len(speech)]
