"""A caller with ears: what they measure is the time an agent really took."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio

from callactors.audio.g711 import Samples
from callactors.audio.tone import sine
from callactors.testing import ears
from callactors.testing.caller import Caller
from callactors.testing.user_agent import PhoneCall, UserAgent, user_agent
from callactors.testing.waiting import until


async def tone_for(text: str) -> Samples:
    """100 ms of tone a word, and a soft end as voices have."""
    return np.concatenate((sine(500, 100 * len(text.split())), np.zeros(800, np.int16)))


async def count_words(samples: Samples) -> str:
    """One word for every whole 100 ms of tone."""
    return " ".join(
        "word" for stretch in ears.stretches(samples) for _ in range(round((stretch.end - stretch.start) / 800))
    )


@attrs.define(eq=False)
class SlowAgent:
    """Answers every stretch of speech `takes` seconds after its last sample: `says` is (pause ms, words) in turn."""

    takes: float
    says: tuple[tuple[int, str], ...] = ((0, "one two three"),)
    call: PhoneCall | None = None

    async def run(self, phone: UserAgent) -> None:
        call = self.call = await phone.next_call()
        call.pick_up()
        while not call.ended.is_set():
            await call.line.wait_loud(trio.current_time())
            await until(lambda: trio.current_time() - (call.line.last_loud() or 0.0) >= self.takes - 0.02)
            for pause, words in self.says:
                await trio.sleep(pause / 1000)
                await call.line.say(await tone_for(words)).spoken.wait()


@asynccontextmanager
async def calling(agent: SlowAgent) -> AsyncIterator[Caller]:
    async with user_agent("127.0.0.33") as phone, user_agent("127.0.0.34") as other, trio.open_nursery() as nursery:
        nursery.start_soon(agent.run, other)
        yield Caller(await phone.dial(other.uri), tone_for, count_words)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("takes", [0.3, 0.65, 1.5])
async def test_the_response_time_is_measured_from_the_last_loud_sample(
    takes: float, autojump_clock: trio.abc.Clock
) -> None:
    async with calling(SlowAgent(takes)) as caller:
        await caller.say("a few words")
        answer = await caller.listen(5)
    assert answer is not None
    assert answer.response_ms == pytest.approx(takes * 1000, abs=30)
    assert answer.text == "word word word"


async def test_a_caller_who_hears_nothing_says_so(autojump_clock: trio.abc.Clock) -> None:
    async with calling(SlowAgent(60)) as caller:
        await caller.say("hello")
        assert await caller.listen(5) is None


async def test_an_agent_who_has_not_finished_is_waited_for(autojump_clock: trio.abc.Clock) -> None:
    agent = SlowAgent(0.3, ((0, "one two three"), (1500, "one two three")))
    async with calling(agent) as caller:
        await caller.say("hello")
        answer = await caller.listen(5, unfinished=lambda text: text.count("word") < 5)
    assert answer is not None
    assert answer.text.count("word") >= 6


async def test_a_call_that_ends_ends_the_listening(autojump_clock: trio.abc.Clock) -> None:
    agent = SlowAgent(60)
    async with calling(agent) as caller, trio.open_nursery() as nursery:
        assert agent.call is not None
        nursery.start_soon(caller.listen, 30)
        await trio.sleep(1)
        before = trio.current_time()
        agent.call.hang_up()
    assert trio.current_time() - before < 5
