"""A vertical is a folder; its tools.py is loaded by path, and what is wrong with it has a file and a line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from callactors.errors import ConfigError
from callactors.tools.loading import agents_folder, load_tools, load_vertical

GOOD = '''
from __future__ import annotations
from callactors.tools.desk import Desk
from callactors.tools.tool import tool

@tool()
def greet(desk: Desk, name: str) -> str:
    """Greet somebody."""
    return name

def prepare(desk: Desk) -> None: ...
'''


def vertical(folder: Path, source: str) -> Path:
    (folder / "shop").mkdir()
    (folder / "shop" / "tools.py").write_text(source, "utf-8")
    return folder


def test_tools_are_found_by_name_and_agents_is_no_package(tmp_path: Path) -> None:
    shop = load_vertical(vertical(tmp_path, GOOD), "shop")
    assert list(shop.tools) == ["greet"]
    assert shop.prepare is not None
    assert shop.knowledge == []
    assert "agents" not in sys.modules


def test_the_shipped_agents_are_found() -> None:
    assert set(load_tools(agents_folder(), "salon")) == {
        "find_slot", "book_slot", "cancel_booking", "remember_customer",
    }  # fmt: skip
    assert agents_folder(Path("mine")) == Path("mine")


def test_a_vertical_may_have_no_tools(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    assert load_tools(tmp_path, "shop") == {}


@pytest.mark.parametrize("name", ["nowhere", "../shop", "Shop", ""])
def test_what_is_no_vertical_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        load_tools(tmp_path, name)


@pytest.mark.parametrize(
    ("source", "line"),
    [("x = 1\ny = = 2\n", 2), ("\n\nimport no_such_module_at_all\n", 3), ("\nx = undefined_name\n", 2)],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, source: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        load_tools(vertical(tmp_path, source), "shop")
    assert caught.value.line == line


def test_a_generated_name_cannot_be_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="end_call"):
        load_tools(vertical(tmp_path, GOOD.replace("greet", "end_call")), "shop")
