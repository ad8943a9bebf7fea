"""Runs the tools the model asks for. A slow tool is an answer, never a dead call.

- Arguments are checked before anything runs; a tool that raises, hangs or says no is a ToolFinished with `failed`.
- A tool that declares `writes` runs to its own time limit in a nursery that outlives the call, and its end is recorded
  there; every other tool is cancelled with the call.
- One request is served once: a repeated tool_request_id of the same session is dropped, and a write that an earlier
  session of this call already made (a model that reconnected asks again) is answered from the record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import Message, ToolFinished, ToolRequested, ToolSlow
from callactors.errors import BadArguments, ToolFailed
from callactors.meters.log import log
from callactors.net.offload import in_thread
from callactors.stores.ledger_rows import arguments_hash
from callactors.tools.arguments import validate
from callactors.tools.desk import Desk
from callactors.tools.result import outcomes_of, output_of
from callactors.tools.tool import Tool

TOGETHER = 8  # tools of one call running at once; more wait
SLOW = 1.2  # seconds after which the caller hears a filler phrase


# (tool, arguments as JSON) -> (state, output) of this call's last run of just that, where there was one
Earlier = Callable[[str, bytes], Awaitable[tuple[str, str | None] | None]]


@attrs.frozen
class ToolRun:
    """One run, as the record keeps it: `state` is running, done, failed or refused."""

    request: ToolRequested
    state: str
    output: str = ""


@attrs.define(eq=False)
class ToolExecutor:
    """One call's tools."""

    mailbox: Mailbox[ToolRequested]
    desk: Mailbox[Message]
    tools: Mapping[str, Tool]
    context: Desk
    writes: trio.Nursery
    record: Callable[[ToolRun], None]
    record_outcome: Callable[[str, str], None]
    earlier: Earlier
    _seen: set[tuple[int, str]] = attrs.field(factory=set, init=False)
    _writing: dict[tuple[str, str], trio.Event] = attrs.field(factory=dict, init=False)  # set once that write is over
    _room: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(TOGETHER), init=False)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as running:
            task_status.started()
            async for request in self.mailbox:
                key = (request.session, request.tool_request_id)
                if key not in self._seen:
                    self._seen.add(key)
                    running.start_soon(self._serve, request)

    async def _serve(self, request: ToolRequested) -> None:
        """Check, run, answer. The answer always comes: an unanswered request would poison the model's later turns."""
        tool = self.tools.get(request.tool)
        try:
            if tool is None or tool.run is None:
                raise BadArguments(f"there is no tool {request.tool!r}; there are {', '.join(self.tools)}")
            arguments = validate(tool, request.arguments)
        except BadArguments as error:
            await self._finished(ToolRun(request, "refused", str(error)))
            return
        async with self._room, trio.open_nursery() as beside:
            beside.start_soon(self._fill, request)
            if tool.writes:
                finished = await self._replayed(request) or await self._written(request, tool, arguments)
            else:
                finished = await self._performed(request, tool, arguments)
            beside.cancel_scope.cancel()
        await self._answer(finished)

    async def _fill(self, request: ToolRequested) -> None:
        await trio.sleep(SLOW)
        await self.desk.send(
            ToolSlow(at=trio.current_time(), session=request.session, tool_request_id=request.tool_request_id)
        )

    async def _written(self, request: ToolRequested, tool: Tool, arguments: dict[str, Any]) -> ToolRun:
        """Start it where the call's end cannot reach it, and wait for it as long as there is a call."""
        done, over = Mailbox[ToolRun](1), trio.Event()
        self._writing[_write_key(request)] = over

        async def write() -> None:
            with trio.CancelScope(shield=True):  # for its time limit at most: not even the process's end halves a write
                done.offer(await self._performed(request, tool, arguments))
            over.set()

        self.writes.start_soon(write)
        return await done.receive()

    async def _replayed(self, request: ToolRequested) -> ToolRun | None:
        """What an earlier session's same write came to, awaited if need be; None when it never finished."""
        if request.session == 1:
            return None
        running = self._writing.get(_write_key(request))
        if running is not None:
            await running.wait()
        found = await self.earlier(request.tool, bytes(request.arguments))
        if found is None or found[0] != "finished":
            return None
        return ToolRun(request, "done", found[1] or "")

    async def _performed(self, request: ToolRequested, tool: Tool, arguments: dict[str, Any]) -> ToolRun:
        """Run it within its time limit; what came of it goes into the record at once."""
        self.record(ToolRun(request, "running"))
        run = ToolRun(request, "failed", _given_up(tool))
        try:
            with trio.move_on_after(tool.time_limit):
                run = await self._outcome(request, tool, arguments)
        except trio.Cancelled:
            run = ToolRun(request, "failed", "the call ended before it was done")
            raise
        finally:
            self.record(run)
        return run

    async def _outcome(self, request: ToolRequested, tool: Tool, arguments: dict[str, Any]) -> ToolRun:
        try:
            result = await self._call(tool, arguments)
            output, outcomes = self.context.vault.scrub(output_of(result)), outcomes_of(tool, result)
        except ToolFailed as error:
            return ToolRun(request, "failed", self.context.vault.scrub(str(error)))
        except (
            Exception,
            SystemExit,
        ) as error:  # whatever a user's tool raises is an answer to the model, never the call's end
            log().warning("tool.raised", tool=tool.name, error=self.context.vault.scrub(repr(error))[:200])
            return ToolRun(request, "failed", f"{tool.name} could not be done: {type(error).__name__}.")
        for outcome in outcomes:
            self.record_outcome(outcome, tool.name)
        return ToolRun(request, "done", output)

    async def _call(self, tool: Tool, arguments: dict[str, Any]) -> Any:
        assert tool.run is not None  # _serve refused it otherwise
        call = partial(tool.run, self.context, **arguments) if tool.wants_desk else partial(tool.run, **arguments)
        if tool.is_async:
            return await call()
        return await in_thread(call, abandon=True)

    async def _finished(self, run: ToolRun) -> None:
        self.record(run)
        await self._answer(run)

    async def _answer(self, run: ToolRun) -> None:
        await self.desk.send(
            ToolFinished(
                at=trio.current_time(),
                session=run.request.session,
                tool_request_id=run.request.tool_request_id,
                output=run.output,
                failed=run.state != "done",
            )
        )


def _write_key(request: ToolRequested) -> tuple[str, str]:
    """What makes two writes of one call the same."""
    return request.tool, arguments_hash(bytes(request.arguments))


def _given_up(tool: Tool) -> str:
    """A look-up that hangs is over; a write that hangs may still be done by the thread it runs in."""
    unknown = " It may still have been done: look before it is tried again." if tool.writes else ""
    return f"{tool.name} took longer than {tool.time_limit:g} seconds and was given up.{unknown}"
