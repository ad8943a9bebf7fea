"""Tools run beside the conversation: always an answer, within a time, in the record; writes outlive the call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import attrs
import msgspec
import pytest
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import Message, ToolFinished, ToolRequested, ToolSlow
from callactors.actors.tool_executor import SLOW, TOGETHER, ToolExecutor, ToolRun
from callactors.errors import ToolFailed
from callactors.net import offload
from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.stores.knowledge import Knowledge
from callactors.tools.desk import Desk
from callactors.tools.tool import Tool, tool

M = TypeVar("M", bound=Message)


@attrs.define(eq=False)
class Bench:
    """One call's executor, its record and its desk; `call` is the scope of the call."""

    box: Mailbox[ToolRequested]
    desk: Mailbox[Message]
    runs: list[ToolRun]
    outcomes: list[tuple[str, str]]
    call: trio.CancelScope
    earlier: dict[str, tuple[str, str | None]]

    def ask(self, name: str, arguments: str = "{}", request: str = "r1", session: int = 1) -> None:
        raw = msgspec.Raw(arguments.encode())
        self.box.offer(ToolRequested(at=0, session=session, tool_request_id=request, tool=name, arguments=raw))

    async def told(self, kind: type[M]) -> M:
        with trio.fail_after(60):
            while True:
                message = await self.desk.receive()
                if isinstance(message, kind):
                    return message

    @property
    def states(self) -> list[str]:
        return [run.state for run in self.runs]


@pytest.fixture
def context(tmp_path: Path) -> object:
    with ExitStack() as stores:
        url = f"sqlite:///{tmp_path}/stores.db"
        made = Calendar(url, "house"), Crm(url), Knowledge(url, "house")
        for store in made:
            stores.callback(store.close)
        yield Desk(*made, "5550142", datetime.now)


@asynccontextmanager
async def executing(context: Desk, *tools: Tool) -> AsyncIterator[Bench]:
    offload.INLINE.set(True)
    bench = Bench(Mailbox(64), Mailbox(64), [], [], trio.CancelScope(), {})

    async def earlier(name: str, arguments: bytes) -> tuple[str, str | None] | None:
        return bench.earlier.get(name)

    async with trio.open_nursery() as writes:
        executor = ToolExecutor(
            bench.box,
            bench.desk,
            {tool.name: tool for tool in tools},
            context,
            writes,
            bench.runs.append,
            lambda outcome, detail: bench.outcomes.append((outcome, detail)),
            earlier,
        )

        async def call() -> None:
            with bench.call:
                await executor.run()

        writes.start_soon(call)
        yield bench
        bench.call.cancel()


@tool(outcome="crm_created")
def quick(desk: Desk, name: str) -> str:
    """Say a name.

    Args:
        name: The name.
    """
    return f"{name} of {desk.caller}"


@tool()
async def slow() -> str:
    """Take three seconds."""
    await trio.sleep(3)
    return "done"


@tool(writes=True, outcome="booking_captured")
async def writing() -> str:
    """Write for three seconds."""
    await trio.sleep(3)
    return "written"


@tool(time_limit=2.0)
async def hanging() -> str:
    """Hang."""
    await trio.sleep_forever()
    return "never"


@tool()
def raising() -> str:
    """Raise."""
    raise OSError("/etc/secret")


@tool()
def refusing() -> str:
    """Say no."""
    raise ToolFailed("Not today.")


@tool(writes=True)
def leaving() -> str:
    """Leave the program."""
    raise SystemExit(3)


@tool(writes=True)
def babbling() -> dict[str, object]:
    """Return outcomes that are none."""
    return {"ok": True, "outcomes": 5}


@tool(writes=True, time_limit=2.0)
async def stuck() -> str:
    """Hang in the middle of a write."""
    await trio.sleep_forever()
    return "never"


