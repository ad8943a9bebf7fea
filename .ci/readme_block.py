"""Print a named shell block of README.md: the block right after the comment `<!-- run: NAME -->`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"<!-- run: (?P<name>[\w-]+) -->\s*```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def blocks(readme: str) -> dict[str, str]:
    """Every runnable block by its name."""
    return {found["name"]: found["text"].strip() for found in BLOCK.finditer(readme)}


if __name__ == "__main__":
    print(blocks((Path(__file__).parent.parent / "README.md").read_text())[sys.argv[1]])
