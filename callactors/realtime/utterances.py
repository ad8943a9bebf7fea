"""What the agent says, item by item: audio received, what of it was heard, and what text that leaves.

- An utterance is one assistant message item; play-out knows it by its item id, or by a `local:` name we gave it.
- Of what is queued when the caller cuts in, play order decides: all before what sounded was heard, none after.
- `local:` utterances are never truncated at the model.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import attrs

CUT_MARK = " [...]"  # ends the text of an utterance that was not heard whole
TEXT_LIMIT = 16_384  # characters of transcript kept for one utterance
REMEMBERED = 64  # settled utterances kept for late transcripts
LOCAL = "local:"


@attrs.define(eq=False)
class Utterance:
    """One assistant message on its way to the caller."""

    item_id: str
    name: str
    response_id: str
    bytes_per_ms: int
    content_index: int = 0
    received: int = 0  # bytes of audio
    text: str = ""
    complete: bool = False  # the model has sent the last of it
    started: bool = False  # its first packet left
    stopping: bool = False  # a flush is under way
    heard_ms: int | None = None  # None until known
    cut: bool = False

    @property
    def ms(self) -> int:
        """Length of the audio received."""
        return self.received // self.bytes_per_ms

    @property
    def settled(self) -> bool:
        """Nothing more can be learned about what the caller heard of it."""
        return self.heard_ms is not None or (self.complete and not self.received)

    @property
    def said(self) -> str:
        """The text of what was heard, estimated by time where it was cut."""
        if not self.received or (self.cut and not self.heard_ms):
            return ""
        if not self.cut and self.heard_ms is not None:
            return self.text
        if not self.cut:
            return self.text + CUT_MARK  # the call ended while it sounded
        kept = self.text[: len(self.text) * (self.heard_ms or 0) // max(1, self.ms)]
        return (kept if len(kept) == len(self.text) else kept.rpartition(" ")[0] or kept) + CUT_MARK

    def hear(self, ms: int) -> None:
        """It sounded for `ms`, clamped to what was received; less than all of it is a cut."""
        self.heard_ms = min(ms, self.ms)
        self.cut = self.heard_ms < self.ms or not self.complete

    def hear_all(self) -> None:
        self.heard_ms, self.cut = self.ms, False

    def add_text(self, text: str) -> None:
        self.text = (self.text + text)[:TEXT_LIMIT]


@attrs.define(eq=False)
class Utterances:
    """The utterances of one session, in play order."""

    bytes_per_ms: int
    _items: OrderedDict[str, Utterance] = attrs.field(factory=OrderedDict)

    def get(self, item_id: str) -> Utterance | None:
        return self._items.get(item_id)

    def open(self, item_id: str, response_id: str, name: str) -> Utterance:
        """The utterance of this item, made when new."""
        utterance = self._items.get(item_id)
        if utterance is None:
            utterance = self._items[item_id] = Utterance(item_id, name, response_id, self.bytes_per_ms)
            self._prune()
        return utterance

    def named(self, name: str) -> Utterance | None:
        return next((utterance for utterance in self._items.values() if utterance.name == name), None)

    def of(self, response_id: str) -> list[Utterance]:
        return [utterance for utterance in self._items.values() if utterance.response_id == response_id]

    def stop(self) -> None:
        """Play-out is being flushed: what is pending now will be settled by the next `cut_off`."""
        for utterance in self._pending():
            utterance.stopping = True

    def cut_off(self, name: str | None, ms: int) -> list[Utterance]:
        """What the flush found sounding. Returns the utterances the model must truncate, in play order."""
        stopped = [utterance for utterance in self._pending() if utterance.stopping]
        names = [utterance.name for utterance in stopped]
        sounding = names.index(name) if name in names else None
        for place, utterance in enumerate(stopped):
            if place == sounding:
                utterance.hear(ms)
            elif self._was_heard(place, sounding, utterance, name):
                utterance.hear(utterance.ms)
            else:
                utterance.heard_ms, utterance.cut = 0, True
            utterance.complete = True
        return [utterance for utterance in stopped if utterance.cut and not utterance.name.startswith(LOCAL)]

    @staticmethod
    def _was_heard(place: int, sounding: int | None, utterance: Utterance, name: str | None) -> bool:
        if sounding is not None:
            return place < sounding
        return name is None or utterance.started  # nothing sounded: all of it had; else one of ours did

    @property
    def pending(self) -> int:
        """How many are not settled."""
        return sum(not utterance.settled for utterance in self._items.values())

    def _pending(self) -> Iterable[Utterance]:
        return [utterance for utterance in self._items.values() if utterance.received and utterance.heard_ms is None]

    def _prune(self) -> None:
        for item_id in [key for key, value in self._items.items() if value.settled][:-REMEMBERED]:
            del self._items[item_id]
