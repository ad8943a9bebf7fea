"""Whole pieces of sound: resampled without changing pitch, trimmed without losing speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.speech import wave
from callactors.speech.wave import Floats


def tone(hertz: float, rate: int, seconds: float) -> Floats:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("source", "target"), [(22_050, 8_000), (22_050, 24_000), (8_000, 16_000)])
def test_a_tone_stays_the_same_tone(source: int, target: int) -> None:
    made = wave.resample(tone(1_000, source, 0.5), source, target)
    wanted = tone(1_000, target, 0.5)
    middle = slice(target // 10, -target // 10)
    assert np.max(np.abs(made[middle] - wanted[middle])) < 0.01


def test_what_the_telephone_cannot_carry_is_gone() -> None:
    made = wave.resample(tone(6_000, 22_050, 0.5), 22_050, 8_000)
    assert np.max(np.abs(made[800:-800])) < 0.01


@given(st.integers(0, 30_000), st.sampled_from([(22_050, 8_000), (8_000, 16_000)]))
@settings(max_examples=30, deadline=None)
def test_the_duration_is_kept(count: int, rates: tuple[int, int]) -> None:
    source, target = rates
    assert len(wave.resample(np.zeros(count, np.float32), source, target)) == round(count * target / source)


def test_silence_around_speech_is_trimmed() -> None:
    speech = tone(300, 8_000, 0.25)
    padded = np.concatenate((np.zeros(8_000, np.float32), speech, np.zeros(4_000, np.float32)))
    assert len(speech) <= len(wave.trim(padded, 8_000)) <= len(speech) + 2 * 160


def test_nothing_but_silence_trims_to_nothing() -> None:
    assert len(wave.trim(np.zeros(8_000, np.float32), 8_000)) == 0


def test_loud_sound_is_clipped_not_wrapped() -> None:
    assert wave.to_samples(np.array([2.0, -2.0], np.float32)).tolist() == [32767, -32768]
