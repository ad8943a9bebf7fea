"""Opus by opuslib: what a packet lasts, what is heard, what a far end may ask for, and what libopus is found."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import levels, opus, tone
from callactors.audio.g711 import Samples
from callactors.audio.opus import Opus, Wishes, duration

FRAME = 160  # positions in 20 ms
SIZE = FRAME * opus.WIDTH


def frames(samples: Samples, size: int = SIZE) -> list[bytes]:
    audio = samples.tobytes()
    return [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]


def packets(samples: Samples, fmtp: str = "", size: int = SIZE) -> list[bytes]:
    encoder = Opus(fmtp)
    return [encoder.encode(frame) for frame in frames(samples, size)]


def heard(audio: list[bytes]) -> Samples:
    return np.frombuffer(b"".join(audio), np.int16)


def voice(ms: int, pitch: int = 150) -> Samples:
    """Something that libopus takes for speech: harmonics that come and go four times a second."""
    at = np.arange(24 * ms) / opus.RATE
    sound = sum(np.sin(2 * np.pi * pitch * n * at) / n for n in range(1, 20))
    return np.asarray(np.rint(6000 * sound * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * at)) / 3), np.int16)


# -- packets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ms", "positions"), [(10, 80), (20, 160), (40, 320), (60, 480)])
def test_a_packet_of_ours_lasts_what_it_was_made_of(ms: int, positions: int) -> None:
    made = packets(voice(240), size=ms * 8 * opus.WIDTH)
    assert {duration(packet) for packet in made} == {positions}
    assert len(Opus().decode(made[0])) == positions * opus.WIDTH


@pytest.mark.parametrize(
    ("payload", "positions"),
    [
        (b"", 0),
        (bytes([0 << 3]), 80),  # SILK, 10 ms
        (bytes([3 << 3]), 480),  # SILK, 60 ms
        (bytes([13 << 3]), 160),  # hybrid, 20 ms
        (bytes([16 << 3]), 20),  # CELT, 2.5 ms
        (bytes([31 << 3 | 1]), 320),  # two of 20 ms
        (bytes([31 << 3 | 3, 6]), 960),  # six of 20 ms
        (bytes([31 << 3 | 3, 7]), 0),  # 140 ms: longer than there may be (R5)
        (bytes([3]), 0),  # how many frames is missing (R6)
        (bytes([3, 0]), 0),  # none
    ],
)
def test_the_first_bytes_say_how_long_a_packet_lasts(payload: bytes, positions: int) -> None:
    assert duration(payload) == positions


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_whatever_comes_is_as_long_as_it_says_and_nothing_breaks(payload: bytes) -> None:
    decoder = Opus()
    assert len(decoder.decode(payload)) == decoder.duration(payload) * opus.WIDTH
    assert len(decoder.conceal(37, payload)) == 37 * opus.WIDTH


# -- what is heard ---------------------------------------------------------------------------------------------------


def test_a_tone_comes_through_at_its_pitch_and_level() -> None:
    decoder = Opus()
    sound = heard([decoder.decode(packet) for packet in packets(tone.sine(1000, 1000, rate=opus.RATE))])
    assert levels.dbfs(sound[12_000:]) == pytest.approx(-13.0, abs=0.5)
    assert levels.strength(sound[12_000:], 1000, rate=opus.RATE) > 0.99


def test_wideband_speech_is_kept_beyond_what_a_telephone_carries() -> None:
    decoder = Opus()
    sound = heard([decoder.decode(packet) for packet in packets(tone.sine(6000, 1000, rate=opus.RATE))])
    assert levels.strength(sound[12_000:], 6000, rate=opus.RATE) > 0.9


def test_a_stereo_packet_is_heard_in_one_channel() -> None:
    opuslib, _ = opus.load()
    encoder = opuslib.Encoder(48_000, 2, opuslib.APPLICATION_AUDIO)
    left, right = tone.sine(440, 1000, rate=48_000), tone.sine(880, 1000, rate=48_000)
    both = np.stack([left, right], axis=1)
    decoder = Opus()
    sound = heard([decoder.decode(encoder.encode(both[at : at + 960].tobytes(), 960)) for at in range(0, 47_040, 960)])
    assert levels.strength(sound[12_000:], 440, rate=opus.RATE) > 0.4
    assert levels.strength(sound[12_000:], 880, rate=opus.RATE) > 0.4


def test_a_lost_packet_is_taken_from_the_one_behind_it_where_redundancy_was_asked_for() -> None:
    sound = voice(2000)
    made = packets(sound, "useinbandfec=1")
    clean = heard_with_losses(made, {}, redundancy=False)
    lost = set(range(10, 95, 5))
    mended, guessed = (heard_with_losses(made, lost, redundancy=on) for on in (True, False))
    assert error(mended, clean) < 0.6 * error(guessed, clean)


def heard_with_losses(made: list[bytes], lost: set[int] | dict[int, int], *, redundancy: bool) -> Samples:
    decoder, audio = Opus(), []
    for index, packet in enumerate(made):
        following = made[index + 1] if redundancy and index + 1 < len(made) else None
        audio.append(decoder.conceal(FRAME, following) if index in lost else decoder.decode(packet))
    return heard(audio)


def error(sound: Samples, right: Samples) -> float:
    return float(np.sqrt(np.mean((sound.astype(float) - right) ** 2)))


def test_a_gap_goes_on_for_a_tenth_of_a_second_and_ends_in_silence() -> None:
    decoder = Opus()
    for packet in packets(voice(400)):
        decoder.decode(packet)
    gap = [decoder.conceal(FRAME, None) for _ in range(8)]
    assert {len(piece) for piece in gap} == {SIZE}
    loudness = [levels.dbfs(np.frombuffer(piece, np.int16)) for piece in gap]
    assert loudness[0] > -40
    assert loudness[2:] == sorted(loudness[2:], reverse=True)
    assert not any(gap[5] + gap[6] + gap[7])
    assert np.abs(np.frombuffer(gap[4], np.int16)[-24:]).max() < 300  # no edge where the silence begins


def test_before_anything_was_heard_a_gap_is_silence() -> None:
    assert Opus().conceal(50, None) == bytes(50 * opus.WIDTH)


# -- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fmtp", "wishes"),
    [
        ("", Wishes()),
        ("useinbandfec=1; stereo=1", Wishes(fec=True)),
        ("USEDTX=1;cbr=1 ; maxaveragebitrate=16000", Wishes(dtx=True, constant=True, bitrate=16_000)),
        ("maxaveragebitrate=510000", Wishes()),
        ("maxaveragebitrate=1", Wishes(bitrate=6_000)),
        ("maxplaybackrate=8000", Wishes(playback=8_000)),
        ("useinbandfec=yes;usedtx;;=;maxaveragebitrate=-1;maxplaybackrate=99999999", Wishes()),
        ("useinbandfec=1;useinbandfec=0", Wishes(fec=True)),
    ],
)
def test_what_a_far_end_asks_for(fmtp: str, wishes: Wishes) -> None:
    assert Wishes.parse(fmtp) == wishes


@settings(max_examples=100)
@given(st.text(max_size=80) | st.text("abdefiknostuvxw=;0123456789", max_size=80))
def test_whatever_a_far_end_asks_for_libopus_can_do(fmtp: str) -> None:
    wishes = Wishes.parse(fmtp)
    assert opus.LOWEST_BITRATE <= wishes.bitrate <= opus.BITRATE


@pytest.mark.parametrize("fmtp", ["maxplaybackrate=0;maxaveragebitrate=0", "maxplaybackrate=12000;usedtx=1;cbr=1"])
def test_the_least_a_far_end_can_ask_for_is_still_heard(fmtp: str) -> None:
    decoder = Opus()
    sound = heard([decoder.decode(packet) for packet in packets(tone.sine(440, 600, rate=opus.RATE), fmtp)])
    assert levels.strength(sound[6_000:], 440, rate=opus.RATE) > 0.9


def test_a_far_end_with_little_room_gets_fewer_bytes() -> None:
    usual, small = (sum(map(len, packets(voice(2000), fmtp))) for fmtp in ("", "maxaveragebitrate=8000"))
    assert small < 0.55 * usual
    assert usual * 8 / 2 < 1.1 * opus.BITRATE


def test_a_constant_bit_rate_makes_packets_of_one_size() -> None:
    assert len({len(packet) for packet in packets(voice(1000), "cbr=1")}) == 1


def test_a_far_end_that_plays_8_khz_is_sent_no_more() -> None:
    made = packets(tone.sine(6000, 400, rate=opus.RATE), "maxplaybackrate=8000")
    opuslib, _ = opus.load()
    assert {opuslib.api.decoder.libopus_packet_get_bandwidth(packet) for packet in made} == {1101}


def test_silence_is_not_sent_to_who_asked_for_that_and_comes_now_and_then() -> None:
    quiet = np.zeros(opus.RATE * 2, np.int16)
    made = packets(quiet, "usedtx=1")
    assert sum(packet == b"" for packet in made) > 70
    assert 1 <= sum(packet != b"" for packet in made[50:]) <= 10
    assert all(packets(quiet))


def test_a_long_silence_costs_nothing_and_what_follows_it_sounds_as_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    late = 155  # samples libopus looks ahead
    sound = np.concatenate([voice(500), np.zeros(opus.RATE * 2, np.int16), voice(1000)])
    short = packets(sound)
    monkeypatch.setattr(opus, "QUIET", 10_000)
    whole = packets(sound)
    assert len(set(short[60:110])) == 1
    a, b = (heard([decoder.decode(packet) for packet in made]) for decoder, made in ((Opus(), short), (Opus(), whole)))
    begins = int(opus.RATE * 2.5)
    assert np.abs(a[opus.RATE : begins]).max() < 10
    for ms in (20, 100, 900):
        end = begins + 24 * ms
        of_a, of_b = (error(made[begins + late : end + late], sound[begins:end]) for made in (a, b))
        assert of_a < 1.2 * of_b + 1


@pytest.mark.parametrize("positions", [0, 1, 100, 240, 400, 480, 600])
def test_audio_of_no_frame_length_is_padded_to_the_next(positions: int) -> None:
    packet = Opus().encode(bytes(positions * opus.WIDTH))
    assert duration(packet) == next((frame for frame in opus.FRAMES if frame >= positions), 480)


# -- the library -----------------------------------------------------------------------------------------------------


def test_the_library_says_what_it_is() -> None:
    assert opus.missing() == ""
    assert opus.version().startswith("libopus ")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of wheels; the system has no libopus that ctypes would find by itself."""
    with monkeypatch.context() as machine:
        machine.setattr(ctypes.util, "find_library", lambda name: None)
        machine.syspath_prepend(str(tmp_path))
        yield tmp_path
    sys.modules.pop("av", None)


def test_a_library_inside_a_wheel_is_found_behind_the_systems(elsewhere: Path) -> None:
    (elsewhere / "av").mkdir()
    (elsewhere / "av" / "__init__.py").touch()
    (elsewhere / "av.libs").mkdir()
    inside = elsewhere / "av.libs" / "libopus-1234.so.0.11.1"
    inside.touch()
    assert [Path(path).resolve() for path in list(opus.candidates())[1:2]] == [inside]


def test_what_cannot_be_loaded_is_passed_over_and_named_when_nothing_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libopus.so.0"
    broken.write_bytes(b"no library")
    whole = opus.load()[0].api.libopus._name
    with monkeypatch.context() as machine:
        for paths, found in (([str(broken), whole], True), ([str(broken)], False)):
            machine.setattr(opus, "candidates", lambda paths=paths: iter(paths))
            opus.load.cache_clear()
            assert bool(opus.load()[0]) is found
        assert "libopus.so.0: file too short" in opus.missing()
        with pytest.raises(RuntimeError, match="file too short"):
            Opus()
    opus.load.cache_clear()
