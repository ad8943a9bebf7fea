"""A model that refuses, drops, floods, stalls or talks nonsense: the caller hears a sentence, the record says why."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.tone import sine
from callactors.realtime import events as e
from callactors.sip import events as sip
from callactors.testing.calls import PITCHES, Mind, agent_says, open_house, until
from callactors.testing.scripted_caller import scripted_caller
from callactors.testing.scripted_model import Peer, Script
from callactors.testing.talking import talking, with_policies, with_tools
from callactors.tools.tool import tool

LOUD = g711.encode(sine(PITCHES["agent"], 1000), AudioFormat.PCMU)


# -- before the answer ------------------------------------------------------------------------------------------------


async def silent(peer: Peer) -> None:
    await peer.stay()


async def gone(peer: Peer) -> None:
    await peer.drop()


@pytest.mark.parametrize("mind", [Mind(refuse=401), Mind(refuse=503), Mind(script=gone), Mind(script=silent)])
async def test_a_call_whose_model_is_dead_gets_503_within_two_seconds(
    autojump_clock: object, tmp_path: Path, mind: Mind
) -> None:
    async with open_house(tmp_path, mind) as house, scripted_caller(house.endpoint.address) as caller:
        began = trio.current_time()
        caller.dial()
        failed = await caller.sees(sip.Failed)
        assert trio.current_time() - began <= 2.05
        record = await house.record()
        assert house.plane.statistics().open_streams == 0
    refusal = [message for way, message in caller.messages if way == "in"][-1]
    assert failed.status == 503
    assert refusal.headers.get("Retry-After") == "5"
    assert (record["cause"], record["answered"], record["attempts"][0]["sip_code"]) == ("model_down", None, 503)


async def test_with_answer_at_once_the_caller_of_a_dead_model_hears_why_and_is_handed_over(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        open_house(tmp_path, Mind(refuse=401), more="answer: {when: at_once}") as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call()
        await caller.sees(sip.HungUp)
        record = await house.record()
    assert caller.names == ["greeting", "model_lost", "transfer"]
    assert (record["cause"], record["outcome"]) == ("model_down", "handed_off")
    assert [row["outcome"] for row in record["transfers"]] == ["completed"]


# -- in the middle of a call ------------------------------------------------------------------------------------------


async def test_a_model_that_drops_is_opened_again_and_knows_what_was_said(
    autojump_clock: object, tmp_path: Path
) -> None:
    mind = Mind()
    async with talking(tmp_path, mind=mind) as talk:
        await talk.peer.caller_says("A cut, please.")
        await agent_says(talk.peer, "Tomorrow at three?", 400)
        await talk.caller.hears("greeting", "agent")
        await trio.sleep(1)
        with pytest.raises(Exception, match="1006"):
            await talk.peer.drop()
        second = await mind.session()
        await talk.caller.hears("agent", "holding")
        replayed = [await second.expect(e.ConversationItemCreate) for _ in range(2)]
        assert [event.item.role for event in replayed] == ["user", "assistant"]
        assert [event.item.content[0].text for event in replayed if event.item.content] == [
            "A cut, please.",
            "Tomorrow at three?",
        ]
        await agent_says(second, "Where were we?", 400, sounds="agent again")
        await talk.caller.hears("agent", "holding", "agent again")
        record = await talk.hang_up()
    assert record["cause"] == "caller_hung_up"
    assert [row["kind"] for row in record["events"]].count("model_lost") == 1


async def test_a_model_that_never_comes_back_is_a_sentence_a_transfer_and_model_down(
    autojump_clock: object, tmp_path: Path
) -> None:
    mind = Mind()
    async with talking(tmp_path, mind=mind) as talk:
        mind.model.refuse = 503
        with pytest.raises(Exception, match="1006"):
            await talk.peer.drop()
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert talk.caller.names[-2:] == ["model_lost", "transfer"]
    assert (record["cause"], record["outcome"]) == ("model_down", "handed_off")


async def test_the_next_model_takes_over_when_the_first_is_fatal(autojump_clock: object, tmp_path: Path) -> None:
    first, second = Mind(), Mind()
    async with open_house(tmp_path, first, second) as house, scripted_caller(house.endpoint.address) as caller:
        await caller.call()
        peer = await first.session()
        await caller.hears("greeting")
        with pytest.raises(Exception, match="4000"):
            await peer.close(4000)
        other = await second.session()
        await agent_says(other, "Still here.", 400)
        await caller.hears("greeting", "holding", "agent")
        assert len(first.model.peers) == 1


async def flooding(peer: Peer) -> None:
    """Audio without end."""
    await peer.greet()
    response, item = await peer.start_reply()
    for _ in range(200):
        await peer.tell(e.ResponseOutputAudioDelta(response_id=response, item_id=item, delta=LOUD))
    await peer.stay()


async def babbling(peer: Peer) -> None:
    """Nonsense without end."""
    await peer.greet()
    while True:
        await peer.nonsense('{"type": "response.created", "response": 7}')
        await trio.sleep(0.01)


async def unknown(peer: Peer) -> None:
    """Events of unknown types without end."""
    await peer.greet()
    while True:
        await peer.nonsense('{"type": "no.such.event"}')


async def stalled(peer: Peer) -> None:
    """Asked for a response, it never gives one."""
    await peer.greet()
    await peer.request_tool("no_such_tool", {})
    await peer.stay()


@pytest.mark.parametrize("script", [babbling, unknown, stalled])
async def test_a_model_that_talks_nonsense_floods_or_stalls_is_model_down_and_the_caller_is_handed_over(
    autojump_clock: object, tmp_path: Path, script: Script
) -> None:
    async with (
        open_house(tmp_path, Mind(script=script), adapt=with_policies(silence=None)) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call()
        await caller.sees(sip.HungUp)
        record = await house.record()
    assert "model_lost" in caller.names
    assert caller.names[-1] == "transfer"
    assert (record["cause"], record["outcome"]) == ("model_down", "handed_off")


async def test_a_model_that_sends_more_than_90_seconds_is_cut_short_and_the_call_goes_on(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        open_house(tmp_path, Mind(script=flooding)) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call()
        (peer,) = house.mind.model.peers
        await until(lambda: any(isinstance(event, e.ResponseCancel) for event in peer.heard))
        await caller.until(lambda: "agent" in caller.names)
        caller.hang_up()
        record = await house.record()
    assert record["cause"] == "caller_hung_up"
    assert "playout_overflowed" in [row["kind"] for row in record["events"]]


async def test_some_malformed_events_do_not_disturb_a_call(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        for text in ("{]", "[]", "", "null", '{"type": 7}', '{"type": "response.output_audio.delta", "delta": "!"}'):
            await talk.peer.nonsense(text)
        await talk.goes_on()


async def test_a_model_that_answers_with_errors_twice_makes_the_house_speak(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        await talk.peer.caller_says("Hello?")
        await talk.peer.fail_reply("rate_limit_exceeded")
        await talk.peer.expect(e.ResponseCreate)
        await talk.peer.fail_reply("rate_limit_exceeded")
        await talk.caller.hears("greeting", "holding")
        await talk.goes_on()
        record = await talk.hang_up()
    assert "model_stumbled" in [row["kind"] for row in record["events"]]


async def test_a_write_that_a_reconnected_model_asks_for_again_is_made_once(
    autojump_clock: object, tmp_path: Path
) -> None:
    mind = Mind()
    async with talking(tmp_path, mind=mind) as talk:
        person = {"name": "Dana", "phone": "5550142", "note": "call back"}
        first = await talk.asks("remember_customer", **person)
        with pytest.raises(Exception, match="1006"):
            await talk.peer.drop()
        second = await mind.session()
        second.name("another server counts from another number")
        again = await second.tool_output(await second.request_tool("remember_customer", person))
        assert [row["note"] for row in talk.house.customers()] == ["call back"]
        record = await talk.hang_up()
    assert again == first
    assert record["tool_runs"][0]["state"] == "finished"


async def test_a_write_still_running_when_a_reconnected_model_asks_again_is_waited_for(
    autojump_clock: object, tmp_path: Path
) -> None:
    runs: list[str] = []

    @tool(writes=True)
    async def slow_note(name: str) -> str:
        """Note a name, slowly.

        Args:
            name: The name.
        """
        await trio.sleep(3)
        runs.append(name)
        return "noted"

    mind = Mind()
    async with talking(tmp_path, mind=mind, adapt=with_tools(slow_note)) as talk:
        await talk.peer.request_tool("slow_note", {"name": "Dana"})
        await until(lambda: talk.house.events("tool"))
        with pytest.raises(Exception, match="1006"):
            await talk.peer.drop()
        second = await mind.session()
        second.name("another server counts from another number")
        assert "noted" in await second.tool_output(await second.request_tool("slow_note", {"name": "Dana"}))
    assert runs == ["Dana"]
