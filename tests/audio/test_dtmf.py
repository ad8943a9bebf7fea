"""DTMF as ITU-T Q.24 wants it received: short, weak, skewed, noisy tones are keys; scraps and speech are not."""

from __future__ import annotations

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import g711, tone
from callactors.audio.dtmf import Detector
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.tone import HIGH, KEYS, LOW
from callactors.speech import weights
from callactors.speech.tts.voice import Voice

BATCH = 480  # samples


def keys_in(samples: Samples, *, rate: int = 8000, batch: int = BATCH) -> str:
    detector = Detector(rate)
    return "".join(detector.hear(samples[at : at + batch]).keys for at in range(0, len(samples), batch))


def pressed(
    key: str,
    ms: float,
    *,
    off: tuple[float, float] = (0, 0),
    levels: tuple[float, float] = (-16, -16),
    rate: int = 8000,
) -> Samples:
    """The two tones of a key, each off its frequency by a share of it, at its level in dBFS."""
    row, column = divmod(KEYS.index(key), 4)
    at = np.arange(int(ms * rate / 1000)) / rate
    pairs = zip((LOW[row] * (1 + off[0]), HIGH[column] * (1 + off[1])), levels, strict=True)
    waves = [32767 * 10 ** (level / 20) * np.sin(2 * np.pi * pitch * at + 1) for pitch, level in pairs]
    return np.rint(sum(waves)).astype(np.int16)


def among(sound: Samples, *, before: int, noise: float, rate: int = 8000) -> Samples:
    """The sound between silences, with white noise (RMS) over all of it, as G.711 carries it."""
    padded = np.concatenate([np.zeros(before, np.int16), sound, tone.silence(100, rate=rate)])
    noisy = padded + np.random.default_rng(before).normal(0, noise, len(padded))
    whole = np.clip(noisy, -32768, 32767).astype(np.int16)
    return g711.decode(g711.encode(whole, AudioFormat.PCMU), AudioFormat.PCMU)


def rms(level: float, below: float) -> float:
    """Of noise `below` dB under a pair of tones, each at `level` dBFS."""
    return float(32767 * 10 ** ((level - below) / 20))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("before", [0, 137, 479])
def test_every_key_of_40_ms_is_heard_once(key: str, before: int) -> None:
    assert keys_in(among(pressed(key, 40), before=before, noise=20)) == key


@pytest.mark.parametrize("off", [(0.015, 0.015), (-0.015, -0.015), (0.015, -0.015)])
def test_tones_off_by_one_and_a_half_percent_are_keys(off: tuple[float, float]) -> None:
    assert "".join(keys_in(among(pressed(key, 40, off=off), before=300, noise=20)) for key in KEYS) == KEYS


@pytest.mark.parametrize("off", [(0.035, 0), (-0.035, 0), (0, 0.035), (0, -0.035)])
def test_tones_off_by_three_and_a_half_percent_are_none(off: tuple[float, float]) -> None:
    assert "".join(keys_in(among(pressed(key, 80, off=off), before=300, noise=20)) for key in KEYS) == ""


@pytest.mark.parametrize("levels", [(-6.5, -6.5), (-30, -30), (-14, -22), (-22, -14)])
def test_loud_weak_and_skewed_tones_are_keys(levels: tuple[float, float]) -> None:
    assert "".join(keys_in(among(pressed(key, 40, levels=levels), before=99, noise=2)) for key in KEYS) == KEYS


def test_a_tone_15_db_above_noise_is_a_key() -> None:
    heard = [keys_in(among(pressed(key, 50), before=at, noise=rms(-16, 15))) for at, key in enumerate(KEYS * 4)]
    assert "".join(heard) == KEYS * 4


@pytest.mark.parametrize("key", KEYS)
def test_a_scrap_of_23_ms_is_no_key(key: str) -> None:
    assert [keys_in(among(pressed(key, 23), before=at, noise=20)) for at in range(0, 480, 67)] == [""] * 8


def test_a_tone_of_one_group_alone_is_no_key() -> None:
    assert keys_in(tone.sine(LOW[0], 500)) == keys_in(tone.sine(HIGH[0], 500)) == ""


def test_the_same_key_twice_is_two_keys_and_a_dropout_none() -> None:
    key, gap, dropout = pressed("7", 60), tone.silence(45), tone.silence(10)
    assert keys_in(np.concatenate([key, gap, key, tone.silence(60)])) == "77"
    assert keys_in(np.concatenate([key, dropout, key, tone.silence(60)])) == "7"


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_wideband_audio_has_the_same_keys(rate: int) -> None:
    sound = np.concatenate(
        [np.concatenate([tone.dtmf(key, 60, rate=rate), tone.silence(60, rate=rate)]) for key in KEYS]
    )
    assert keys_in(sound, rate=rate, batch=rate * 60 // 1000) == KEYS


@settings(max_examples=40, deadline=None)
@given(st.text(KEYS, min_size=1, max_size=8), st.integers(80, 1000))
def test_it_does_not_matter_how_the_audio_is_cut(keys: str, batch: int) -> None:
    sound = np.concatenate([np.concatenate([tone.dtmf(key, 50), tone.silence(50)]) for key in keys])
    assert keys_in(sound, batch=batch) == keys


def test_where_the_tone_is_found_it_is_all_of_it() -> None:
    sound = np.concatenate([tone.silence(200), pressed("5", 100), tone.silence(100)])
    marked = np.zeros(len(sound), bool)
    for start, end in Detector().hear(sound).tones:
        marked[max(0, start) : end] = True
    assert marked[1600:2400].all()
    assert marked.sum() < 800 + 2 * 200


async def test_speech_at_any_pitch_is_no_key() -> None:
    """Talk-off: vowels, numbers and hoots, read by a voice and played from two thirds to one and a half its pitch."""
    speech = (
        await read_aloud("Who are you? We were away a year ago. Four one one one, one two three four. Yoo hoo!")
    ).astype(float)
    for pitch in np.arange(0.65, 1.55, 0.1):
        shifted = np.interp(np.arange(0, len(speech), pitch), np.arange(len(speech)), speech)
        assert keys_in(shifted.astype(np.int16)) == ""


async def read_aloud(text: str) -> Samples:
    voice = Voice(weights.find(weights.VOICE), weights.find(weights.VOICE_CONFIG))
    sentences = list[bytes]()
    async with trio.open_nursery() as nursery:
        await nursery.start(voice.run)
        await voice.begin(text, 8_000)
        while (sentence := await voice.sentence()) is not None:
            sentences.append(sentence)
        nursery.cancel_scope.cancel()
    return np.frombuffer(b"".join(sentences), "<i2")
