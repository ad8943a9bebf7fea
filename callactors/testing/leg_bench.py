"""A SIP leg on the bench: one real endpoint and plane, legs without a call around them, and what each of them told.

The far end is a UserAgent. Everything a leg tells is kept in order; its audio too.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from random import Random
from typing import TypeVar

import attrs
import numpy as np
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentHeard, CallerAudio, LegEnded, Message
from callactors.actors.sip_leg import SipLeg
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.net.media_plane import MediaPlane
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.trunk import Trunk
from callactors.routing.way import Way
from callactors.sip.address import Hop
from callactors.sip.events import Invited
from callactors.sip.headers import NameAddr
from callactors.sip.policy import Policy
from callactors.sip.uri import SipUri
from callactors.testing.waiting import until

HOST = "127.0.0.40"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
TRUNK = Trunk("carrier", LOOPBACK, LOOPBACK)

M = TypeVar("M", bound=Message)


@attrs.define(eq=False)
class Side:
    """One leg and what came of it."""

    leg: SipLeg
    told: list[Message] = attrs.field(factory=list)
    over: trio.Event = attrs.field(factory=trio.Event)  # its `run` has returned

    def all(self, kind: type[M]) -> list[M]:
        """Every message of one kind, in order."""
        return [message for message in self.told if isinstance(message, kind)]

    async def tells(self, kind: type[M], count: int = 1) -> M:
        """The `count`th message of a kind, once it has come."""
        await until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]

    async def ended(self) -> LegEnded:
        """Its LegEnded, told to the end."""
        ended = await self.tells(LegEnded)
        await self.over.wait()
        return ended

    def samples(self) -> Samples:
        """What has come for a model's ear since the last look, at 8 kHz."""
        heard = [np.zeros(0, np.int16)]
        for format, batches in groupby(_taken(self.leg.audio), lambda batch: batch.format):
            audio = b"".join(batch.audio for batch in batches)
            heard.append(np.frombuffer(convert(audio, format, AudioFormat.PCM16_8K), np.int16))
        return np.concatenate(heard)

    def taped(self) -> list[CallerAudio | AgentHeard]:
        """What has come for the recording since the last look."""
        assert isinstance(self.leg.tape, Mailbox)  # the bench's
        return _taken(self.leg.tape)


@attrs.define(eq=False)
class Bench:
    """Places legs, and takes those that come in."""

    endpoint: SipEndpoint
    plane: MediaPlane
    nursery: trio.Nursery
    trunk: Trunk
    _came: Mailbox[Side] = attrs.field(factory=Mailbox)
    _count: int = 0

    @property
    def uri(self) -> str:
        """What a phone dials to get here."""
        return f"sip:bench@{self.endpoint.address}"

    async def place(
        self,
        hop: Hop,
        *,
        plainer: bool = False,
        clear: bool = False,
        listen_early: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Side:
        """Dial who is at `hop`; the INVITE has left."""
        target = SipUri("sip", "callee", None, hop.host, hop.port)
        caller = NameAddr("", SipUri("sip", "+13125550100", None, HOST))
        way = Way(
            trunk=self.trunk.name, hop=hop, uri=target, caller=caller, plainer=plainer, clear=clear, headers=headers
        )  # fmt: skip
        leg = SipLeg.placed(
            self._number(), way, self.trunk, self.endpoint, self.plane, advertise=None, events=Mailbox(),
            audio=Mailbox(math.inf), tape=Mailbox(math.inf), listen_early=listen_early,
        )  # fmt: skip
        return await self._begin(leg)

    async def next_call(self) -> Side:
        """The next leg that came in: its offer is taken, nothing has been said to it."""
        return await self._came.receive()

    def invited(self, invite: Invited) -> None:
        leg = SipLeg(
            self._number(), invite.session, self.trunk, self.endpoint, self.plane, None, Mailbox(),
            Mailbox(math.inf), Mailbox(math.inf),
        )  # fmt: skip
        try:
            leg.take(invite.request.body)
        except (MalformedDescription, NoCommonFormat):
            self.endpoint.reject(invite.session, 488)
            return
        self.nursery.start_soon(self._arrived, leg)

    async def _arrived(self, leg: SipLeg) -> None:
        await self._came.send(await self._begin(leg))

    def _number(self) -> int:
        self._count += 1
        return self._count

    async def _begin(self, leg: SipLeg) -> Side:
        side = Side(leg)
        self.nursery.start_soon(_listen, side)
        await self.nursery.start(_run, side)
        return side


@asynccontextmanager
async def leg_bench(
    *,
    trunk: Trunk = TRUNK,
    policy: Policy | None = None,
    first_rtp: float = 5.0,
    rtp_silence: float = 30.0,
    other: str | None = None,
) -> AsyncIterator[Bench]:
    """A bench at HOST, its media at `other` too, for as long as the block lasts; its legs are hung up with it."""
    random, spoken = Random(5), policy or Policy()
    ports = range(27_000, 27_200)
    plane = MediaPlane(HOST, ports, random, first_rtp=first_rtp, rtp_silence=rtp_silence, other=other)
    endpoint = SipEndpoint(
        HOST, 0, node="bench", trunk_of=lambda hop: trunk.name, on_invite=lambda invite: bench.invited(invite),
        random=random, policy_of=lambda name: spoken,
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        bench = Bench(endpoint, plane, nursery, trunk)
        await nursery.start(plane.run)
        await nursery.start(endpoint.run)
        yield bench
        nursery.cancel_scope.cancel()


async def _run(side: Side, task_status: trio.TaskStatus[None]) -> None:
    await side.leg.run(task_status)
    side.over.set()


async def _listen(side: Side) -> None:
    async for message in side.leg.events:
        side.told.append(message)


T = TypeVar("T")


def _taken(box: Mailbox[T]) -> list[T]:
    found: list[T] = []
    while box.statistics().waiting:
        found.append(box.receive_nowait())
    return found
