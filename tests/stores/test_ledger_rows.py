"""Rows become SQL: every kind has its statement, and arguments are recognised however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callactors.stores import ledger_rows
from callactors.stores.ledger_rows import OUTCOMES, EventRow, Row, TurnRow, arguments_hash, values


def test_every_row_has_its_sql() -> None:
    assert set(ledger_rows._SQL) == set(Row.__subclasses__())


@pytest.mark.parametrize("outcome", OUTCOMES[1:])
def test_every_outcome_has_its_rank(outcome: str) -> None:
    assert f"'{outcome}' THEN {OUTCOMES.index(outcome)}" in ledger_rows._RANK


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_was_heard_can_be_stored_surrogates_and_all(heard: str) -> None:
    bound = values(TurnRow(call="c", n=0, heard=heard, said="", stages={heard: 1.5}))
    assert bound["heard"].encode() == heard.encode("utf-8", "replace")
    assert bound["stages"].encode().endswith(b"1.5}")


def test_an_event_body_of_any_shape_is_json() -> None:
    assert values(EventRow(call="c", at=1, kind="k", body={"a": [1, None]}))["body"] == '{"a":[1,null]}'


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":[1,2]}', ' { "b" : [1, 2], "a" : 1 } ', True),
        ('{"a":1}', '{"a":2}', False),
        ("no json", "no json", True),
        ("[" * 5000, "[" * 5000, True),
    ],
)
def test_the_hash_follows_the_value_and_not_its_spelling(one: str, other: str, same: bool) -> None:
    assert (arguments_hash(one) == arguments_hash(other)) is same
