"""From rate to rate: what passes, what is kept out, and that pieces make the same as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import levels, tone
from callactors.audio.convert import Converter, convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.resample import DELAY, Resampler

PAIRS = [(low, high) for low in (8_000, 16_000, 24_000) for high in (8_000, 16_000, 24_000) if low != high]
SWEEP = (300, 317, 500, 809, 1000, 1499, 2003, 2500, 3000, 3200, 3400)  # Hz


def distance(heard: Samples, frequency: float, rate: int) -> float:
    """How far all that is no tone of this frequency lies under that tone, in dB: a fit of sine and cosine."""
    at = 2 * np.pi * frequency / rate * np.arange(len(heard))
    basis = np.stack([np.sin(at), np.cos(at)], axis=1)
    fitted = basis @ np.linalg.lstsq(basis, heard.astype(np.float64), rcond=None)[0]
    return float(10 * np.log10(np.sum(fitted**2) / np.sum((heard - fitted) ** 2)))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_sweep_of_the_voice_band_keeps_seventy_decibels_between_tone_and_all_else(source: int, target: int) -> None:
    for frequency in SWEEP:
        heard = Resampler(source, target).feed(tone.sine(frequency, 500, rate=source, level=-1.0))[target // 20 :]
        assert distance(heard, frequency, target) >= 70, frequency
        assert levels.dbfs(heard) == pytest.approx(-4.0, abs=0.15), frequency


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_pair_of_rates_delays_by_two_milliseconds(source: int, target: int) -> None:
    click = np.zeros(source // 10, np.int16)
    click[source // 20] = 20_000
    heard = Resampler(source, target).feed(click)
    assert abs(int(np.argmax(np.abs(heard.astype(int)))) / target - 0.05 - DELAY) <= 1.5 / min(source, target)


@pytest.mark.parametrize("frequency", [300, 1000, 3000])
def test_a_voice_band_tone_keeps_its_level_up_and_down(frequency: int) -> None:
    up = Resampler(8000, 24000).feed(tone.sine(frequency, 500))
    down = Resampler(24000, 8000).feed(up)
    assert levels.dbfs(up[600:]) == pytest.approx(-13.0, abs=0.2)
    assert levels.dbfs(down[200:]) == pytest.approx(-13.0, abs=0.2)


def test_the_image_of_a_tone_is_seventy_decibels_down() -> None:
    up = Resampler(8000, 24000).feed(tone.sine(1000, 500))[600:]
    assert levels.strength(up, 7000, rate=24_000) < 1e-7
    assert levels.strength(up, 1000, rate=24_000) > 0.999


def test_what_eight_kilohertz_cannot_carry_is_filtered_out() -> None:
    down = Resampler(24000, 8000).feed(tone.sine(5500, 500, rate=24_000))
    assert levels.dbfs(down[200:]) < -75


def test_a_full_scale_square_is_clipped_and_does_not_wrap() -> None:
    square = np.where(np.arange(800) % 16 < 8, 32767, -32768).astype(np.int16)
    up = Resampler(8000, 24000).feed(square).reshape(-1, 48)[3:-1]
    assert (np.abs(np.diff(np.sign(up), axis=1)).sum(axis=1) <= 6).all()


@settings(max_examples=50)
@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 200), max_size=20))
def test_pieces_make_the_same_as_the_whole(rates: tuple[int, int], cuts: list[int]) -> None:
    noise = np.random.default_rng(1).integers(-20000, 20000, 2000).astype(np.int16)
    whole = Resampler(*rates).feed(noise)
    resampler, pieces, at = Resampler(*rates), [], 0
    for cut in [*cuts, 2000]:
        pieces.append(resampler.feed(noise[at : at + cut]))
        at += cut
    assert np.abs(np.concatenate(pieces).astype(int) - whole).max() <= 1  # the order of float sums may differ


@pytest.mark.parametrize("source", list(AudioFormat))
@pytest.mark.parametrize("target", list(AudioFormat))
def test_every_format_reaches_every_other_at_its_pitch_and_length(source: AudioFormat, target: AudioFormat) -> None:
    clip = convert(tone.sine(440, 400).tobytes(), AudioFormat.PCM16_8K, source)
    made = convert(clip, source, target)
    assert abs(target.ms(made) - 400) <= 1
    heard = np.frombuffer(convert(made, target, AudioFormat.PCM16_8K), dtype=np.int16)
    assert levels.strength(heard[200:], 440) > 0.98


def test_a_sample_split_between_two_feeds_is_joined() -> None:
    pcm = tone.sine(440, 60).tobytes()
    converter = Converter(AudioFormat.PCM16_8K, AudioFormat.PCMU)
    assert converter.feed(pcm[:101]) + converter.feed(pcm[101:]) == convert(pcm, converter.source, converter.target)
