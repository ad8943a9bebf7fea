"""YAML as text with line numbers, and what is refused of it."""

from __future__ import annotations

import time

import pytest

from callactors.config import ConfigErrors, tree
from callactors.config.problems import Problems


def read(text: str) -> tuple[tree.Node, list[str]]:
    problems = Problems("f.yaml")
    return tree.read(text, problems), [str(problem) for problem in problems.found]


def only_problem(text: str) -> str:
    _, (problem,) = read(text)
    return problem


def fatal(text: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize("word", ["9:30", "NO", "0x10", "1e3", "012", "2024-01-01", "~", "true", "0o17", ".inf"])
def test_every_scalar_stays_the_text_it_is(word: str) -> None:
    root, problems = read(f"a: {word}")
    assert isinstance(root, tree.Table)
    assert root.entries["a"] == tree.Scalar(word, 1, True, word)
    assert not problems


def test_each_node_knows_its_line() -> None:
    root, _ = read("a: 1\nb:\n  - 2\n  - c: 3\n")
    assert isinstance(root, tree.Table)
    listing = root.entries["b"]
    assert isinstance(listing, tree.Listing)
    assert (root.lines["b"], [item.line for item in listing.items]) == (2, [3, 4])


def test_a_duplicate_key_is_an_error_that_names_the_first() -> None:
    assert only_problem("a: {b: 1}\nc: 2\na: 3") == 'f.yaml:3: a: "a" is here twice; first in line 1'


def test_an_alias_and_its_anchor_are_errors() -> None:
    _, problems = read("a: &x {b: 1}\nc: *x")
    assert [line.partition(";")[0] for line in problems] == [
        "f.yaml:1: a: anchors are not read",
        "f.yaml:2: c: aliases are not read",
    ]


def test_a_merge_key_is_an_error() -> None:
    assert only_problem("a: {<<: {b: 1}}") == "f.yaml:1: a: merge keys are not read; write the values out"


def test_a_tag_is_an_error() -> None:
    assert "tags are not read" in only_problem("a: !!python/object:os.system 1")


def test_a_key_that_is_no_word_is_an_error() -> None:
    assert "a key must be a word" in only_problem("? [a, b]\n: 1")


def test_a_second_document_is_an_error() -> None:
    assert "a second document" in only_problem("a: 1\n---\nb: 2")


def test_an_empty_file_is_an_empty_table() -> None:
    assert read("# nothing\n") == (tree.Table({}, {}, 1), [])


def test_a_control_character_in_a_value_is_an_error() -> None:
    assert "control characters" in only_problem('a: "x\\r\\nInjected: 1"')


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\ta: 1", 'a: "\\UFFFFFFFF"', "%YAML 9.9\n--- a", "a: \x00", "@"])
def test_text_that_is_no_yaml_is_one_error_with_a_line(text: str) -> None:
    assert fatal(text).startswith("f.yaml:1: not YAML: ")


def test_a_hundred_thousand_brackets_cost_one_error_and_little_time() -> None:
    began = time.process_time()
    assert "deeper than 24 levels" in fatal("a: " + "[" * 100_000)
    assert time.process_time() - began < 5.0


def test_a_file_that_is_too_large_is_not_even_scanned() -> None:
    assert "larger than 256 KiB" in fatal("a" * (tree.LARGEST + 1))


def test_a_file_with_too_many_values_is_given_up() -> None:
    assert "more than 20000 values" in fatal("[" + "1," * 30_000 + "]")
