"""`latency`: a stereo WAV in, a table, JSON and a picture out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from callactors.__main__ import app
from callactors.audio import wav

RATE = 24_000


def recording(folder: Path, *, swapped: bool = False) -> Path:
    """The caller asks from 1 to 3 s and is answered 650 ms later."""
    tone = (5_000 * np.sin(2 * np.pi * 300 * np.arange(10 * RATE) / RATE)).astype(np.int16)
    at = np.arange(10 * RATE) / RATE
    caller, agent = tone * ((at >= 1) & (at < 3)), tone * ((at >= 3.65) & (at < 6))
    pair = (agent, caller) if swapped else (caller, agent)
    path = folder / "call.wav"
    path.write_bytes(wav.write(np.stack(pair, axis=1).astype(np.int16), RATE))
    return path


def latency(*words: object) -> Result:
    return CliRunner().invoke(app, ["latency", *map(str, words)])


def test_the_table_has_the_response_time(tmp_path: Path) -> None:
    result = latency(recording(tmp_path))
    assert result.exit_code == 0
    assert "650" in result.output
    assert "1 answers: p50 650 ms" in result.output


def test_json_has_every_answer_and_the_percentiles(tmp_path: Path) -> None:
    facts = json.loads(latency(recording(tmp_path), "--json").output)
    assert facts["response_ms"]["p50"] == 650
    assert facts["answers"] == [{"asked": 3.0, "answered": 3.65, "ms": 650}]


def test_the_agent_may_be_on_the_left(tmp_path: Path) -> None:
    assert json.loads(latency(recording(tmp_path, swapped=True), "--agent", "left", "--json").output)["answers"]


def test_the_picture_shows_the_time(tmp_path: Path) -> None:
    latency(recording(tmp_path), "--svg", tmp_path / "call.svg")
    assert ">650</text>" in (tmp_path / "call.svg").read_text()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"RIFFless", "no RIFF/WAVE header"),
        (wav.write(np.zeros(8_000, np.int16), 8_000), "caller and agent must each have their own"),
    ],
)
def test_what_cannot_be_measured_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "other.wav"
    path.write_bytes(content)
    result = latency(path)
    assert result.exit_code == 2
    assert words in result.output


def test_a_call_without_an_answer_is_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "silent.wav"
    path.write_bytes(wav.write(np.zeros((8_000, 2), np.int16), 8_000))
    assert latency(path).exit_code == 1
