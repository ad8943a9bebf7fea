"""Where a conversation stands: the job being filled in, what is known of the caller, what was last asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from callactors.speech.mind.picking import Job
from callactors.speech.mind.slots import PERSONAL, Slot

Stage = Literal[
    "idle",  # nothing is being arranged
    "collecting",  # a slot was asked for
    "confirming",  # a write was read back
    "changing",  # it was not right; what to change was asked
    "proposed",  # a tool's result proposes the next tool, and the caller was asked
    "offering_person",  # something failed, and a person was offered
]


@attrs.define
class State:
    """One caller's conversation. Changed in place by the mind, by nobody else."""

    stage: Stage = "idle"
    job: Job | None = None
    values: dict[str, Any] = attrs.field(factory=dict)  # of the job's slots
    pieces: dict[str, Any] = attrs.field(factory=dict)  # beginnings of values
    asked: str | None = None  # the slot last asked for
    offers: Mapping[str, list[str]] = attrs.field(factory=dict)  # by slot name, what a tool said would do
    proposal: str | None = None  # the tool proposed
    memory: dict[str, Any] = attrs.field(factory=dict)  # by parameter name, across tools and specialists
    personal: set[str] = attrs.field(factory=lambda: {"phone"})  # names in `memory` that are about the caller
    misses: int = 0  # in a row
    closing: bool = False  # "is there anything else?" was asked

    def begin(self, job: Job) -> None:
        """Take up a job with what is already known."""
        self.drop()
        self.job, self.stage = job, "collecting"
        self.personal |= {slot.name for slot in job.slots if slot.kind in PERSONAL}
        for slot in job.slots:
            known = self.memory.get(slot.name, self.memory.get("phone") if slot.kind == "phone" else None)
            if slot.kind != "text" and known is not None and slot.takes(known):
                self.values[slot.name] = known

    def learn(self, values: Mapping[str, Any], pieces: Mapping[str, Any]) -> None:
        """Take in what an utterance gave."""
        self.values.update(values)
        self.memory.update(values)
        self.pieces = {**self.pieces, **pieces}
        for name in values:
            self.pieces.pop(name, None)
        self.misses, self.closing = 0, False

    def forget(self, *names: str) -> None:
        """These values were wrong."""
        for name in names:
            self.values.pop(name, None)
            self.memory.pop(name, None)

    def drop(self) -> None:
        """Nothing is being arranged any more."""
        self.stage, self.job, self.asked, self.proposal = "idle", None, None, None
        self.values, self.pieces, self.offers = {}, {}, {}
        self.misses, self.closing = 0, False

    def done(self, wrote: bool) -> None:
        """A job is finished: after a write only who the caller is remains known."""
        if wrote:
            self.memory = {name: value for name, value in self.memory.items() if name in self.personal}
        self.drop()

    def missing(self) -> Slot | None:
        """The next slot to ask for."""
        slots = self.job.slots if self.job else ()
        return next((slot for slot in slots if slot.required and slot.name not in self.values), None)
