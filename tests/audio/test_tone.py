"""Tones, levels, and WAV files."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import g711, levels, tone, wav
from callactors.audio.format import AudioFormat


@pytest.mark.parametrize("digit", tone.KEYS)
def test_a_key_sounds_with_its_two_tones_and_no_other(digit: str) -> None:
    heard = {f for f in tone.LOW + tone.HIGH if levels.strength(tone.dtmf(digit), f) > 0.3}
    row, column = divmod(tone.KEYS.index(digit), 4)
    assert heard == {tone.LOW[row], tone.HIGH[column]}


def test_what_is_no_key_has_no_tone() -> None:
    with pytest.raises(ValueError, match="substring not found"):
        tone.dtmf("x")


def test_silence_is_at_the_floor_and_not_loud() -> None:
    assert levels.dbfs(tone.silence(20)) == levels.FLOOR
    assert levels.dbfs(tone.silence(0)) == levels.FLOOR
    windows = levels.by_windows(np.concatenate((tone.silence(10), tone.sine(400, 10))), 8000)
    assert list(windows > levels.SPEECH) == [False, True]
    assert levels.strength(tone.silence(20), 400) == 0.0


def test_a_stereo_file_comes_back_as_written() -> None:
    both = np.stack((tone.sine(300, 100), tone.sine(900, 100)), axis=1)
    back = wav.read(wav.write(both, 8000))
    assert (back.rate, back.channels, back.ms) == (8000, 2, 100)
    assert (back.samples == both).all()


@pytest.mark.parametrize("law", [AudioFormat.PCMU, AudioFormat.PCMA])
def test_a_g711_file_is_read(law: AudioFormat) -> None:
    audio = g711.encode(tone.sine(300, 100), law)
    back = wav.read(wav.header(len(audio), encoding=law) + audio)
    assert (back.samples[:, 0] == g711.decode(audio, law)).all()


def test_an_extensible_header_names_its_format_further_on() -> None:
    audio = g711.pcmu_encode(tone.sine(300, 20))
    form = struct.pack("<HHIIHH", 0xFFFE, 1, 8000, 8000, 1, 8) + struct.pack("<HHIH", 22, 8, 0, 7) + bytes(14)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(audio)) + audio
    assert wav.read(b"RIFF" + struct.pack("<I", len(body)) + body).ms == 20


@pytest.mark.parametrize(("at", "value"), [(20, 85), (22, 0), (34, 24)])
def test_a_format_that_is_not_read_is_refused(at: int, value: int) -> None:
    data = bytearray(wav.write(tone.sine(300, 20), 8000))
    data[at : at + 2] = struct.pack("<H", value)
    with pytest.raises(wav.MalformedWav):
        wav.read(bytes(data))


@settings(max_examples=150)
@given(st.binary(max_size=120), st.integers(0, 44))
def test_a_damaged_file_is_refused_or_read_but_never_breaks_the_reader(noise: bytes, keep: int) -> None:
    whole = wav.header(64)
    with contextlib.suppress(wav.MalformedWav):
        assert wav.read(whole[:keep] + noise).rate > 0
