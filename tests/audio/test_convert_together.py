"""What calls bring in one tick is converted in one go, and nobody can tell."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import tone
from callactors.audio.convert import Converter, Together, feed_together
from callactors.audio.format import AudioFormat
from callactors.audio.linear import to_bytes, to_samples

F = AudioFormat
WAYS = [
    (F.PCMU, F.PCM16),
    (F.PCMA, F.PCM16),
    (F.PCM16, F.PCMU),
    (F.PCM16_8K, F.PCM16),
    (F.PCMU, F.PCMA),
    (F.PCMU, F.PCMU),
]


def spoken(format: AudioFormat, ms: int, frequency: float) -> bytes:
    return to_bytes(tone.sine(frequency, ms, rate=format.rate), format)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(WAYS), st.lists(st.sampled_from([0, 20, 60, 100]), min_size=3, max_size=3)),
        min_size=1,
        max_size=12,
    )
)
def test_each_gets_what_it_would_have_got_alone(calls: list[tuple[tuple[AudioFormat, AudioFormat], list[int]]]) -> None:
    alone = [Converter(*way) for way, _ in calls]
    together = [Converter(*way) for way, _ in calls]
    for turn in range(3):
        pieces = [spoken(way[0], lengths[turn], 300 + 100 * n) for n, (way, lengths) in enumerate(calls)]
        expected = [one.feed(piece) for one, piece in zip(alone, pieces, strict=True)]
        made = feed_together(list(zip(together, pieces, strict=True)))
        for (way, _), one, other in zip(calls, expected, made, strict=True):
            assert len(one) == len(other)
            far = np.abs(to_samples(one, way[1]).astype(int) - to_samples(other, way[1]).astype(int))
            assert not len(far) or far.max() <= (1 if way[1] is F.PCM16 else 1024)  # one step, of a law at its loudest
            assert not len(far) or np.mean(far > 0) < 0.02


@pytest.mark.parametrize("odd", [1, 3])
def test_a_sample_that_is_split_between_two_pieces_is_not_lost(odd: int) -> None:
    audio = spoken(F.PCM16, 60, 500)
    converters = [Converter(F.PCM16, F.PCMU) for _ in range(3)]
    first = feed_together([(one, audio[:odd]) for one in converters])
    second = feed_together([(one, audio[odd:]) for one in converters])
    whole = Converter(F.PCM16, F.PCMU).feed(audio)
    assert [a + b for a, b in zip(first, second, strict=True)] == [whole] * 3


def test_pieces_of_one_stream_keep_their_order_and_everybody_is_answered() -> None:
    together, heard = Together(), list[tuple[int, bytes]]()
    ours, theirs = Converter(F.PCMU, F.PCM16), Converter(F.PCMU, F.PCM16)
    low, high = spoken(F.PCMU, 60, 400), spoken(F.PCMU, 60, 900)
    together.gather()
    for name, converter, audio in ((1, ours, low), (2, theirs, high), (1, ours, high)):
        together.convert(converter, audio, partial(_note, heard, name))
    assert [name for name, _ in heard] == [1, 2]
    together.finish()
    assert [name for name, _ in heard] == [1, 2, 1]
    alone = Converter(F.PCMU, F.PCM16)
    alone.feed(low)
    assert to_samples(heard[2][1], F.PCM16) == pytest.approx(to_samples(alone.feed(high), F.PCM16), abs=1)


def _note(heard: list[tuple[int, bytes]], name: int, made: bytes) -> None:
    heard.append((name, made))


def test_who_comes_when_nobody_gathers_is_served_at_once() -> None:
    together, heard = Together(), list[bytes]()
    together.convert(Converter(F.PCMU, F.PCM16), spoken(F.PCMU, 60, 400), heard.append)
    assert [len(made) for made in heard] == [1440 * 2]
