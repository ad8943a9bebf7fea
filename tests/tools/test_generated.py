"""The tools every scenario has without writing them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.stores.knowledge import Knowledge
from callactors.tools.desk import Desk
from callactors.tools.generated import answer_question, generated, hand_over, what_they_do, with_examples
from callactors.tools.result import outcomes_of, output_of
from callactors.tools.tool import tool


def test_hand_over_names_the_specialists_and_what_they_do() -> None:
    to = hand_over({"booking": "makes appointments.", "care": "cancels them"}).parameters["properties"]["to"]
    assert to["enum"] == ["booking", "care"]
    assert "booking: makes appointments. care: cancels them." in to["description"]


def test_only_what_applies_is_generated() -> None:
    assert set(generated(specialists={}, targets=[], knowledge=False)) == {"end_call"}
    everything = generated(specialists={"a": "b"}, targets=["desk"], knowledge=True)
    assert set(everything) == {"end_call", "hand_over", "transfer_to_human", "answer_question"}


def test_the_call_itself_performs_all_but_answers() -> None:
    tools = generated(specialists={"a": "b"}, targets=["desk"], knowledge=True, topics="prices")
    assert [name for name, made in tools.items() if made.run] == ["answer_question"]
    assert "prices" in tools["answer_question"].description


def test_answers_come_from_the_knowledge(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stores.db"
    note = tmp_path / "notes.md"
    note.write_text("# Parking\nBehind the house.\n", "utf-8")
    desk = Desk(Calendar(url), Crm(url), Knowledge(url), "", lambda: datetime(2026, 11, 22))
    desk.knowledge.load([note])
    assert answer_question()(desk, "where is parking")["say"] == "Behind the house."
    assert answer_question()(desk, "quantum")["ok"] is False
    for store in (desk.calendar, desk.crm, desk.knowledge):
        store.close()


def test_a_persona_says_what_it_does_in_its_first_line() -> None:
    assert what_they_do("# Booking: makes appointments\n\nYou book.") == "makes appointments"
    assert what_they_do("# Booking\n\nYou book.") == "You book."
    assert what_they_do("") == ""


def test_examples_join_the_description() -> None:
    assert with_examples(answer_question(), ["how much is it"]).description.endswith("Callers say: how much is it")
    assert with_examples(answer_question(), []) == answer_question()


def test_outcomes_are_the_declared_one_or_those_the_tool_names_and_none_when_it_said_no() -> None:
    @tool(outcome="booking_captured")
    def book() -> str:
        """Book."""
        return ""

    assert outcomes_of(book, "done") == ("booking_captured",)
    assert outcomes_of(book, {"ok": False}) == ()
    assert outcomes_of(book, {"outcomes": ["a", "b"]}) == ("a", "b")


def test_a_sentence_is_a_result_too() -> None:
    assert output_of("Done.") == '{"ok":true,"say":"Done."}'
