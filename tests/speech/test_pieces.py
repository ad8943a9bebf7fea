"""What is spoken comes in pieces: sentences, a long first one after its first clause."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.speech.pieces import pieces


def test_each_sentence_is_a_piece() -> None:
    assert pieces("Sure. When would you like to come?") == ["Sure.", "When would you like to come?"]


def test_times_and_titles_do_not_end_a_sentence() -> None:
    assert pieces("Dr. Reyes is free at 3.30 p.m. on Monday.") == ["Dr. Reyes is free at 3.30 p.m. on Monday."]


def test_a_long_first_sentence_begins_with_its_first_clause() -> None:
    text = "I have found three appointments, the first one is tomorrow at nine in the morning with Dana."
    assert pieces(text)[0] == "I have found three appointments,"


def test_a_long_sentence_behind_a_short_one_begins_with_its_first_clause_too() -> None:
    text = "Let me read that back. Book an appointment: haircut, tomorrow, Monday the 23rd at 3 PM, for Dana Reyes."
    assert pieces(text)[:2] == ["Let me read that back.", "Book an appointment:"]


def test_nothing_has_no_pieces() -> None:
    assert pieces("  ") == []


@given(st.text(alphabet="ab.,;!? \nDr", max_size=400))
@settings(max_examples=100, deadline=None)
def test_no_word_is_lost(text: str) -> None:
    assert "".join(" ".join(pieces(text)).split()) == "".join(text.split())


@given(st.text(max_size=3_000))
@settings(max_examples=50, deadline=None)
def test_no_piece_is_longer_than_one_synthesis_may_take(text: str) -> None:
    assert all(len(piece) <= 300 for piece in pieces(text))
