"""Digits in the vault: one look for a token, never a word of them elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import ToolFailed
from callactors.tools.vault import MASK, Vault


def test_a_token_is_redeemed_once() -> None:
    vault = Vault()
    token = vault.keep("4111111111111111")
    assert vault.redeem(token) == "4111111111111111"
    with pytest.raises(ToolFailed, match="typed again"):
        vault.redeem(token)


def test_every_token_is_another_and_none_can_be_guessed() -> None:
    vault = Vault()
    tokens = {vault.keep("1234") for _ in range(100)}
    assert len(tokens) == 100
    with pytest.raises(ToolFailed):
        vault.redeem("keyed-000000000000")


def test_after_the_call_nothing_is_left_to_redeem() -> None:
    vault = Vault()
    token = vault.keep("2468")
    vault.forget()
    with pytest.raises(ToolFailed):
        vault.redeem(token)


def test_what_was_redeemed_is_still_scrubbed_after_the_call() -> None:
    vault = Vault()
    vault.redeem(vault.keep("4111111111111111"))
    vault.forget()
    assert vault.scrub("4111 1111-1111.1111 and 4111111111111111") == f"{MASK} and {MASK}"


def test_a_short_number_within_a_longer_one_is_another_number_and_a_long_one_is_not() -> None:
    vault = Vault()
    vault.keep("123")
    vault.keep("4111111111111111")
    assert vault.scrub("51234, 123, a123b") == f"51234, {MASK}, a{MASK}b"
    assert vault.scrub("12304111111111111111567") == f"1230{MASK}567"


def test_no_repr_shows_a_digit() -> None:
    vault = Vault()
    vault.redeem(vault.keep("8642"))
    vault.keep("9753")
    assert not any(digits in repr(vault) for digits in ("8642", "9753"))


@settings(max_examples=100)
@given(st.text("0123456789", min_size=3, max_size=19), st.text(max_size=30), st.sampled_from(["", " ", "-", "."]))
def test_whatever_stands_around_it_a_number_is_not_repeated(digits: str, around: str, between: str) -> None:
    vault = Vault()
    vault.keep(digits)
    assert between.join(digits) not in vault.scrub(f"{around} {between.join(digits)} {around}").replace(around, "")
