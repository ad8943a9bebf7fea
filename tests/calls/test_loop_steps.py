"""No step of a whole call holds the loop for long: every caller of the process would hear it.

On the real clock, with real threads for what is sent to them; what counts is the CPU time of the loop's own thread.
"""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import attrs
import pytest
import trio

from callactors.net import offload
from callactors.sip import events as sip
from callactors.testing.calls import Mind, open_house
from callactors.testing.scripted_caller import scripted_caller
from callactors.testing.talking import Talk

LONGEST = 0.02  # seconds
DAY = (dt.date.today() + dt.timedelta(days=1)).isoformat()


class Never:
    """Stands in for offload.INLINE: work goes to its thread, whatever a house says."""

    def get(self) -> bool:
        return False

    def set(self, value: bool) -> None:
        pass


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """The CPU time of each step, by the task that took it."""

    taken: list[tuple[float, str]] = attrs.field(factory=list)
    _began: float = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.taken.append((time.thread_time() - self._began, task.name))


async def test_no_step_of_a_call_holds_the_loop_for_20_ms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the very first INVITE: what is loaded late is loaded on somebody's call."""
    monkeypatch.setattr(offload, "INLINE", Never())
    steps, mind = Steps(), Mind()
    async with open_house(tmp_path, mind) as house, scripted_caller(house.endpoint.address) as caller:
        trio.lowlevel.add_instrument(steps)
        try:
            await caller.call()
            talk = Talk(house, caller, await mind.session())
            await caller.hears("greeting")
            await talk.goes_on()
            await talk.asks("hand_over", to="booking")
            await talk.asks("book_slot", service="haircut", day=DAY, time="15:00", name="Dana", phone="5550142")
            await talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})
            await caller.sees(sip.HungUp)
            await house.record()
        finally:
            trio.lowlevel.remove_instrument(steps)
    ours = [step for step in steps.taken if not step[1].startswith("<test ")]
    assert len(ours) > 500
    assert [step for step in ours if step[0] > LONGEST] == []
