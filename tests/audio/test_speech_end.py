"""Where the caller was last heard: by level, on the clock of the quickest batch, in every format of a leg."""

from __future__ import annotations

import numpy as np
import pytest

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.speech_end import SpeechEnd, onset

OPENED = 50.0  # the clock at position 0
BATCH = 480  # positions: 60 ms


def call(format: AudioFormat, until: float, *, noise: float = 0.0, late: float = 0.0) -> SpeechEnd:
    """1.5 s of a line on which somebody speaks `until`; every other batch comes `late` seconds after its time."""
    per = format.rate // 8_000
    dice = np.random.default_rng(3)
    samples = dice.normal(0, noise, 12_000 * per) if noise else np.zeros(12_000 * per)
    loud = round(until * format.rate)
    samples[:loud] += 5_000 * np.sin(2 * np.pi * 350 * np.arange(loud) / format.rate)
    whole = samples.astype(np.int16)
    end = SpeechEnd()
    for place in range(25):
        piece = whole[place * BATCH * per : (place + 1) * BATCH * per]
        audio = g711.encode(piece, format) if format.width == 1 else piece.tobytes()
        at = OPENED + (place + 1) * BATCH / 8_000 + (late if place % 2 else 0)
        end.hears(at, place * BATCH, format, audio)
    return end


@pytest.mark.parametrize("format", [AudioFormat.PCMU, AudioFormat.PCMA, AudioFormat.PCM16_16K, AudioFormat.PCM16])
def test_the_last_loud_window_is_the_end_of_speech(format: AudioFormat) -> None:
    assert call(format, 0.84).last() == pytest.approx(OPENED + 0.84, abs=0.011)


def test_jitter_does_not_move_it() -> None:
    assert call(AudioFormat.PCMU, 0.84, late=0.04).last() == pytest.approx(OPENED + 0.84, abs=0.011)


def test_noise_on_the_line_is_not_speech() -> None:
    assert call(AudioFormat.PCMU, 0.84, noise=300).last() == pytest.approx(OPENED + 0.84, abs=0.021)


def test_the_onset_is_the_quiet_before_the_first_sound() -> None:
    sound = (4_000 * np.sin(np.arange(800))).astype(np.int16)
    speech = np.concatenate([np.zeros(240, np.int16), sound])
    assert onset(g711.pcmu_encode(speech), AudioFormat.PCMU) == 0.03
    assert onset(b"\xff" * 400, AudioFormat.PCMU) == 0.05


def test_nobody_who_has_not_spoken_was_heard() -> None:
    assert call(AudioFormat.PCMU, 0.0).last() is None
    assert SpeechEnd().last() is None
