"""A person's phone at a desk: it rings, somebody answers, says a line, and what the caller says is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from callactors.audio.g711 import Samples
from callactors.testing.user_agent import PhoneCall, UserAgent

HOST = "127.0.0.30"
RINGS = 0.5  # seconds until somebody answers


@attrs.define(eq=False)
class DeskPhone:
    """Answers every call and says `line` (int16, 8 kHz)."""

    agent: UserAgent
    line: Samples
    rings: float = RINGS
    taken: list[PhoneCall] = attrs.field(factory=list)
    answered: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        """Take calls until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._take, await self.agent.next_call())

    async def _take(self, call: PhoneCall) -> None:
        with trio.move_on_after(self.rings):
            await call.ended.wait()
        if call.ended.is_set():
            return
        call.pick_up()
        self.taken.append(call)
        self.answered.set()
        call.line.say(self.line)
        await call.wait_ended()


@asynccontextmanager
async def desk_phone(
    line: Samples, *, host: str = HOST, name: str = "desk", rings: float = RINGS
) -> AsyncIterator[DeskPhone]:
    """A desk phone on a free port of `host`, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        agent = await nursery.start(UserAgent(host, name=name).run)
        phone = DeskPhone(agent, line, rings)
        nursery.start_soon(phone.run)
        yield phone
        nursery.cancel_scope.cancel()
