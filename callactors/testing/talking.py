"""A call that is already going on: house, caller, and the model's side, with the greeting heard.

The usual beginning of a test; what it asserts, it asserts of the three parts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import trio

from callactors.calls.playbook import Playbook
from callactors.net.udp import UdpSocket
from callactors.sip.address import Address, Hop
from callactors.sip.message import Request, Response, to_bytes
from callactors.testing.calls import DESK, Adapt, Facts, House, Mind, agent_says, open_house
from callactors.testing.scripted_caller import ScriptedCaller, Transfers, accept, scripted_caller
from callactors.testing.scripted_model import Peer
from callactors.tools.tool import Tool


@attrs.frozen
class Talk:
    """One call: `house` answers, `caller` calls, `peer` is the model."""

    house: House
    caller: ScriptedCaller
    peer: Peer

    async def told(self, call: str) -> str:
        """What the model is told of a tool request, however long that takes."""
        with trio.fail_after(60):
            while True:
                try:
                    return await self.peer.tool_output(call)
                except AssertionError:  # longer than a script usually waits
                    continue

    async def asks(self, tool: str, **arguments: object) -> str:
        """The model uses a tool; what it is told of it."""
        return await self.told(await self.peer.request_tool(tool, arguments))

    async def goes_on(self) -> None:
        """The agent is heard by the caller, and the caller by the model."""
        before, already = len(self.caller.names), self.peer.audio
        await agent_says(self.peer, "What else can I do for you?", 400)
        await self.caller.until(lambda: "agent" in self.caller.names[before:])
        self.caller.say(200)
        await self.peer.expect_audio(already + 3200)

    def inside(self, method: str, body: bytes = b"", **headers: str) -> bytes:
        """A request inside the call's dialog, made of the caller's own INVITE; `Content_Type=...` adds a header."""
        invite = self.caller.requests("INVITE", "out")[0]
        answers = [message for way, message in self.caller.messages if way == "in" and isinstance(message, Response)]
        answer = next(message for message in answers if message.status == 200)
        kept = invite.headers.with_("To", answer.headers.get("To") or "").with_("CSeq", f"77 {method}")
        via = (invite.headers.get("Via") or "").replace("z9hG4bK", f"z9hG4bK{method}").replace(";rport", "")
        kept = kept.without("Content-Type").with_("Via", via)
        for name, value in headers.items():
            kept = kept.with_(name.replace("_", "-"), value)
        return to_bytes(Request(method, invite.uri, kept, body))

    async def hang_up(self) -> Facts:
        """The caller leaves; the record."""
        self.caller.hang_up()
        return await self.house.record()

    @property
    def media(self) -> Address:
        """Where the house listens for this call's RTP."""
        assert self.caller.agreement is not None  # it was answered
        return self.caller.agreement.remote


@asynccontextmanager
async def talking(
    data: Path,
    *,
    transfers: Transfers = accept,
    mind: Mind | None = None,
    more: str = "",
    trunks: str = "",
    desk: str = DESK,
    loopback: str = "",
    adapt: Adapt = lambda book: book,
) -> AsyncIterator[Talk]:
    """A call in which the greeting was heard."""
    mind = mind or Mind()
    async with (
        open_house(data, mind, more=more, trunks=trunks, desk=desk, loopback=loopback, adapt=adapt) as house,
        scripted_caller(house.endpoint.address, transfers=transfers) as caller,
    ):
        await caller.call()
        peer = await mind.session()
        await caller.hears("greeting")
        yield Talk(house, caller, peer)


def with_tools(*tools: Tool) -> Adapt:
    """The salon, whose receptionist has these tools too."""

    def adapt(book: Playbook) -> Playbook:
        agents, names = dict(book.scenario.agents), tuple(tool.name for tool in tools)
        reception = agents["reception"]
        agents["reception"] = msgspec.structs.replace(reception, tools=(*reception.tools, *names))
        scenario = msgspec.structs.replace(book.scenario, agents=agents)
        return attrs.evolve(book, scenario=scenario, tools={**book.tools, **{tool.name: tool for tool in tools}})

    return adapt


def with_policies(**changes: object) -> Adapt:
    """The salon under other policies: `silence=("2", "goodbye")`, `max_length=10`."""

    def adapt(book: Playbook) -> Playbook:
        policies = msgspec.structs.replace(book.scenario.policies, **changes)
        return attrs.evolve(book, scenario=msgspec.structs.replace(book.scenario, policies=policies))

    return adapt


Shout = Callable[[bytes, Address], None]


@asynccontextmanager
async def shouting(host: str = "127.0.0.30") -> AsyncIterator[Shout]:
    """A socket that sends datagrams of any content."""
    socket = UdpSocket(host, 0)
    try:
        yield lambda data, to: socket.send(data, Hop(*to))
    finally:
        socket.close()
