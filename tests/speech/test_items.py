"""The conversation's items: order, truncation at what was sent, and a bound."""

from __future__ import annotations

import pytest

from callactors.realtime.items import Item, Part
from callactors.speech.items import MOST, Items
from callactors.speech.session import InvalidValue


def spoken(item_id: str) -> Item:
    part = Part(type="output_audio", transcript="Hello there.")
    return Item(type="message", id=item_id, role="assistant", content=(part,))


def test_an_item_follows_the_last_one() -> None:
    items = Items()
    assert [items.add(spoken(name)) for name in "abc"] == [None, "a", "b"]


def test_an_item_may_be_put_at_the_root_or_after_another() -> None:
    items = Items()
    items.add(spoken("a"))
    assert items.add(spoken("b"), "root") is None
    assert items.add(spoken("c"), "b") == "b"
    assert items.add(spoken("d")) == "a"


def test_an_id_is_used_once() -> None:
    items = Items()
    items.add(spoken("a"))
    with pytest.raises(InvalidValue):
        items.add(spoken("a"))


def test_truncation_takes_the_transcript() -> None:
    items = Items()
    items.add(spoken("a"))
    items.sent("a", 1_000)
    items.truncate("a", 0, 400)
    assert items.get("a", "x").content == (Part(type="output_audio"),)


@pytest.mark.parametrize(("item_id", "index", "ms"), [("a", 0, 1_001), ("a", 1, 10), ("a", 0, -1), ("x", 0, 10)])
def test_truncation_past_what_there_is_is_refused(item_id: str, index: int, ms: int) -> None:
    items = Items()
    items.add(spoken("a"))
    items.sent("a", 1_000)
    with pytest.raises(InvalidValue):
        items.truncate(item_id, index, ms)


def test_the_oldest_items_are_forgotten() -> None:
    items = Items()
    for number in range(MOST + 3):
        items.add(spoken(str(number)))
    assert len(items) == MOST


def test_a_deleted_item_is_gone() -> None:
    items = Items()
    items.add(spoken("a"))
    items.delete("a")
    with pytest.raises(InvalidValue, match="no item"):
        items.delete("a")
