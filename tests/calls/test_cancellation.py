"""A whole call, with a tool's write and a transfer, is cancelled at its k-th task step, for every k: nothing is left.

A step of the call is a step of any task under the switchboard; the scripted model's own steps, a stand-in for another
process, are not counted. The number of steps is printed.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel

from callactors.realtime import events as e
from callactors.sip import events as sip
from callactors.testing.calls import House, Mind, agent_begins, agent_falls_silent, open_house, until
from callactors.testing.scripted_caller import ScriptedCaller, Transfers, accept, answers, scripted_caller

SHARES = 4  # the ks are shared by so many tests
LEAST = 300  # steps a call has at least
ENTRIES_LIVE = 64 * 0.5 + 5  # seconds


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts the steps of the tasks below one task, and does something at the k-th."""

    root: trio.lowlevel.Task | None = None
    k: int = 0
    at_k: Callable[[], None] = lambda: None
    count: int = 0
    _known: dict[trio.lowlevel.Task, bool] = attrs.field(factory=dict)

    def watch(self, root: trio.lowlevel.Task, k: int, at_k: Callable[[], None]) -> None:
        """Count anew, below `root`."""
        self.root, self.k, self.at_k, self.count = root, k, at_k, 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.root is None or not self._counts(task):
            return
        self.count += 1
        if self.count == self.k:
            self.at_k()

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._known.pop(task, None)

    def _counts(self, task: trio.lowlevel.Task) -> bool:
        known = self._known.get(task)
        if known is None:
            parent = task.parent_nursery.parent_task if task.parent_nursery else None
            known = "ScriptedModel" not in task.name and parent is not None
            known = known and (parent is self.root or (parent is not None and self._counts(parent)))
            self._known[task] = known
        return known


def refuse_then_accept() -> Transfers:
    """The first REFER is refused, the second obeyed."""
    ways = iter((answers(603), accept))
    return lambda caller, refer: next(ways)(caller, refer)


def phone(k: int) -> str:
    """The caller's number, by which the k-th call's booking is known."""
    return f"555{k:04d}"


async def talk(mind: Mind, caller: ScriptedCaller, k: int) -> None:
    """Greeting, a transfer that is refused, a hold, five days asked for, a booking, a barge-in, a transfer."""
    day = dt.date.today() + dt.timedelta(days=1 + k)
    wish = {"service": "blow dry", "day": day.isoformat(), "time": "15:00", "name": "Dana", "phone": phone(k)}
    caller.dial()
    peer = await mind.session()
    await caller.hears("greeting")
    caller.press("0")
    await caller.hears("greeting", "transfer", "back")
    caller.say(200)
    caller.offer_again(direction="sendonly")
    await caller.sees(sip.Reanswered)
    caller.offer_again()
    await caller.sees(sip.Reanswered, 2)
    await peer.caller_says("Book me in.", 100)
    await peer.tool_output(await peer.request_tool("hand_over", {"to": "booking"}))
    for later in range(4, -1, -1):
        asked = {"service": "blow dry", "day": (day + dt.timedelta(days=later)).isoformat()}
        await peer.tool_output(await peer.request_tool("find_slot", asked))
    await peer.tool_output(await peer.request_tool("book_slot", wish))
    response, item = await agent_begins(peer, "You're booked. I could tell you more.", 1000)
    await caller.hears("back", "agent")
    await peer.caller_starts()
    await agent_falls_silent(peer, response, item, "You're booked.")
    await peer.expect(e.ConversationItemTruncate)
    await peer.request_tool("transfer_to_human", {"target": "front_desk"})


@asynccontextmanager
async def quiet_house(data: Path) -> AsyncIterator[tuple[House, Mind]]:
    mind = Mind()
    more = "recording: {mode: always}"
    async with open_house(data, mind, phrase_ms=200, open_for_calls=False, more=more) as house:
        yield house, mind


