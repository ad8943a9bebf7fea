"""The generated tools, which the call itself performs: hand over, transfer, collect digits, record, end.

- A request is answered at once, or by what it has begun; everything asked and answered is a row of the record.
- Who of the scenario's agents speaks now is known here: they change by `hand_over`, and their tools with them.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import msgspec
import trio

from callactors.actors.messages import Message, SwapAgent, ToolFinished, ToolRequested
from callactors.calls.collecting import Collecting, Wanted, wanted_of
from callactors.calls.patience import Patience
from callactors.calls.playbook import Playbook, Specialist
from callactors.calls.record import CallRecord
from callactors.calls.taping import Taping
from callactors.calls.transfers import Transfers
from callactors.errors import BadArguments
from callactors.routing.cause import Cause
from callactors.tools.arguments import validate
from callactors.tools.generated import COLLECT, END, HAND_OVER, RECORD, TRANSFER

OWN = frozenset({HAND_OVER, TRANSFER, END, COLLECT, RECORD})


@attrs.define(eq=False)
class OwnTools:
    """One call's. `to_model` sends to the session now living, `wind_down` says goodbye and ends the call."""

    caller: str
    language: str
    playbook: Playbook
    specialist: Specialist
    record: CallRecord
    patience: Patience
    collecting: Collecting
    taping: Taping
    transfers: Transfers
    spawn: Callable[..., None]
    to_model: Callable[[Message], None]
    wind_down: Callable[[Cause], None]

    def perform(self, request: ToolRequested) -> None:
        """Do what a tool of OWN was asked for."""
        self.record.tool_started(request.session, request.tool_request_id, request.tool, bytes(request.arguments))
        try:
            arguments = msgspec.json.decode(request.arguments, type=dict[str, object])
        except msgspec.DecodeError as error:
            return self.finish(request, f"arguments are not a JSON object: {error}", failed=True)
        if request.tool == HAND_OVER:
            self._hand_over(request, str(arguments.get("to", "")))
        elif request.tool == TRANSFER:
            self._transfer(request, str(arguments.get("target", "")))
        elif request.tool == COLLECT:
            self._collect(request)
        elif request.tool == RECORD:
            self.finish(request, self.taping.requested(arguments), failed=False)
        else:
            self.finish(request, "ok", failed=False, tell_model=False)
            self.wind_down(Cause.AGENT_HUNG_UP)

    def unknown(self, request: ToolRequested) -> None:
        """There is no such tool, whoever is asked."""
        there = ", ".join(self.specialist.tools)
        self.finish(request, f"there is no tool {request.tool!r}; there are {there}", failed=True)

    def finish(self, request: ToolRequested, output: str, *, failed: bool, tell_model: bool = True) -> None:
        """The answer to a request, for the record and the model."""
        finished = ToolFinished(
            at=trio.current_time(),
            session=request.session,
            tool_request_id=request.tool_request_id,
            output=output,
            failed=failed,
        )
        self.record.tool_done(request.session, request.tool_request_id, "failed" if failed else "finished", output)
        if tell_model:
            self.to_model(finished)

    def _hand_over(self, request: ToolRequested, name: str) -> None:
        colleagues = self.playbook.scenario.agents[self.specialist.name].handover
        if name not in colleagues:
            wrong = f"there is no colleague {name!r}; there are {', '.join(colleagues)}"
            return self.finish(request, wrong, failed=True)
        self.specialist = self.playbook.specialist(name, self.caller, self.language)
        self.record.event("handed_over", to=name)
        swap = SwapAgent(
            at=trio.current_time(),
            instructions=self.specialist.instructions,
            tools=tuple(self.specialist.schemas()),
        )
        self.to_model(swap)
        self.finish(request, f"{name} carries on.", failed=False)

    def _transfer(self, request: ToolRequested, target: str) -> None:
        if not self.transfers.begin(target, request):
            self.finish(request, "the caller is being put through already", failed=True)

    def _collect(self, request: ToolRequested) -> None:
        """Have the caller type something in private; the model waits for its token meanwhile."""
        try:
            wanted = wanted_of(validate(self.specialist.tools[COLLECT], request.arguments))
        except BadArguments as error:
            return self.finish(request, str(error), failed=True)
        if self.collecting.busy:
            return self.finish(request, "the caller is typing something already", failed=True)
        self.patience.busy()
        self.spawn(self._collected, request, wanted)

    async def _collected(self, request: ToolRequested, wanted: Wanted) -> None:
        told = await self.collecting.ask(wanted)
        self.patience.agent_ended(trio.current_time())
        self.finish(request, msgspec.json.encode(told).decode(), failed=not told["ok"])
        await self.collecting.settle()
