"""What one call knows of putting its caller through to a person: whether it is under way, who asked, how it ended.

- One transfer at a time; a model that asks for a second one is told so, a digit is ignored.
- Every attempt ends in the record as one of the five outcomes, whatever else ended first.
- The way there is actors/handoff.py; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import msgspec
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    By,
    CallEnded,
    Message,
    ToolFinished,
    ToolRequested,
    TransferRequested,
    TransferTried,
)
from callactors.calls.patience import Patience
from callactors.calls.record import CallRecord
from callactors.routing.cause import Cause

LONGEST = 200  # characters kept of a target that nobody is


@attrs.define(eq=False)
class Transfers:
    """The transfers of one call, one after the other."""

    record: CallRecord
    to_handoff: Mailbox[Message]
    patience: Patience
    tell: Callable[..., None]
    under_way: bool = attrs.field(default=False, init=False)
    bridged: trio.Event = attrs.field(factory=trio.Event, init=False)  # caller and person talk, the agent is gone
    _asked: ToolRequested | None = attrs.field(default=None, init=False)  # by the model, and not answered yet
    _tried: TransferTried | None = attrs.field(default=None, init=False)  # its outcome is not known yet
    _target: str | None = attrs.field(default=None, init=False)  # what was asked for, until a way there is tried

    def begin(self, target: str, request: ToolRequested | None) -> bool:
        """Ask for a transfer, by the model's request or (None) a digit's; False when one is under way already."""
        if self.under_way:
            return False
        self.under_way, self._asked, self._target = True, request, target
        self.patience.busy()
        self.tell("transfer", target=target)
        request_id = request.tool_request_id if request else "digit"
        session = request.session if request else None
        self.to_handoff.offer(
            TransferRequested(at=trio.current_time(), tool_request_id=request_id, target=target, session=session)
        )
        return True

    def finished(self, finished: ToolFinished) -> None:
        """The model was answered; when that is about a transfer of its asking, that one came to nothing."""
        if self._asked is not None and self._asked.tool_request_id == finished.tool_request_id:
            self.under_way = False
            if self._target is not None:  # nobody of that name: the list is the scenario's, whatever a model says
                self.record.event("transfer_denied", target=self._target[:LONGEST])
            self._answered("failed", finished.output)

    def tried(self, tried: TransferTried) -> CallEnded | None:
        """One attempt, begun or ended; with the caller gone to the person, how the call ends."""
        self.record.transfer(tried)
        self._target = None
        self._tried = tried if tried.outcome is None else None
        if tried.outcome is None:
            return None
        self.under_way = tried.more
        self.tell("transfer_ended", target=tried.target, outcome=tried.outcome, sip_code=tried.sip_code)
        if tried.more:
            return None
        if tried.outcome not in ("completed", "presumed"):
            self.patience.agent_ended(tried.at)
            return None
        self._answered("finished", tried.outcome)
        if tried.kind == "bridged":
            self.under_way = True  # for good: nobody else is called into it, and nobody asks whether they are there
            self.bridged.set()
            return None
        by: By = "us" if tried.outcome == "completed" else "far_end"
        return CallEnded(at=trio.current_time(), cause=Cause.TRANSFERRED, by=by)

    def over(self) -> None:
        """The call has ended: what was still asked for will not be answered."""
        if self._tried is not None:
            self.record.transfer(msgspec.structs.replace(self._tried, outcome="failed"))
        self._answered("failed", "the call ended first")

    def _answered(self, state: str, output: str) -> None:
        """The record's word on the model's request, once."""
        asked, self._asked = self._asked, None
        if asked is not None:
            self.record.tool_done(asked.session, asked.tool_request_id, state, output)
