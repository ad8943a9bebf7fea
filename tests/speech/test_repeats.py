"""What Whisper says twice is heard once, and what a caller says twice is not touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callactors.speech.stt.repeats import without_repeats


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("How much is a haircut? How much is a haircut? How much is", "How much is a haircut?"),
        ("45 dollars. Is there anything else? is there anything else", "45 dollars. Is there anything else?"),
        ("so it is so it is so it is", "so it is"),
        ("5 5 5 5 5 5 5 5 5", "5 5 5 5 5 5 5 5 5"),
        ("0 1 4 0 1 4", "0 1 4 0 1 4"),
        ("no no", "no no"),
        ("yes please yes please", "yes please yes please"),
        ("How much is a haircut and how much is a shave?", "How much is a haircut and how much is a shave?"),
        ("", ""),
    ],
)
def test_a_loop_is_said_once(said: str, meant: str) -> None:
    assert without_repeats(said) == meant


@given(st.text(max_size=200))
def test_nothing_is_made_up(text: str) -> None:
    assert text.split()[: len(without_repeats(text).split())] == without_repeats(text).split()