async def test_a_tool_is_run_answered_recorded_and_its_outcome_noted(autojump_clock: object, context: Desk) -> None:
    async with executing(context, quick) as bench:
        bench.ask("quick", '{"name": "Dana"}')
        finished = await bench.told(ToolFinished)
    assert (finished.output, finished.failed) == ('{"ok":true,"say":"Dana of 5550142"}', False)
    assert (bench.states, bench.outcomes) == (["running", "done"], [("crm_created", "quick")])


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("nothing", "{}", "there are quick"),
        ("quick", "{}", "name"),
        ("quick", "{]", ""),
        ("quick", '{"name": "x", "age": 3}', "age"),
    ],
)
async def test_what_does_not_fit_is_refused_before_anything_runs(
    autojump_clock: object, context: Desk, name: str, arguments: str, says: str
) -> None:
    async with executing(context, quick) as bench:
        bench.ask(name, arguments)
        finished = await bench.told(ToolFinished)
    assert finished.failed
    assert says in finished.output
    assert bench.states == ["refused"]


async def test_a_slow_tool_asks_for_a_filler_once_and_is_answered(autojump_clock: object, context: Desk) -> None:
    async with executing(context, slow) as bench:
        bench.ask("slow")
        assert (await bench.told(ToolSlow)).tool_request_id == "r1"
        assert trio.current_time() == pytest.approx(SLOW)
        assert not (await bench.told(ToolFinished)).failed


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (hanging, "longer than 2 seconds"),
        (raising, "OSError"),
        (refusing, "Not today."),
        (leaving, "could not be done"),
        (babbling, "could not be done"),
        (stuck, "may still have been done"),
    ],
)
async def test_a_tool_that_hangs_raises_or_says_no_is_a_failed_answer(
    autojump_clock: object, context: Desk, broken: Tool, says: str
) -> None:
    async with executing(context, broken) as bench:
        bench.ask(broken.name)
        finished = await bench.told(ToolFinished)
    assert finished.failed
    assert says in finished.output
    assert "secret" not in finished.output
    assert (bench.states, bench.outcomes) == (["running", "failed"], [])


async def test_one_request_is_served_once(autojump_clock: object, context: Desk) -> None:
    async with executing(context, quick) as bench:
        for _ in range(3):
            bench.ask("quick", '{"name": "Dana"}')
        bench.ask("quick", '{"name": "Dana"}', session=2)
        await trio.sleep(1)
    assert bench.states.count("done") == 2


async def test_a_write_outlives_its_call_and_is_recorded(autojump_clock: object, context: Desk) -> None:
    async with executing(context, writing) as bench:
        bench.ask("writing")
        await trio.sleep(1)
        bench.call.cancel()
    assert (bench.states, bench.outcomes) == (["running", "done"], [("booking_captured", "writing")])


async def test_a_look_up_ends_with_its_call_and_the_record_says_so(autojump_clock: object, context: Desk) -> None:
    async with executing(context, slow) as bench:
        bench.ask("slow")
        await trio.sleep(1)
        bench.call.cancel()
    assert bench.states == ["running", "failed"]
    assert bench.runs[-1].output == "the call ended before it was done"


async def test_a_write_an_earlier_session_made_is_answered_from_the_record(
    autojump_clock: object, context: Desk
) -> None:
    async with executing(context, writing) as bench:
        bench.earlier["writing"] = ("finished", '{"ok":true}')
        bench.ask("writing", session=2)
        assert (await bench.told(ToolFinished)).output == '{"ok":true}'
    assert bench.states == []


async def test_a_write_that_failed_earlier_is_tried_again(autojump_clock: object, context: Desk) -> None:
    async with executing(context, writing) as bench:
        bench.earlier["writing"] = ("failed", "no")
        bench.ask("writing", session=2)
        assert "written" in (await bench.told(ToolFinished)).output


async def test_more_tools_than_may_run_together_wait(autojump_clock: object, context: Desk) -> None:
    async with executing(context, slow) as bench:
        for number in range(TOGETHER + 1):
            bench.ask("slow", request=f"r{number}")
        await trio.sleep(1)
        assert bench.states.count("running") == TOGETHER
        for _ in range(TOGETHER + 1):
            assert not (await bench.told(ToolFinished)).failed
