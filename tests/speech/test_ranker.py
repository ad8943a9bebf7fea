"""Ranking: by shared words without the encoder, by meaning with it."""

from __future__ import annotations

import numpy as np

from callactors.speech.ranker import SentenceEncoder, rank_by_words


def test_shared_words_rank_higher() -> None:
    scores = rank_by_words("book a haircut", ["book an appointment", "opening hours", "Book a haircut!"])
    assert np.argsort(scores).tolist() == [1, 0, 2]


def test_no_words_score_nothing() -> None:
    assert rank_by_words("", ["", "a"]) == [0.0, 0.0]


def test_the_encoder_finds_what_is_meant() -> None:
    encoder = SentenceEncoder.load()
    scores = encoder.rank("how much does it cost", ["the price of our services", "your dog is in the garden"])
    assert scores[0] > scores[1]
    assert encoder.rank("anything", []) == []
