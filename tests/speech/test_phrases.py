"""Phrases: said once, kept; on disk only what is fixed."""

from __future__ import annotations

from pathlib import Path

from callactors.audio.format import AudioFormat
from callactors.speech.phrases import KEPT_BYTES, Phrases

PCMU = AudioFormat.PCMU


async def test_a_stored_phrase_is_there_for_the_next_process(tmp_path: Path) -> None:
    await Phrases("joe", tmp_path / "phrases").store("Hello.", PCMU, b"\x01\x02")
    assert await Phrases("joe", tmp_path / "phrases").load("Hello.", PCMU) == b"\x01\x02"


async def test_another_voice_or_format_is_another_phrase(tmp_path: Path) -> None:
    await Phrases("joe", tmp_path).store("Hello.", PCMU, b"\x01")
    assert await Phrases("ann", tmp_path).load("Hello.", PCMU) is None
    assert await Phrases("joe", tmp_path).load("Hello.", AudioFormat.PCMA) is None


async def test_what_is_only_remembered_never_reaches_the_disk(tmp_path: Path) -> None:
    phrases = Phrases("joe", tmp_path)
    phrases.remember("Thank you, Dana Reyes.", PCMU, b"\x01")
    assert phrases.recall("Thank you, Dana Reyes.", PCMU) == b"\x01"
    assert await Phrases("joe", tmp_path).load("Thank you, Dana Reyes.", PCMU) is None


async def test_a_folder_that_cannot_be_written_costs_nothing_but_the_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    phrases = Phrases("joe", tmp_path / "file" / "phrases")
    await phrases.store("Hello.", PCMU, b"\x01")
    assert await phrases.load("Hello.", PCMU) == b"\x01"


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    phrases = Phrases("joe")
    for number in range(5):
        phrases.remember(str(number), PCMU, bytes(KEPT_BYTES // 4))
    assert phrases.recall("0", PCMU) is None
    assert phrases.recall("4", PCMU) is not None
