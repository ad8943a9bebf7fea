"""Whether the media path runs from its sources, or as the machine code that was made of them when it was installed.

- `[tool.hatch.build.hooks.mypyc]` in pyproject.toml says what can be compiled; HATCH_BUILD_HOOKS_ENABLE=1 asks for it.
- Installed with `-e`, what was compiled lies beside the sources and goes on running when those have changed: `stale`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).parents[1]
UNPACKING = 60.0  # seconds that the files of one installation may lie apart


def compiled(package: Path = PACKAGE) -> Literal["yes", "no", "stale"]:
    """Of the code that runs here."""
    ages = [source.stat().st_mtime - code.stat().st_mtime for source, code in _pairs(package)]
    if not ages:
        return "no"
    return "stale" if max(ages) > UNPACKING else "yes"


def _pairs(package: Path) -> Iterator[tuple[Path, Path]]:
    """Sources, with what was compiled of them."""
    for source in package.rglob("*.py"):
        for suffix in EXTENSION_SUFFIXES:
            if (code := source.with_name(source.stem + suffix)).is_file():
                yield source, code
