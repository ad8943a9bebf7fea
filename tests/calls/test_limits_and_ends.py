"""How many calls there may be, how long they may last, and what holds when the process itself is in trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
import trio

from callactors.calls.playbook import Playbook
from callactors.errors import PortsExhausted
from callactors.net.media_plane import MediaStream
from callactors.routing.trunk import Target
from callactors.sip import events as sip
from callactors.testing.calls import Facts, House, Mind, agent_says, open_house, until
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.talking import talking, with_policies


@asynccontextmanager
async def callers(house: House, count: int) -> AsyncIterator[list[ScriptedCaller]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                scripted_caller(house.endpoint.address, host=f"127.0.0.{50 + number}", seed=number)
            )
            for number in range(count)
        ]


def read_only(house: House, wanted: bool) -> None:
    """Have SQLite refuse every write, as on a disk that has become read-only; and take that back."""
    connection = house.ledger._connection
    assert connection is not None
    connection.execute(f"PRAGMA query_only = {int(wanted)}")


# -- how many ---------------------------------------------------------------------------------------------------------


async def test_the_limit_of_calls_is_exact_and_a_place_is_free_again_at_once(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with open_house(tmp_path, more="limits: {calls: 3}") as house, callers(house, 6) as crowd:
        for caller in crowd[:5]:
            caller.dial()
        for caller in crowd[:5]:
            await caller.until(lambda caller=caller: caller.seen(sip.Answered) or caller.seen(sip.Failed))  # type: ignore[misc]  # a default argument keeps this round's caller
        assert [bool(caller.seen(sip.Answered)) for caller in crowd[:5]] == [True, True, True, False, False]
        assert [event.status for caller in crowd for event in caller.seen(sip.Failed)] == [503, 503]
        crowd[0].hang_up()
        await until(lambda: house.plane.statistics().open_streams == 2)
        await crowd[5].call()
        await house.ledger.flush()
        causes = sorted(str(record["cause"]) for record in house.records())
    assert causes == ["None", "None", "None", "caller_hung_up", "overload", "overload"]


def every_port(house: House) -> Iterator[MediaStream]:
    """A stream for each pair of ports there is; other programs may hold some that look free."""
    with suppress(PortsExhausted):
        while True:
            yield house.plane.open(lambda event: None)


async def test_without_a_free_port_the_next_call_is_refused_with_503(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, callers(house, 1) as (caller,):
        taken = list(every_port(house))
        caller.dial()
        assert (await caller.sees(sip.Failed)).status == 503
        for stream in taken:
            stream.close()
        assert (await house.record())["cause"] == "overload"


async def test_a_draining_house_takes_no_call_and_says_goodbye_to_those_it_has(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk, callers(talk.house, 1) as (late,), trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(talk.house.switchboard.drain, 5.0)
        await trio.sleep(1)
        late.dial()
        assert (await late.sees(sip.Failed)).status == 503
        await talk.goes_on()
        await talk.caller.sees(sip.HungUp)
        assert trio.current_time() - began == pytest.approx(5.5, abs=0.3)
        record = await talk.house.record()
    assert talk.caller.names[-1] == "goodbye"
    assert (record["cause"], record["ended_by"]) == ("drained", "us")


async def test_a_call_that_ends_while_draining_ends_by_itself(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk, trio.open_nursery() as nursery:
        nursery.start_soon(talk.house.switchboard.drain, 30.0)
        await trio.sleep(1)
        began = trio.current_time()
        record = await talk.hang_up()
    assert trio.current_time() - began < 5
    assert record["cause"] == "caller_hung_up"


# -- how long ---------------------------------------------------------------------------------------------------------


async def test_a_call_ends_at_its_longest_with_a_goodbye(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="timers: {call_max: 5}") as talk:
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert talk.caller.names == ["greeting", "goodbye"]
    assert (record["cause"], record["ended_by"]) == ("call_max", "us")


async def test_a_scenario_may_allow_less_than_the_configuration(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, adapt=with_policies(max_length=3.0)) as talk:
        await talk.caller.sees(sip.HungUp)
        assert trio.current_time() < 5
        assert (await talk.house.record())["cause"] == "call_max"


async def test_a_silent_caller_is_asked_and_then_handed_to_a_person(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        began = trio.current_time()
        await talk.caller.hears("greeting", "still_there")
        assert trio.current_time() - began == pytest.approx(8.4, abs=0.3)
        await talk.caller.hears("greeting", "still_there", "transfer")
        assert trio.current_time() - began == pytest.approx(16.8, abs=0.6)
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")


async def test_a_silent_caller_may_get_a_goodbye_instead(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, adapt=with_policies(silence=("2", "2", "goodbye"))) as talk:
        await talk.caller.sees(sip.HungUp)
        record = await talk.house.record()
    assert talk.caller.names == ["greeting", "still_there", "goodbye"]
    assert record["cause"] == "completed"


async def test_a_caller_who_answers_is_asked_again_from_the_start(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, adapt=with_policies(silence=("2", "2", "goodbye"))) as talk:
        await talk.caller.hears("greeting", "still_there")
        await talk.peer.caller_says("Yes, I am.")
        await agent_says(talk.peer, "Good.", 400)
        await talk.caller.hears("still_there", "agent", "still_there")


# -- crashes ----------------------------------------------------------------------------------------------------------


class Broken(dict[str, Target]):
    """A bug of ours: asked for a target, it raises."""

    def get(self, name: object, default: object = None) -> Target:
        raise RuntimeError("a bug")


def broken(book: Playbook) -> Playbook:
    return attrs.evolve(book, targets=Broken(book.targets))


async def test_a_call_that_crashes_is_one_record_and_its_neighbour_does_not_notice(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, adapt=broken) as talk, callers(talk.house, 1) as (unlucky,):
        await unlucky.call()
        await unlucky.hears("greeting")
        unlucky.press("0")
        hung_up = await unlucky.sees(sip.HungUp)
        record = await talk.house.record(1)
        await talk.goes_on()
        assert talk.house.plane.statistics().open_streams == 1
        neighbour = await talk.hang_up()
    assert (record["cause"], record["ended_by"], hung_up.q850) == ("crash", "us", 41)
    assert neighbour["cause"] == "caller_hung_up"


# -- the ledger -------------------------------------------------------------------------------------------------------


async def test_no_200_leaves_before_its_row_is_on_disk(autojump_clock: object, tmp_path: Path) -> None:
    rows: list[Facts] = []

    def tap(way: str, data: bytes, peer: object) -> None:
        if way == "out" and data.startswith(b"SIP/2.0 200"):
            rows.extend(house.records())

    async with open_house(tmp_path, tap=tap) as house, callers(house, 1) as (caller,):
        await caller.call()
        (row,) = rows
    assert row["answered"] is not None
    assert row["attempts"][0]["local_tag"]
    assert row["attempts"][0]["remote_target"]


async def test_a_call_whose_row_cannot_be_written_gets_503_and_never_a_200(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with open_house(tmp_path) as house, callers(house, 3) as (first, second, third):
        read_only(house, True)
        first.dial()
        assert (await first.sees(sip.Failed)).status == 503
        second.dial()
        assert (await second.sees(sip.Failed)).status == 503
        read_only(house, False)
        await until(lambda: not house.ledger.broken)
        await third.call()
        records = [await house.record(number) for number in (0, 1)]
        assert house.plane.statistics().open_streams == 1
    assert [caller.statuses() for caller in (first, second)] == [[100, 180, 503], [100, 503]]
    assert [(record["cause"], record["attempts"][0]["sip_code"]) for record in records] == [("overload", 503)] * 2


async def test_a_ledger_that_breaks_during_a_call_does_not_end_it(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        read_only(talk.house, True)
        assert "noted" in await talk.asks("remember_customer", name="Dana", phone="5550142")
        await until(lambda: talk.house.ledger.broken)
        await talk.goes_on()
        read_only(talk.house, False)
        record = await talk.hang_up()
    assert [run["state"] for run in record["tool_runs"]] == ["finished"]


async def test_the_models_sessions_end_with_the_call(autojump_clock: object, tmp_path: Path) -> None:
    left: list[bool] = []

    async def script(peer: object) -> None:
        try:
            await peer.greet()  # type: ignore[attr-defined]  # a Peer
            await trio.sleep_forever()
        finally:
            left.append(True)

    async with open_house(tmp_path, Mind(script=script)) as house, callers(house, 1) as (caller,):
        await caller.call()
        caller.hang_up()
        await house.record()
        assert left == [True]
