"""Recognising a person by number or name."""

from __future__ import annotations

import pytest

from callactors.stores.people import name_key, phone_key, tidy


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("+1 (312) 555-0100", "3125550100"),
        ("312.555.0100", "3125550100"),
        ("+44 20 7946 0958", "2079460958"),
        ("100", "100"),
        ("anonymous", None),
        ("", None),
        (None, None),
        ("\u0661\u0662", None),
        ("9" * 1_000_000, "9" * 10),
    ],
)
def test_a_number_is_its_last_ten_digits(phone: str | None, key: str | None) -> None:
    assert phone_key(phone) == key


def test_a_name_is_compared_without_case_and_spare_spaces() -> None:
    assert name_key(" Ann   LEE ") == name_key("ann lee") == "ann lee"
    assert name_key(None) == ""


def test_text_is_stored_printable_and_bounded() -> None:
    assert tidy("a\r\n\x00b  c\x1b") == "a b c"
    assert len(tidy("x" * 10_000, 40)) == 40
