"""What a stream sends while nothing is said."""

from __future__ import annotations

import numpy as np
import pytest

from callactors.audio.format import AudioFormat
from callactors.audio.g711 import decode
from callactors.audio.levels import strength
from callactors.audio.tone import sine
from callactors.net.media_fill import Fill
from callactors.rtp.playout import FRAME


def test_nothing_to_play_is_silence_in_the_law_spoken() -> None:
    fill = Fill()
    assert fill.take() == b"\xff" * FRAME
    fill.speak(AudioFormat.PCMA)
    assert fill.take() == b"\xd5" * FRAME


def test_a_sound_comes_round_again() -> None:
    fill = Fill()
    fill.play(sine(400, 60))
    frames = [fill.take() for _ in range(6)]
    assert frames[:3] == frames[3:]
    assert len(set(frames[:3])) > 1 or frames[0] != b"\xff" * FRAME


def test_a_change_of_law_goes_on_where_it_was() -> None:
    fill, sound = Fill(), sine(300, 100)
    fill.play(sound)
    fill.take()
    fill.speak(AudioFormat.PCMA)
    heard = decode(fill.take(), AudioFormat.PCMA)
    assert np.abs(heard.astype(int) - sound[FRAME : 2 * FRAME]).max() < 600


def test_what_is_shorter_than_a_frame_is_silence() -> None:
    fill = Fill()
    fill.play(sine(300, 10))
    assert fill.take() == b"\xff" * FRAME


@pytest.mark.parametrize("format", [AudioFormat.PCM16, AudioFormat.PCM16_16K])
def test_a_sound_in_a_wideband_format_is_the_same_sound_in_frames_of_its_size(format: AudioFormat) -> None:
    fill = Fill()
    fill.speak(format)
    assert fill.take() == bytes(20 * format.bytes_per_ms)
    fill.play(sine(400, 200))
    sound = np.frombuffer(b"".join(fill.take() for _ in range(10)), np.int16)
    assert len(sound) == format.rate // 5
    assert strength(sound[format.rate // 50 :], 400, rate=format.rate) > 0.99
