"""A call that is over frees itself: nothing of it waits for the garbage collector, which looks seldom (garbage.py)."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from callactors.sip import events as sip
from callactors.testing.calling_out import calling_out, tones
from callactors.testing.calls import Mind, agent_says, open_house, until
from callactors.testing.manners import Manners
from callactors.testing.putting_through import putting_through
from callactors.testing.scripted_caller import answers, scripted_caller

FORGOTTEN = 120.0  # seconds after which no dialog lingers


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """Filled at the end: what of ours only the collector could free, by kind."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = (f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage)
        found.update(kind for kind in kinds if kind.startswith("callactors.") and ".testing." not in kind)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_nothing_is_left_of_a_call_that_was_answered(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with open_house(tmp_path, mind) as house, scripted_caller(house.endpoint.address) as caller:
        with garbage() as left:
            caller.dial()
            peer = await mind.session()
            await caller.hears("greeting")
            caller.say()
            await peer.expect_audio(4800)
            await peer.caller_says("What do you charge?")
            await agent_says(peer, "Thirty for a haircut.", 1000)
            await caller.hears("greeting", "agent")
            caller.hang_up()
            await house.record()
            await trio.sleep(FORGOTTEN)
    assert left == {}


async def test_nothing_is_left_of_a_call_that_was_transferred(autojump_clock: object, tmp_path: Path) -> None:
    mind = Mind()
    async with open_house(tmp_path, mind) as house, scripted_caller(house.endpoint.address) as caller:
        with garbage() as left:
            caller.dial()
            peer = await mind.session()
            await caller.hears("greeting")
            await peer.request_tool("transfer_to_human", {"target": "front_desk"})
            await caller.sees(sip.HungUp)
            await house.record()
            await trio.sleep(FORGOTTEN)
    assert left == {}


async def test_nothing_is_left_of_a_call_we_placed_by_a_second_carrier(autojump_clock: object, tmp_path: Path) -> None:
    async with calling_out(tmp_path, Manners(invite=503)) as out:
        with garbage() as left:
            await out.place()
            phone = await out.b.next_call()
            phone.pick_up()
            await until(lambda: tones(phone))
            phone.hang_up()
            await out.record()
            await trio.sleep(FORGOTTEN)
    assert left == {}


async def test_nothing_is_left_of_a_call_whose_model_never_came(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, Mind(refuse=503)) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        with garbage() as left:
            caller.dial()
            record = await house.record()
            await trio.sleep(FORGOTTEN)
    assert record["cause"] == "model_down"
    assert left == {}


async def test_nothing_is_left_of_a_call_that_was_bridged_to_a_person(autojump_clock: object, tmp_path: Path) -> None:
    async with putting_through(tmp_path, "blind", "bridged", transfers=answers(405)) as through:
        with garbage() as left:
            await through.ask()
            desk = await through.desk_answers()
            await until(lambda: through.talk.house.events("transfer_ended"))
            through.talk.caller.say(600)
            await until(lambda: through.desk_hears(desk) == ["briefing", "caller"])
            desk.hang_up()
            await through.talk.caller.sees(sip.HungUp)
            record = await through.talk.house.record()
            await trio.sleep(FORGOTTEN)
    assert record["cause"] == "transferred"
    assert left == {}
