"""The tree explains the system: imports point down, row 1 does no I/O, and nobody else names what one file owns."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "callactors"
ROWS = {
    1: "config scenario sip sdp rtp audio realtime streams routing capture",
    2: "net",
    3: "meters stores speech tools",
    4: "actors",
    5: "calls",
    6: "web sbc testing commands",
}
ROW_OF = {folder: row for row, folders in ROWS.items() for folder in folders.split()}
IO_WORDS = {"trio", "socket", "ssl", "time", "threading", "asyncio", "select", "selectors", "subprocess", "sqlite3"}
ONE_OWNER = {
    "trio_websocket": "net/websocket_server.py",
    "threading": "net/offload.py",
    "opuslib": "audio/opus.py",
    "G722": "audio/g722.py",
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, with the line, wherever in the file it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative imports hide the row"
            for alias in node.names:
                yield submodule(node.module or "", alias.name), node.lineno


def submodule(module: str, name: str) -> str:
    """`from callactors.x import y`: the file y where there is one, else x."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    inner = (path / name).is_dir() or (path / f"{name}.py").is_file()
    return f"{module}.{name}" if module.startswith("callactors") and inner else module


def folder_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def ours(module: str) -> str | None:
    """The folder of callactors a module lies in; None for somebody else's or the top level."""
    parts = module.split(".")
    return parts[1] if parts[0] == "callactors" and len(parts) > 1 and parts[1] in ROW_OF else None


def test_every_folder_stands_in_a_row() -> None:
    folders = {folder_of(file) for file in FILES} - {""}
    assert folders <= set(ROW_OF)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_down(file: Path) -> None:
    row = ROW_OF.get(folder_of(file), 7)
    upward = [f"{file}:{line}: {module}" for module, line in imports(file) if ROW_OF.get(ours(module) or "", 0) > row]
    assert upward == []


@pytest.mark.parametrize("file", [file for file in FILES if ROW_OF.get(folder_of(file)) == 1], ids=name_of)
def test_row_one_does_no_io_and_owns_no_clock(file: Path) -> None:
    words = [f"{file}:{line}: {module}" for module, line in imports(file) if module.split(".")[0] in IO_WORDS]
    assert words == []


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_some_packages_have_one_owner(file: Path) -> None:
    name = name_of(file)
    strays = [
        f"{file}:{line}: {module} belongs to {ONE_OWNER[module.split('.')[0]]}"
        for module, line in imports(file)
        if ONE_OWNER.get(module.split(".")[0], name) != name
    ]
    assert strays == []


def test_an_actor_never_imports_another_actor() -> None:
    shared = {"messages", "mailbox", "leg", "model_connection"}
    actors = {file.stem for file in (PACKAGE / "actors").glob("*.py")} - shared - {"__init__"}
    strays = [
        f"{file}:{line}: {module}"
        for file in (PACKAGE / "actors").glob("*.py")
        for module, line in imports(file)
        if module.startswith("callactors.actors.") and module.split(".")[2] in actors
    ]
    assert strays == []


def test_testing_never_imports_pytest() -> None:
    files = (PACKAGE / "testing").rglob("*.py")
    strays = [str(file) for file in files for name, _ in imports(file) if name == "pytest"]
    assert strays == []


def test_there_is_no_import_cycle_between_files() -> None:
    graph = {module_of(file): {name for name, _ in imports(file) if name.startswith("callactors")} for file in FILES}
    done: set[str] = set()
    for module in graph:
        walk(module, (), graph, done)


def module_of(file: Path) -> str:
    parts = ("callactors", *file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def walk(module: str, path: tuple[str, ...], graph: dict[str, set[str]], done: set[str]) -> None:
    assert module not in path, " -> ".join((*path, module))
    if module not in done:
        for target in sorted(graph.get(module, set()) & set(graph)):
            walk(target, (*path, module), graph, done)
        done.add(module)
