"""The customer file: one record a person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from callactors.stores.crm import NOTES, Crm


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    made = Crm(f"sqlite:///{tmp_path}/deep/stores.db")
    yield made
    made.close()


def test_a_person_is_remembered_once_whatever_form_the_number_has(crm: Crm) -> None:
    first = crm.remember("Ann Lee", "+1 312 555 0100", "prefers Maya")
    second = crm.remember("ann lee", "(312) 555-0100", "allergic to dye")
    assert (first.new, second.new, second.id) == (True, False, first.id)
    assert crm.find(phone="3125550100") == second
    assert second.note == "prefers Maya\nallergic to dye"


def test_without_a_number_the_name_decides(crm: Crm) -> None:
    first = crm.remember("Bo")
    assert crm.remember("  BO ", note="hello").id == first.id
    assert crm.find("bo") is not None
    assert crm.find("nobody") is crm.find() is None


def test_a_name_known_without_a_number_gets_it_and_a_namesake_with_another_number_stays_apart(crm: Crm) -> None:
    known = crm.remember("Bo")
    assert crm.remember("Bo", "5550001").id == known.id
    assert crm.remember("Bo", "5550002").id != known.id
    assert len(crm.records()) == 2


def test_the_same_note_twice_is_kept_once_and_notes_are_bounded(crm: Crm) -> None:
    assert crm.remember("Bo", note="x").note == crm.remember("Bo", note="x").note
    for n in range(20):
        record = crm.remember("Bo", note=f"{n} " + "y" * 900)
    assert len(record.note) == NOTES
    assert "19 y" in record.note


def test_a_record_needs_a_name_or_a_number(crm: Crm) -> None:
    with pytest.raises(ValueError, match="a name or a phone number"):
        crm.remember("  ", "unknown")


def test_control_characters_and_endless_names_are_tidied(crm: Crm) -> None:
    record = crm.remember("A\r\nB\x00" + "c" * 10_000)
    assert record.name.startswith("A B c")
    assert len(record.name) == 200


def test_callers_with_one_number_at_the_same_moment_make_one_record(crm: Crm) -> None:
    threads = [threading.Thread(target=crm.remember, args=("Ann", "5550100", f"note {n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (record,) = crm.records()
    assert len(record.note.splitlines()) == 8
