"""Numbers that stand in a CSV, and the files a configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from callactors import config
from callactors.config import Config, ConfigErrors, files
from callactors.routing.number import Number

HEAD = "number,trunk,scenario,language,when\n"
TEXT = """\
version: 1
trunks: {a: {from: [10.0.0.1]}, b: {from: [10.0.0.2]}}
numbers:
  - {match: "100", trunk: a, scenario: salon}
  - {file: ported.csv, trunk: a, scenario: salon, language: en}
  - {match: "200", trunk: a, scenario: salon, language: xx}
hours: {office: {zone: UTC, open: [mon]}}
"""


def ported(rows: str, head: str = HEAD) -> Config:
    return files.with_numbers(config.load(TEXT, "etc/f.yaml", {}), {"etc/ported.csv": head + rows}.__getitem__)


def problems(rows: str, head: str = HEAD) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        ported(rows, head)
    return str(caught.value).splitlines()


def test_a_row_takes_what_it_leaves_empty_from_the_line_that_names_the_file() -> None:
    loaded = ported("+13125550101,b,shop,,office\n\n+13125550102\n")
    assert loaded.plan().find("13125550101", "b") == Number(
        match="+13125550101", trunk="b", scenario="shop", language="en", when="office"
    )
    assert loaded.plan().find("+13125550102", "a") == Number(
        match="+13125550102", trunk="a", scenario="salon", language="en"
    )


def test_300_ported_numbers_are_300_numbers() -> None:
    loaded = ported("".join(f"+1312555{n:04}\n" for n in range(300)), "number\n")
    plan = loaded.plan()
    assert all(plan.find(f"+1312555{n:04}", "a") for n in range(300))
    assert plan.find("+13125550300", "a") is None


def test_a_problem_names_the_line_of_the_csv() -> None:
    assert problems("+13125550101,b\n\nx y,a\n+13125550102,acme\n+13125550103,a,salon,en,late\n") == [
        'etc/ported.csv:4: number: "x y" is not a number; as "+13125550100", "+13125550100-+13125550199",'
        ' "+1312555xxxx" or "*"',
        'etc/ported.csv:5: trunk: there is no trunk "acme"; known here: a, b',
        'etc/ported.csv:6: when: there are no hours "late"; known here: always, office',
    ]


def test_a_number_that_stands_there_twice_is_told_with_both_lines() -> None:
    assert problems("+13125550101\n+1-312-555-0101\n") == ["etc/ported.csv:3: is never reached: line 2 matches first"]


def test_what_is_found_wrong_with_a_row_later_names_the_csv_too() -> None:
    later = ported("+13125550101\n\n+13125550102\n").marks.error("numbers[2].scenario", "x")
    assert (later.file, later.line) == ("etc/ported.csv", 4)


def test_a_row_with_more_cells_than_columns_is_told() -> None:
    assert problems("+13125550101,a,salon,en,always,,\n+13125550102,a,salon,en,always,more\n") == [
        "etc/ported.csv:3: has 6 cells under 5 columns; the columns are number,trunk,scenario,language,when"
    ]


def test_a_file_for_anything_is_refused() -> None:
    assert "would answer anything" in problems("*\n")[0]


@pytest.mark.parametrize(("head", "what"), [("numbr,trunk\n", "did you mean number?"), ("trunk\n", "no column number")])
def test_a_head_that_is_none_is_told(head: str, what: str) -> None:
    assert what in problems("", head)[0]


def test_lines_behind_a_file_are_still_told_by_their_own_place() -> None:
    loaded = ported("+13125550101\n+13125550102\n")
    assert loaded.marks.error("numbers[3].language", "x").line == 6


def test_every_file_of_the_complete_configuration_is_known_by_where_it_is_named() -> None:
    text = (Path(__file__).parent / "full.yaml").read_text("utf-8")
    named = {name.path: (name.file, name.secret) for name in files.named(config.load(text, "full.yaml", {}))}
    assert named["emergency.location"] == ("hq.xml", False)
    assert named["outbound.consent"] == ("consent.csv", False)
    assert named["trunks.edge.tls.key"] == ("ours.key", True)
    assert named["trunks.telnyx.identity.anchors"] == ("sti-ca.pem", True)
