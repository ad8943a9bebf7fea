"""Scenarios, personas and knowledge are found in a wheel, an editable install, a checkout and a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from callactors.errors import ConfigError
from callactors.scenario.library import Library, read
from callactors.scenario.locate import Place, places

TEXT = """\
version: 1
scenario: shop
languages: {en: {greeting: an automated assistant}}
agents: {a: {persona: a.md}}
start: a
knowledge: [faq.md]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "agents/shop/knowledge").mkdir(parents=True)
    (tmp_path / "scenarios/shop.yaml").write_text(TEXT)
    (tmp_path / "agents/shop/a.md").write_text("You are Ann.")
    (tmp_path / "agents/shop/knowledge/faq.md").write_text("# Hours")
    return tmp_path


def library(root: Path, package: str) -> Library:
    return Library(places(package=root / package))


@pytest.mark.parametrize("package", ["", "callactors"], ids=["wheel", "checkout"])
def test_a_vertical_is_found_inside_the_package_or_beside_it(root: Path, package: str) -> None:
    shop = library(root, package).scenario("shop")
    assert library(root, package).persona(shop, "a") == "You are Ann."
    assert library(root, package).knowledge(shop) == [root / "agents/shop/knowledge/faq.md"]


def test_ones_own_folder_comes_first_and_the_shipped_ones_after_it(root: Path) -> None:
    found = places(root / "agents", package=Path("/p/callactors"))
    assert found == (
        Place(root / "agents", root / "scenarios"),
        Place(Path("/p/callactors/agents"), Path("/p/callactors/scenarios")),
        Place(Path("/p/agents"), Path("/p/scenarios")),
    )


def test_the_names_are_those_of_the_files(root: Path) -> None:
    assert library(root, "").names() == ["shop"]


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("agents/shop/a.md", r":4: agents\.a\.persona: there is no file"),
        ("agents/shop/knowledge/faq.md", ":6: knowledge"),
    ],
)
def test_a_file_that_is_named_and_not_there_is_told_at_its_line(root: Path, gone: str, told: str) -> None:
    (root / gone).unlink()
    shop = library(root, "").scenario("shop")
    with pytest.raises(ConfigError, match=told):
        (library(root, "").persona(shop, "a"), library(root, "").knowledge(shop))


def test_a_scenario_nobody_wrote_is_told_with_the_one_that_was_meant(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean shop\?"):
        library(root, "").scenario("shp")


def test_a_file_and_its_scenario_have_one_name(root: Path) -> None:
    (root / "scenarios/shop.yaml").rename(root / "scenarios/store.yaml")
    with pytest.raises(ConfigError, match=r'scenario: "shop" in a file called store\.yaml'):
        library(root, "").scenario("store")


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a: 1\n\xff")
    with pytest.raises(ConfigError, match=":2: is not UTF-8 text"):
        read(tmp_path / "x")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)
