"""Call ids: RFC 9562 version 7, sortable, carrying the time they were made."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callactors.stores.ids import began, uuid7

MS = st.integers(min_value=0, max_value=(1 << 48) - 1)


@given(MS, st.integers())
def test_an_id_is_a_uuid7_and_tells_when_it_began(ms: int, seed: int) -> None:
    call = uuid7(ms, random.Random(seed))
    assert (uuid.UUID(call).version, uuid.UUID(call).variant, began(call)) == (7, uuid.RFC_4122, ms)


@given(MS, MS)
def test_ids_sort_by_time(one: int, other: int) -> None:
    if one != other:
        assert (uuid7(one) < uuid7(other)) == (one < other)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({uuid7(5) for _ in range(1000)}) == 1000


def test_another_kind_of_uuid_has_no_beginning() -> None:
    with pytest.raises(ValueError, match="not a uuid7"):
        began(str(uuid.uuid4()))
