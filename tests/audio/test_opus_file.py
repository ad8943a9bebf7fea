"""A stereo recording as Ogg/Opus: both sides sound as they did, where they did, and neither is heard on the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from callactors.audio import ogg
from callactors.audio.g711 import Samples
from callactors.audio.levels import strength
from callactors.audio.opus import Opus
from callactors.audio.opus_file import encoded

SECONDS = 4


def tone(rate: int, pitch: float, begin: float, end: float) -> Samples:
    at = np.arange(SECONDS * rate) / rate
    return (8000 * np.sin(2 * np.pi * pitch * at) * ((at >= begin) & (at < end))).astype(np.int16)


def chopped(samples: Samples, size: int = 30_001) -> Iterable[bytes]:
    data = samples.tobytes()
    return (data[at : at + size] for at in range(0, len(data), size))


def split(packet: bytes) -> tuple[bytes, bytes]:
    """The two streams' packets: the first says how long it is."""
    size, at = packet[1], 2
    if size >= 252:
        size, at = size + 4 * packet[2], 3
    return packet[:1] + packet[at : at + size], packet[at + size :]


def decoded(file: bytes) -> tuple[Samples, Samples]:
    """Both sides at 24 kHz, cut as a player cuts them."""
    head, _, *pages = ogg.pages(file)
    skip, last = int.from_bytes(head[2][0][10:12], "little"), pages[-1][1]
    decoders, sides = (Opus(), Opus()), ([b""], [b""])
    for packet in (packet for _, _, packets in pages for packet in packets):
        for decoder, side, part in zip(decoders, sides, split(packet), strict=True):
            side.append(decoder.decode(part))
    left, right = (np.frombuffer(b"".join(side), np.int16)[skip // 2 : last // 2] for side in sides)
    return left, right


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
def test_both_sides_are_where_they_were_and_nothing_leaks_between_them(rate: int) -> None:
    left, right = tone(rate, 440, 0.5, 1.5), tone(rate, 1000, 2.0, 3.5)
    file = b"".join(encoded(chopped(np.stack([left, right], axis=1)), rate, 7))
    one, other = decoded(file)
    assert len(one) == len(other) == SECONDS * 24_000
    assert strength(one[14_400:33_600], 440 / 3) > 0.98
    assert strength(other[50_400:81_600], 1000 / 3) > 0.98
    assert np.abs(one[40_000:].astype(int)).max() < 60
    assert np.abs(other[:46_000].astype(int)).max() < 60
    begins = next(at for at in range(len(other)) if abs(int(other[at])) > 800)
    assert abs(begins / 24_000 - 2.0) < 0.01


def test_a_recording_without_a_sample_is_a_file_all_the_same() -> None:
    *_, (flags, granule, _) = ogg.pages(b"".join(encoded([], 8000, 7)))
    assert flags == ogg.LAST
    assert granule > 0


def test_silence_is_small() -> None:
    minute = bytes(4 * 8000 * 60)
    assert sum(map(len, encoded([minute], 8000, 7))) < 100_000
