"""Loading agents/<vertical>/tools.py by its path. `agents` never becomes an importable package.

A vertical is a folder: tools.py (optional), persona *.md files, knowledge/*.md. tools.py may define
`prepare(desk)`, called once when the process starts, to set up its calendar and the like (idempotent).
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import attrs

from callactors.errors import ConfigError
from callactors.tools.desk import Desk
from callactors.tools.generated import NAMES
from callactors.tools.tool import Tool

VERTICAL = re.compile(r"[a-z][a-z0-9_]*\Z")


@attrs.frozen
class Vertical:
    """What a folder of agents/ offers a scenario."""

    name: str
    folder: Path
    tools: dict[str, Tool]
    prepare: Callable[[Desk], None] | None = None

    @property
    def knowledge(self) -> list[Path]:
        """The knowledge files, in a stable order."""
        return sorted((self.folder / "knowledge").glob("*.md"))


def agents_folder(given: Path | None = None) -> Path:
    """Where agents/ is: `--agents DIR`, else inside the installed package, else beside it (checkout, editable)."""
    if given is not None:
        return given
    package = Path(__file__).parent.parent
    return package / "agents" if (package / "agents").is_dir() else package.parent / "agents"


def load_tools(agents_dir: Path, vertical: str) -> dict[str, Tool]:
    """The Python tools of a vertical by name. Raises ConfigError with file and line."""
    return load_vertical(agents_dir, vertical).tools


def load_vertical(agents_dir: Path, vertical: str) -> Vertical:
    """A vertical's folder, its tools.py executed. Raises ConfigError when the folder or the file cannot be used."""
    if not VERTICAL.match(vertical):
        raise ConfigError(str(agents_dir), 1, "", f"{vertical!r} is no vertical's name", "use letters, digits, _")
    folder = agents_dir / vertical
    if not folder.is_dir():
        raise ConfigError(str(folder), 1, "", "there is no such folder", "a scenario's vertical is a folder of agents/")
    file = folder / "tools.py"
    if not file.is_file():
        return Vertical(vertical, folder, {})
    module = _execute(file, f"callactors_agents_{vertical}")
    prepare = getattr(module, "prepare", None)
    return Vertical(vertical, folder, _tools_in(module, file), prepare if callable(prepare) else None)


def _tools_in(module: ModuleType, file: Path) -> dict[str, Tool]:
    tools = {value.name: value for value in vars(module).values() if isinstance(value, Tool)}
    for name in NAMES:
        if name in tools:
            raise ConfigError(str(file), 1, name, "this name is taken by a generated tool", "call it something else")
    return tools


def _execute(file: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(str(file), 1, "", "Python cannot load this file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # attrs and typing look a class's module up by name
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, TypeError, ValueError, AttributeError) as error:
        sys.modules.pop(name, None)
        raise ConfigError(str(file), _line(error, file), "", f"{type(error).__name__}: {error}") from error
    return module


def _line(error: Exception, file: Path) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    line, frame = 1, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(file):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line
