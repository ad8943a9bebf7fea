"""Whisper: the window fits the utterance, the features are Whisper's, and telephone speech is understood."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import g711
from callactors.speech import weights
from callactors.speech.stt.breaths import LONGEST
from callactors.speech.stt.log_mel import log_mel
from callactors.speech.stt.whisper import WINDOWS, Whisper, window_for
from callactors.speech.tts import worker
from callactors.speech.wave import Samples


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper.load(weights.find_all().whisper, 1)


@pytest.fixture(scope="module")
def voice() -> object:
    return worker.load(weights.find(weights.VOICE), weights.find(weights.VOICE_CONFIG))


def telephone(voice: object, text: str) -> Samples:
    """What Piper says, through G.711."""
    pcm = b"".join(worker.sentences(voice, text, 8_000))
    return g711.pcmu_decode(g711.pcmu_encode(pcm))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


@given(st.floats(0.1, LONGEST))
@settings(max_examples=100, deadline=None)
def test_the_window_holds_the_utterance_with_a_second_to_spare(seconds: float) -> None:
    assert window_for(seconds) in WINDOWS
    assert window_for(seconds) >= seconds + 1


def test_features_have_a_hundred_frames_a_second_of_eighty_bands() -> None:
    features = log_mel(np.zeros(16_000, np.float32), 8)
    assert features.shape == (80, 800)
    assert np.allclose(features, -1.5)  # (log10(1e-10) + 4) / 4


def test_a_tone_lights_its_own_band() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    assert int(log_mel(tone, 8)[:, 50].argmax()) in range(24, 28)  # 1 kHz is 15 of 45.2 mel, spread over 80 bands


@pytest.mark.parametrize(
    "text",
    [
        "I would like to book a haircut for tomorrow afternoon.",
        "What does a colour treatment with highlights cost on a Friday morning?",
    ],
)
def test_telephone_speech_is_understood(whisper: Whisper, voice: object, text: str) -> None:
    heard = words(whisper.transcribe(telephone(voice, text)).replace("color", "colour"))
    wanted = words(text)
    assert len(heard & wanted) / len(wanted) >= 0.8


def test_silence_has_no_words(whisper: Whisper) -> None:
    assert whisper.transcribe(np.zeros(16_000, np.int16)) == ""


def test_nothing_at_all_has_no_words(whisper: Whisper) -> None:
    assert whisper.transcribe(np.zeros(0, np.int16)) == ""


def test_a_long_speech_is_understood_to_its_end(whisper: Whisper, voice: object) -> None:
    text = (
        "I was with you last month and I liked it very much. Now I need a haircut before my wedding on Saturday. "
        "My sister wants to come along as well. Do you have time for both of us on Friday afternoon?"
    )
    heard = words(whisper.transcribe(telephone(voice, text)))
    wanted = words(text)
    assert len(heard & wanted) / len(wanted) >= 0.8
    assert {"wedding", "sister", "friday"} <= heard
