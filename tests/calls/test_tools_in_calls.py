"""Tools that raise, hang or are asked for wrongly: always an answer to the model, never the end of a call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from callactors.errors import ToolFailed
from callactors.sip import events as sip
from callactors.testing.calls import agent_asks_with, agent_says
from callactors.testing.talking import talking, with_tools
from callactors.tools.tool import Tool, tool


@tool()
def raises() -> str:
    """Raise."""
    raise ZeroDivisionError("a secret path")


@tool()
def says_no() -> str:
    """Say no."""
    raise ToolFailed("We are closed on that day.")


@tool()
async def hangs() -> str:
    """Hang."""
    await trio.sleep_forever()
    return "never"


@tool(writes=True)
async def hangs_writing() -> str:
    """Hang while writing."""
    await trio.sleep_forever()
    return "never"


@tool()
def returns_nonsense() -> object:
    """Return what no JSON can say."""
    return {1, 2, object()}


@pytest.mark.parametrize(
    ("broken", "answer"),
    [
        (raises, "could not be done: ZeroDivisionError"),
        (says_no, "We are closed on that day."),
        (hangs, "took longer than 5 seconds"),
        (hangs_writing, "took longer than 5 seconds"),
        (returns_nonsense, "could not be done: TypeError"),
    ],
)
async def test_a_tool_that_raises_or_hangs_is_an_answer_to_the_model(
    autojump_clock: object, tmp_path: Path, broken: Tool, answer: str
) -> None:
    async with talking(tmp_path, adapt=with_tools(broken)) as talk:
        output = await talk.asks(broken.name)
        assert answer in output
        assert "secret" not in output
        await talk.goes_on()
        record = await talk.hang_up()
    assert [(run["state"], run["output"]) for run in record["tool_runs"]] == [("failed", output)]
    assert record["cause"] == "caller_hung_up"


async def test_a_slow_tool_is_bridged_by_a_filler(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, adapt=with_tools(hangs)) as talk:
        await talk.peer.request_tool("hangs", {})
        await talk.caller.hears("greeting", "filler")


@pytest.mark.parametrize(
    "arguments",
    [
        "{}",
        "[]",
        "null",
        "{]",
        "",
        '{"name": 7, "phone": {"a": 1}}',
        '{"name": "Dana", "phone": "5550142", "more": true}',
        "[" * 5000,
    ],
)
async def test_tool_arguments_that_do_not_fit_are_told_to_the_model_and_nothing_runs(
    autojump_clock: object, tmp_path: Path, arguments: str
) -> None:
    async with talking(tmp_path) as talk:
        call = await agent_asks_with(talk.peer, "remember_customer", arguments)
        assert await talk.told(call)
        assert talk.house.customers() == []
        await talk.goes_on()
        record = await talk.hang_up()
    assert [run["state"] for run in record["tool_runs"]] == ["failed"]


async def test_arguments_without_end_are_told_to_the_model_and_nothing_runs(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        endless = json.dumps({"name": "x" * 200_000, "phone": "5550142"})
        assert await talk.told(await agent_asks_with(talk.peer, "remember_customer", endless))
        assert talk.house.customers() == []
        await talk.goes_on()


@pytest.mark.parametrize("name", ["hand_over", "transfer_to_human", "end_call"])
async def test_arguments_of_the_calls_own_tools_that_are_no_object_are_told_too(
    autojump_clock: object, tmp_path: Path, name: str
) -> None:
    async with talking(tmp_path) as talk:
        assert "object" in await talk.told(await agent_asks_with(talk.peer, name, "[1]"))
        await talk.goes_on()


async def test_a_tool_of_another_specialist_is_not_there(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        output = await talk.asks("book_slot", service="haircut")
        assert "there is no tool 'book_slot'; there are remember_customer" in output
        await talk.goes_on()


async def test_a_colleague_who_does_not_exist_is_told_to_the_model(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        assert "no colleague 'nobody'" in await talk.asks("hand_over", to="nobody")
        await talk.goes_on()


async def test_the_agent_ends_the_call_after_its_last_words_were_heard(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await agent_says(talk.peer, "Goodbye.", 1000)
        await talk.peer.request_tool("end_call", {})
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    last = talk.caller.ears.tones[-1]
    assert (last.name, last.ms) == ("agent", 1000)
    assert (record["cause"], record["ended_by"]) == ("agent_hung_up", "us")


async def test_knowledge_is_looked_up_in_the_houses_own_notes(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        output = json.loads(await talk.asks("answer_question", question="How much is a haircut?"))
        assert "45" in json.dumps(output)
