"""The items of one Realtime conversation, in order, and how much audio each of ours has sent. Pure.

Bounded: past MOST items the oldest are forgotten, as a model's truncation would.
"""

from __future__ import annotations

import attrs

from callactors.realtime.items import Item, Part
from callactors.speech.session import InvalidValue

MOST = 2_000


@attrs.define
class Items:
    """What was said and done. Every id is unique; errors are InvalidValue with OpenAI's code."""

    _items: dict[str, Item] = attrs.field(factory=dict, init=False)
    _order: list[str] = attrs.field(factory=list, init=False)
    _sent_ms: dict[str, int] = attrs.field(factory=dict, init=False)

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Put `item` at the end, or after the item `after` ("root" is the beginning); the id of the one before it."""
        if item.id is None or item.id in self._items:
            raise InvalidValue("item.id", f"{item.id!r} is already in the conversation")
        at = len(self._order)
        if after == "root":
            at = 0
        elif after is not None:
            self.get(after, "item_create_invalid_previous_item_id", "previous_item_id")
            at = self._order.index(after) + 1
        self._order.insert(at, item.id)
        self._items[item.id] = item
        if len(self._order) > MOST:
            self._forget(self._order[0])
            at -= 1
        return self._order[at - 1] if at > 0 else None

    def get(self, item_id: str, code: str, param: str = "item_id") -> Item:
        """The item, or InvalidValue with `code`."""
        if item_id not in self._items:
            raise InvalidValue(param, f"there is no item {item_id!r}", code)
        return self._items[item_id]

    def replace(self, item: Item) -> None:
        """A later state of an item; nothing when it was deleted meanwhile."""
        if item.id in self._items:
            self._items[item.id] = item

    def sent(self, item_id: str, ms: int) -> None:
        """So much audio of it has been sent altogether."""
        self._sent_ms[item_id] = ms

    def delete(self, item_id: str) -> None:
        self.get(item_id, "item_delete_invalid_item_id")
        self._forget(item_id)

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut our message after what was heard; its transcript goes. InvalidValue past the audio sent."""
        item = self.get(item_id, "item_truncate_invalid_item_id")
        if item.type != "message" or item.role != "assistant":
            raise InvalidValue("item_id", "only an assistant's message can be truncated")
        if content_index != 0:
            raise InvalidValue("content_index", f"the item has no content part {content_index}")
        sent = self._sent_ms.get(item_id, 0)
        if audio_end_ms < 0:
            raise InvalidValue("audio_end_ms", f"{audio_end_ms} is less than 0")
        if audio_end_ms > sent:
            raise InvalidValue("audio_end_ms", f"Audio content of {sent}ms is already shorter than {audio_end_ms}ms")
        self._sent_ms[item_id] = audio_end_ms
        part = Part(type="output_audio")
        self._items[item_id] = Item(
            type="message", id=item_id, object=item.object, role="assistant", status=item.status, content=(part,)
        )

    def __len__(self) -> int:
        return len(self._order)

    def _forget(self, item_id: str) -> None:
        self._order.remove(item_id)
        del self._items[item_id]
        self._sent_ms.pop(item_id, None)
