"""Knowledge: the right section first, and no question that breaks the search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callactors.stores.knowledge import Knowledge, sections

SALON = """Welcome.

# Parking
There is a car park behind the house.

## Prices
A cut is 45 dollars.
```
# no heading
```
# Empty
# Opening hours
Monday to Friday, nine to six.
"""


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    (tmp_path / "salon-facts.md").write_text(SALON)
    made = Knowledge(f"sqlite:///{tmp_path}/stores.db", "salon")
    made.load([tmp_path / "salon-facts.md"])
    yield made
    made.close()


def test_a_markdown_file_is_cut_at_its_headings() -> None:
    assert [title for title, _ in sections(SALON, "salon-facts")] == [
        "salon facts",
        "Parking",
        "Prices",
        "Opening hours",
    ]


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("How much is a cut?", "Prices"),
        ("Where can I park my car?", "Parking"),
        ("When do you open?", "Opening hours"),
    ],
)
def test_the_section_that_answers_comes_first(knowledge: Knowledge, question: str, title: str) -> None:
    assert knowledge.search(question)[0].title == title


@pytest.mark.parametrize("question", ["", "   ", "?!", '"', "xyzzy AND (", "title: *", "NEAR(", "\x00", "-", "xyzzy"])
def test_a_question_without_words_or_full_of_syntax_finds_nothing_and_harms_nothing(
    knowledge: Knowledge, question: str
) -> None:
    assert knowledge.search(question) == []


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_question_raises(knowledge: Knowledge, question: str) -> None:
    assert len(knowledge.search(question, 2)) <= 2


def test_scores_fall_and_k_bounds_them(knowledge: Knowledge) -> None:
    found = knowledge.search("cut car hours welcome", 3)
    assert len(found) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_loading_again_replaces_what_this_house_knew_and_no_other(tmp_path: Path, knowledge: Knowledge) -> None:
    (tmp_path / "new.md").write_text("# Dogs\nDogs are welcome.")
    other = Knowledge(f"sqlite:///{tmp_path}/stores.db", "dental")
    assert other.load([tmp_path / "new.md"]) == 1
    assert knowledge.search("parking") != []
    assert knowledge.search("dogs") == []
    other.close()
