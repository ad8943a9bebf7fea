"""G.722: sixteen kilohertz in the bytes of eight, and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import levels, tone
from callactors.audio.g722 import G722

FRAME = 160  # positions, and bytes of payload, in 20 ms
RATE = 16_000


def payloads(ms: int, pitch: int) -> list[bytes]:
    encoder, audio = G722(), tone.sine(pitch, ms, rate=RATE).tobytes()
    return [encoder.encode(audio[at : at + 640]) for at in range(0, len(audio), 640)]


def test_a_position_is_a_byte_of_payload_and_four_of_audio() -> None:
    [first, *_] = payloads(40, 440)
    codec = G722()
    assert (len(first), codec.duration(first), codec.clock_rate) == (FRAME, FRAME, 8_000)
    assert len(codec.decode(first)) == FRAME * codec.width == len(codec.silence(FRAME))


@pytest.mark.parametrize("pitch", [300, 1000, 3400, 6500])
def test_a_tone_comes_through_at_its_pitch_and_level(pitch: int) -> None:
    decoder = G722()
    sound = np.frombuffer(b"".join(decoder.decode(payload) for payload in payloads(500, pitch)), np.int16)[1600:]
    assert levels.dbfs(sound) == pytest.approx(-13.0, abs=0.5)
    assert levels.strength(sound, pitch, rate=RATE) > 0.98


def test_what_is_lost_goes_on_fainter_and_ends_in_silence() -> None:
    decoder = G722()
    for payload in payloads(200, 440):
        decoder.decode(payload)
    gap = [np.frombuffer(decoder.conceal(FRAME, None), np.int16) for _ in range(5)]
    loudness = [levels.dbfs(piece) for piece in gap]
    assert loudness[0] == pytest.approx(-14, abs=3)
    assert loudness == sorted(loudness, reverse=True)
    assert not gap[4].any()


@settings(max_examples=50)
@given(st.binary(max_size=1200))
def test_every_payload_is_some_sound_of_its_length(payload: bytes) -> None:
    codec = G722()
    assert codec.duration(payload) == (len(payload) if len(payload) <= 960 else 0)
    assert len(codec.decode(payload)) == len(payload) * codec.width
