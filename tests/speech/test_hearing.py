"""A caller's ear: turns found in real speech by the real network, offsets counted in audio written."""

from __future__ import annotations

import numpy as np
import pytest

from callactors.speech import weights
from callactors.speech.endpointing import Endpoint, Paused, SpeechStarted, SpeechStopped
from callactors.speech.hearing import LONGEST_MS, Hearing
from callactors.speech.session import Turns
from callactors.speech.tts import worker
from callactors.speech.vad import Silero
from callactors.speech.wave import Samples


@pytest.fixture(scope="module")
def silero() -> Silero:
    return Silero.load(weights.find(weights.VAD))


@pytest.fixture(scope="module")
def sentence() -> Samples:
    voice = worker.load(weights.find(weights.VOICE), weights.find(weights.VOICE_CONFIG))
    pcm = b"".join(worker.sentences(voice, "I would like to book a haircut, please.", 8_000))
    return np.frombuffer(pcm, np.int16)


def silence(ms: int) -> Samples:
    return np.zeros(ms * 8, np.int16)


def append(hearing: Hearing, samples: Samples) -> list[Endpoint]:
    """In batches of 60 ms, as a leg brings them."""
    return [event for at in range(0, len(samples), 480) for event in hearing.append(samples[at : at + 480])]


def test_a_sentence_between_silences_is_one_turn(silero: Silero, sentence: Samples) -> None:
    hearing = Hearing(silero.listen(), Turns())
    events = append(hearing, np.concatenate((silence(1_000), sentence, silence(1_000))))
    started, stopped = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert 900 <= started.at_ms <= 1_150
    assert abs(stopped.at_ms - 1_000 - len(sentence) / 8) < 250


def test_the_turn_holds_the_whole_sentence(silero: Silero, sentence: Samples) -> None:
    hearing = Hearing(silero.listen(), Turns())
    events = append(hearing, np.concatenate((silence(3_000), sentence, silence(200))))
    paused = next(event for event in reversed(events) if isinstance(event, Paused))
    turn = hearing.turn(paused.at_ms)
    assert np.abs(turn.astype(np.int32)).sum() > 0.97 * np.abs(sentence.astype(np.int32)).sum()
    assert len(turn) < len(sentence) + 600 * 8


def test_silence_and_tones_are_no_turn(silero: Silero) -> None:
    hum = (8_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 8_000)).astype(np.int16)
    hearing = Hearing(silero.listen(), Turns())
    assert append(hearing, np.concatenate((silence(2_000), hum))) == []


def test_push_to_talk_keeps_everything_until_it_is_taken(silero: Silero, sentence: Samples) -> None:
    hearing = Hearing(silero.listen(), None)
    assert append(hearing, sentence) == []
    assert len(hearing.take()) == len(sentence)
    assert hearing.buffered_ms == 0


def test_between_turns_only_the_prefix_is_kept(silero: Silero) -> None:
    hearing = Hearing(silero.listen(), Turns())
    append(hearing, silence(20_000))
    assert hearing.now_ms == 20_000
    assert hearing.buffered_ms < 2_000


def test_an_endless_turn_is_bounded(silero: Silero) -> None:
    hearing = Hearing(silero.listen(), None)
    for _ in range(20):
        hearing.append(silence(10_000))
    assert hearing.buffered_ms <= LONGEST_MS * 1.25
