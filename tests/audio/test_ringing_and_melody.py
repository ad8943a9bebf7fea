"""What a caller hears before the answer, and on hold."""

from __future__ import annotations

import numpy as np
import pytest

from callactors.audio.levels import dbfs, strength
from callactors.audio.melody import melody
from callactors.audio.ringing import TONES, ringing

SECOND = 8000


@pytest.mark.parametrize(
    ("country", "pitches"), [("US", (440, 480)), ("GB", (400, 450)), ("DE", (425,)), (None, (425,))]
)
def test_every_country_rings_with_its_own_tone(country: str | None, pitches: tuple[int, ...]) -> None:
    burst = ringing(country)[400:2800]
    assert sum(strength(burst, pitch) for pitch in pitches) > 0.9


@pytest.mark.parametrize("country", [*TONES, "XX"])
def test_a_ringing_tone_ends_in_silence_and_is_whole_frames(country: str) -> None:
    tone = ringing(country)
    assert not tone[-SECOND // 2 :].any()
    assert len(tone) % 160 == 0


def test_the_us_rings_two_seconds_in_six() -> None:
    tone = ringing("US")
    assert len(tone) == 6 * SECOND
    assert not tone[2 * SECOND :].any()


def test_the_melody_is_softer_than_a_voice_and_never_stops() -> None:
    sound = melody()
    levels = [dbfs(sound[at : at + 1600]) for at in range(0, len(sound), 1600)]
    assert max(levels) < -15
    assert min(levels) > -45
    assert len(sound) % 160 == 0


def test_the_melody_begins_where_it_ends() -> None:
    sound = melody().astype(np.int32)
    steps = np.abs(np.diff(np.concatenate([sound, sound[:1]])))
    assert steps[-1] <= steps.max()
