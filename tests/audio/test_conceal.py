"""What is made in place of lost audio, as an ear would judge it: nothing clicks, nothing rings on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import g711, tone
from callactors.audio.conceal import GONE, Mended
from callactors.audio.edge import cut_off
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples

FRAME = 160


def heard(sound: Samples, lost: set[int], law: AudioFormat = AudioFormat.PCMU) -> Samples:
    """A sound in frames of 20 ms, some of which are lost."""
    mended, audio = Mended(law), b""
    for number in range(len(sound) // FRAME):
        frame = g711.encode(sound[number * FRAME : (number + 1) * FRAME], law)
        audio += mended.missing(FRAME) if number in lost else mended.heard(frame)
    return g711.decode(audio, law)


def steepest(sound: Samples) -> int:
    return int(np.abs(np.diff(sound.astype(np.int32))).max())


@pytest.mark.parametrize("pitch", [200, 440, 1000, 1033, 2500, 3300])
@pytest.mark.parametrize("lost", [{10}, {10, 11, 12}, set(range(10, 20)), {10, 12, 14}], ids=len)
def test_no_edge_of_a_gap_is_steeper_than_the_sound_itself(pitch: int, lost: set[int]) -> None:
    sound = tone.sine(pitch, 600)
    assert steepest(heard(sound, lost)) <= 1.05 * steepest(sound)


@pytest.mark.parametrize("pitch", [200, 440, 1000, 2500])
def test_a_lost_frame_of_a_steady_tone_goes_on_sounding_like_it(pitch: int) -> None:
    sound = tone.sine(pitch, 600)
    difference = heard(sound, {10}).astype(float)[1600:1760] - sound[1600:1760]
    assert np.mean(difference**2) < 0.1 * np.mean(sound[1600:1760].astype(float) ** 2)


def test_a_long_gap_is_silent_after_sixty_milliseconds() -> None:
    sounds = heard(tone.sine(400, 800), set(range(10, 30)))
    assert not sounds[1600 + round(GONE * 8000) : 30 * FRAME].any()


def test_what_comes_after_a_gap_is_untouched_but_for_its_first_five_milliseconds() -> None:
    sound = tone.sine(400, 800)
    assert np.array_equal(heard(sound, {10})[11 * FRAME + 40 :], heard(sound, set())[11 * FRAME + 40 :])


def test_a_gap_before_anything_was_heard_is_silence() -> None:
    assert Mended(AudioFormat.PCMA).missing(FRAME) == AudioFormat.PCMA.silence * FRAME


@settings(max_examples=60)
@given(
    st.sampled_from([AudioFormat.PCMU, AudioFormat.PCM16_16K, AudioFormat.PCM16]),
    st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=20),
    st.integers(0, 2**32 - 1),
)
def test_what_is_mended_is_as_long_as_what_was_sent(
    format: AudioFormat, pieces: list[tuple[bool, int]], seed: int
) -> None:
    mended, noise = Mended(format), np.random.default_rng(seed)
    for lost, tens in pieces:
        size = tens * 10 * format.bytes_per_ms
        piece = mended.missing(size) if lost else mended.heard(noise.bytes(size))
        assert len(piece) == size


@pytest.mark.parametrize("format", [AudioFormat.PCMU, AudioFormat.PCM16])
def test_speech_that_is_cut_off_ends_on_a_slope(format: AudioFormat) -> None:
    rate = format.rate
    sound = tone.sine(300, 40, rate=rate)
    whole = g711.encode(sound, format) if format is AudioFormat.PCMU else sound.astype("<i2").tobytes()
    half = len(whole) // 2
    cut = whole[:half] + cut_off(whole[half:], format)
    ends = g711.decode(cut, format) if format is AudioFormat.PCMU else np.frombuffer(cut, "<i2")
    assert steepest(ends) <= 1.1 * steepest(sound)
    assert not ends[-rate // 100 :].any()
