"""The tokenizer: what ends where, and that a long text is read in one pass."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip.scan import (
    MAX_NULS,
    MAX_STOPS,
    end_of_quoted,
    has_bare_nul,
    host_port,
    number,
    parameter_text,
    parameters,
    quote,
    split,
    unquote,
)


@pytest.mark.parametrize(("text", "end"), [('""', 2), ('"a" b', 3), ('"a\\"b"', 6), ('"\\\\"x"', 4), ('"\\""', 4)])
def test_a_quoted_string_ends_at_its_own_quote(text: str, end: int) -> None:
    assert end_of_quoted(text, 0) == end


@pytest.mark.parametrize("text", ['"', '"a', '"a\\"', '"\\', '"\\"'])
def test_a_quoted_string_that_never_ends_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        end_of_quoted(text, 0)


@settings(max_examples=100)
@given(st.text())
def test_any_text_comes_back_from_quotes_unless_it_would_end_its_line(text: str) -> None:
    if any(end in text for end in "\r\n\0"):
        with pytest.raises(UnsafeText):
            quote(text)
    else:
        assert unquote(quote(text)) == text
        assert end_of_quoted(quote(text), 0) == len(quote(text))


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("a", False),
        ("a\0", True),
        ('"\0"', True),
        ('"\\\0"', False),
        ('"\\\\\0"', True),
        ('"\\\0" "\\\0"', False),
        ('"\\\0" \0', True),
        ('\0 "\\\0"', True),
        ('"\\\0', True),
        ('"' + "\\\0" * (MAX_NULS + 1) + '"', True),
    ],
)
def test_a_nul_is_tolerated_only_escaped_in_quotes(text: str, bare: bool) -> None:
    assert has_bare_nul(text) is bare


def test_parts_are_stripped_of_space_and_tab_only() -> None:
    assert split(" a ,\tb\t,\xa0c", ",") == ["a", "b", "\xa0c"]


def test_more_separators_than_the_limit_are_malformed() -> None:
    with pytest.raises(MalformedMessage):
        split("," * (MAX_STOPS + 1), ",")


def test_parameters_keep_their_spelling() -> None:
    found = parameters(' ; Tag = 1;lr;q="a;b";x='.lstrip(" "))
    assert found == (("Tag", "1"), ("lr", None), ("q", '"a;b"'), ("x", ""))
    assert parameter_text(found) == ';Tag=1;lr;q="a;b";x='


@pytest.mark.parametrize("text", ["1_0", "+1", "-1", " 1", "1 ", "", "\u0661", "\xb2", "256", "1" * 5_000])
def test_a_number_is_ascii_digits_within_its_limit(text: str) -> None:
    with pytest.raises(MalformedMessage):
        number(text, 255, "not a number")


def test_a_host_may_have_white_space_around_its_colon() -> None:
    assert host_port("127.0.0.1 : 5060") == host_port("127.0.0.1:5060") == ("127.0.0.1", 5060)
    assert host_port("[::1] : 5060") == ("::1", 5060)
