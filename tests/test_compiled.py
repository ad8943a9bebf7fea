"""What is made machine code of on request is written so that it can be, and nobody tests what was compiled long ago.

That it behaves the same is for .ci/compiled, which runs the other tests on it.
"""

from __future__ import annotations

import ast
import os
import tomllib
from pathlib import Path

import pytest

from callactors.commands.compiled import compiled

ROOT = Path(__file__).resolve().parent.parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["hooks"]["mypyc"]
FILES = {file for pattern in HOOK["include"] for file in ROOT.glob(pattern)} - {ROOT / name for name in HOOK["exclude"]}


def test_compiling_is_for_who_asks_for_it() -> None:
    assert HOOK["enable-by-default"] is False


@pytest.mark.parametrize("pattern", [*HOOK["include"], *HOOK["exclude"]])
def test_what_is_listed_is_there(pattern: str) -> None:
    assert list(ROOT.glob(pattern))


@pytest.mark.parametrize("file", sorted(FILES), ids=lambda file: file.stem)
def test_a_file_that_is_compiled_has_no_classes_that_a_decorator_makes(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef):
            assert not node.decorator_list, f"{file}:{node.lineno}: its place is beside this file"


def test_what_was_compiled_here_was_made_of_these_sources() -> None:
    assert compiled() != "stale", "pip install it again with HATCH_BUILD_HOOKS_ENABLE=1, or delete *.so in callactors/"


def test_a_source_that_has_changed_since_is_noticed(tmp_path: Path) -> None:
    source, code = tmp_path / "clock.py", tmp_path / "clock.abi3.so"
    source.touch()
    assert compiled(tmp_path) == "no"
    code.touch()
    assert compiled(tmp_path) == "yes"
    os.utime(code, (0, source.stat().st_mtime - 3_600))
    assert compiled(tmp_path) == "stale"
