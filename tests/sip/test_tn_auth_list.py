"""The numbers of a certificate, as DER (RFC 8226 section 9)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import BadIdentity
from callactors.sip.tn_auth_list import TnAuthList, read, write

DIGITS = st.text("0123456789", min_size=1, max_size=15)


def test_a_service_provider_code_is_read_as_openssl_writes_it() -> None:
    assert read(bytes.fromhex("3008a00616043132333a".replace("3a", "34"))) == TnAuthList(codes=("1234",))


@settings(max_examples=60)
@given(st.lists(DIGITS, max_size=40), st.lists(st.tuples(DIGITS, st.integers(1, 10**6)), max_size=40))
def test_what_is_written_is_read(codes: list[str], numbers: list[tuple[str, int]]) -> None:
    entries = TnAuthList(tuple(codes), tuple(numbers))
    if codes or numbers:
        assert read(write(entries)) == entries


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_no_bytes_lead_to_anything_but_bad_identity(der: bytes) -> None:
    try:
        assert isinstance(read(der), TnAuthList)
    except BadIdentity as problem:
        assert problem.status == 437  # noqa: PT017  # both ends are allowed


@pytest.mark.parametrize("der", ["", "30", "3005", "300030", "3084ffffffff", "3002a000", "3004a0021600"])
def test_broken_lengths_are_437(der: str) -> None:
    with pytest.raises(BadIdentity):
        read(bytes.fromhex(der))


def test_a_number_that_is_no_number_covers_only_itself() -> None:
    assert TnAuthList(numbers=(("#12", 5),)).covers("#12")
    assert not TnAuthList(numbers=(("#12", 5),)).covers("#13")
