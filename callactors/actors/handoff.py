"""Handing the caller to a person by REFER (RFC 3515): announce, wait until heard, refer, wait for the final NOTIFY.

- With a 2xx the leg gets its BYE at once; with anything else, or nothing in time, the caller is taken back and told so.
- The outcome is always one of five: completed, refused, no_answer, failed, presumed.
- The model names a target of the scenario; what it dials stands in callactors.yaml. Anything else is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import trio

from callactors.actors.leg import Leg
from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentSpoke,
    Message,
    OutcomeReached,
    SpeakPhrase,
    ToolFinished,
    TransferEnded,
    TransferRequested,
    TransferTried,
)
from callactors.routing.trunk import Target

ANNOUNCE = 12.0  # seconds an announcement may take to be heard before the transfer goes ahead without it


@attrs.frozen
class Phrases:
    """What a handoff says, from the scenario."""

    announce: str
    back: str


@attrs.define(eq=False)
class Handoff:
    """One call's way to a person."""

    leg: Leg
    targets: Mapping[str, Target]
    phrases: Phrases
    mailbox: Mailbox[Message]
    desk: Mailbox[Message]
    patience: float = 30.0  # seconds from REFER to the final NOTIFY
    _tried: int = attrs.field(default=0, init=False)
    _next: TransferRequested | None = attrs.field(default=None, init=False)  # asked for while one is under way

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        async for message in self.mailbox:
            request = message if isinstance(message, TransferRequested) else None
            while request is not None:
                await self._hand_over(request)
                request, self._next = self._next, None

    async def _hand_over(self, request: TransferRequested) -> None:
        target = self.targets.get(request.target)
        if target is None:
            await self._answer_model(request, f"There is no one called {request.target!r} to transfer to.")
            return
        self._tried += 1
        await self._say("announce", self.phrases.announce)
        asked = trio.current_time()
        await self.desk.send(TransferTried(at=asked, target=target.name, asked=asked))
        await self.leg.refer(target)
        ended = await self._wait_for(TransferEnded, self.patience)
        if ended is None:
            ended = TransferEnded(at=trio.current_time(), leg=0, outcome="no_answer")
        handed_off = ended.outcome in ("completed", "presumed")
        if handed_off:
            await self.desk.send(OutcomeReached(at=trio.current_time(), outcome="handed_off", detail=target.name))
        await self.desk.send(
            TransferTried(
                at=trio.current_time(), target=target.name, asked=asked, outcome=ended.outcome, sip_code=ended.sip_code
            )
        )
        if not handed_off:
            await self._take_back(request, ended)

    async def _take_back(self, request: TransferRequested, ended: TransferEnded) -> None:
        self.leg.take_back()
        await self._say("back", self.phrases.back)
        code = f" (SIP {ended.sip_code})" if ended.sip_code else ""
        await self._answer_model(request, f"The transfer was not taken: {ended.outcome}{code}. The caller is back.")

    async def _answer_model(self, request: TransferRequested, output: str) -> None:
        if request.session is not None:
            await self.desk.send(
                ToolFinished(
                    at=trio.current_time(),
                    session=request.session,
                    tool_request_id=request.tool_request_id,
                    output=output,
                    failed=True,
                )
            )

    async def _say(self, kind: str, text: str) -> None:
        """Say it, and wait until it was heard."""
        utterance = f"local:{kind}-{self._tried}"
        await self.desk.send(SpeakPhrase(at=trio.current_time(), utterance=utterance, text=text))
        await self._wait_for(AgentSpoke, ANNOUNCE, utterance)

    async def _wait_for(
        self, kind: type[TransferEnded] | type[AgentSpoke], patience: float, utterance: str | None = None
    ) -> TransferEnded | None:
        """The next such message; a request for another transfer waits, and only the latest."""
        with trio.move_on_after(patience if patience else math.inf):
            async for message in self.mailbox:
                if isinstance(message, TransferRequested):
                    self._next = message
                if not isinstance(message, kind):
                    continue
                if isinstance(message, AgentSpoke) and message.utterance != utterance:
                    continue
                return message if isinstance(message, TransferEnded) else None
        return None
