"""Whether callers on a bad network are understood; the full measurement is `bench hearing` itself (200 utterances)."""

from __future__ import annotations

import json
from random import Random

import pytest
from typer.testing import CliRunner

from callactors.audio.format import AudioFormat
from callactors.commands.bench import app
from callactors.commands.bench.hearing import LEAD_MS, carried
from callactors.commands.bench.recall import Heard, matched, recall
from callactors.commands.bench.utterances import utterances
from callactors.testing.rough_wire import RoughWire


def test_nine_words_of_ten_are_heard_over_five_percent_loss_and_sixty_milliseconds_of_jitter() -> None:
    result = CliRunner().invoke(app, ["hearing", "--utterances", "8", "--loss", "5", "--jitter", "60", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["utterances"] == 8
    assert found["clean"] > 0.85
    assert found["relative"] >= 0.9
    assert found["low"] <= found["relative"] <= found["high"]


def test_a_clean_network_carries_every_sample_of_an_utterance() -> None:
    audio = bytes(index % 251 for index in range(8_000))
    assert audio in carried(audio, RoughWire(Random(1)))[LEAD_MS * 8 - 160 :]


def test_a_rough_network_loses_what_it_was_told_to_lose_and_keeps_the_length() -> None:
    audio = bytes([9]) * 16_000
    rough = carried(audio, RoughWire(Random(1), loss=0.3, jitter=0.06))
    assert 0.5 < rough.count(9) / len(audio) < 0.9
    assert abs(len(rough) - len(carried(audio, RoughWire(Random(1))))) <= 1_600


def test_a_word_counts_as_often_as_it_was_said_and_no_more() -> None:
    assert matched("no no not Monday", "No, not, not Monday!") == 3
    assert matched("three", "") == 0
    assert matched("silence", AudioFormat.PCMU) == 0


def test_recall_is_relative_to_the_clean_run_and_its_interval_narrows_with_more_utterances() -> None:
    few = [Heard("x", 10, 9, 8), Heard("y", 10, 9, 9), Heard("z", 10, 9, 6)]
    found, more = recall(few, Random(1)), recall(few * 20, Random(1))
    assert found.relative == pytest.approx(23 / 27)
    assert more.high - more.low < found.high - found.low


def test_two_hundred_utterances_are_two_hundred_different_ones() -> None:
    assert len(set(utterances(200, Random(1)))) == 200