Stop = Callable[[House, trio.Nursery], None]


def stop_the_switchboard(house: House, calls: trio.Nursery) -> None:
    """As the process's end does."""
    calls.cancel_scope.cancel()


def stop_the_call(house: House, calls: trio.Nursery) -> None:
    """The call's own nursery; before there is one, everybody's."""
    nurseries = [call.nursery for call in house.switchboard.calls.values() if call.nursery is not None]
    for nursery in nurseries or [calls]:
        nursery.cancel_scope.cancel()


async def one_call(house: House, mind: Mind, steps: Steps, k: int, stop: Stop) -> ScriptedCaller:
    """A switchboard, one call through it, stopped at its k-th step if it has so many."""
    async with scripted_caller(house.endpoint.address, transfers=refuse_then_accept()) as caller:
        async with trio.open_nursery() as calls:
            await calls.start(house.switchboard.run)
            steps.watch(next(iter(calls.child_tasks)), k, lambda: stop(house, calls))
            calls.start_soon(talk, mind, caller, k)
            await caller.until(lambda: caller.seen(sip.HungUp) or caller.seen(sip.Failed))
            await until(lambda: not house.switchboard.calls)
            calls.cancel_scope.cancel()
        steps.root = None
        await caller.until(lambda: caller.seen(sip.HungUp) or caller.seen(sip.Failed))
    return caller


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> str:
    """The process ids of our child processes."""
    return " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).strip()


def tasks() -> list[str]:
    """Every task of the run but Trio's own."""
    root, found = trio.lowlevel.current_root_task(), list[str]()
    waiting = [root] if root else []
    while waiting:
        task = waiting.pop()
        found.append(task.name)
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sorted(found)


@attrs.frozen
class Before:
    """What there was before a call."""

    tasks: list[str]
    descriptors: int
    ports: int

    @classmethod
    def of(cls, house: House) -> Before:
        return cls(tasks(), descriptors(), house.plane.statistics().free_ports)


async def nothing_is_left(house: House, k: int, before: Before | None = None) -> Before:
    """Of the last call there is a closed record, and nothing else. Returns what there is now."""
    await house.ledger.flush()
    record = house.records(last=1)[0]
    assert record["ended"] is not None
    assert record["cause"] in ("transferred", "desk_closed", "caller_hung_up")
    assert "started" not in [run["state"] for run in record["tool_runs"]]
    booked = [run for run in record["tool_runs"] if (run["tool"], run["state"]) == ("book_slot", "finished")]
    assert [booking["phone"] for booking in house.bookings()].count(phone(k)) == len(booked)
    await trio.sleep(ENTRIES_LIVE)
    assert house.endpoint.entries() == 0
    assert house.plane.statistics().open_streams == 0
    assert children() == ""
    now = Before.of(house)
    assert before is None or now == before
    return now


async def cancelled_at_every(ks: range, stop: Stop, data: Path) -> int:
    """Runs a call for each k until one is over before its k-th step. The most steps a call had."""
    most = 0
    async with quiet_house(data) as (house, mind):
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        await one_call(house, mind, steps, 0, stop)
        before = await nothing_is_left(house, 0)  # SQLite keeps what the first call has opened
        for k in ks:
            await one_call(house, mind, steps, k, stop)
            await nothing_is_left(house, k, before)
            most = max(most, steps.count)
            if steps.count < k:
                break
        trio.lowlevel.remove_instrument(steps)
    return most


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("stop", [stop_the_switchboard, stop_the_call])
async def test_a_call_cancelled_at_any_step_leaves_nothing(
    autojump_clock: object, tmp_path: Path, share: int, stop: Stop
) -> None:
    steps = await cancelled_at_every(range(1 + share, 100_000, SHARES), stop, tmp_path)
    print(f"{steps} task steps, cancelled at every one of them that is {1 + share} modulo {SHARES}")
    assert steps >= LEAST
