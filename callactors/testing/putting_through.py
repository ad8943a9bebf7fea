"""A call whose caller may be put through to a person: a house, a caller, and a real phone at the front desk.

The desk stands behind a trunk of its own, `desk`; what it does when called or referred is its Manners.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import attrs
import msgspec

from callactors.calls.playbook import Playbook
from callactors.routing.trunk import Target
from callactors.testing.calling_out import tones
from callactors.testing.calls import Adapt
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.scripted_caller import Transfers, accept
from callactors.testing.talking import Talk, talking
from callactors.testing.user_agent import UserAgent, user_agent

DESK_HOST = "127.0.0.45"
Way = Literal["blind", "attended", "bridged"]


@attrs.frozen
class PuttingThrough:
    """The call that goes on, and the desk it may be put through to."""

    talk: Talk
    desk: UserAgent

    async def ask(self) -> str:
        """The model asks for the front desk; the name of its request."""
        return await self.talk.peer.request_tool("transfer_to_human", {"target": "front_desk"})

    async def desk_answers(self) -> PhoneCall:
        """The desk's phone rings and is picked up."""
        call = await self.desk.next_call()
        call.pick_up()
        return call

    def desk_hears(self, call: PhoneCall) -> list[str]:
        """The tones somebody at the desk has heard so far, by name."""
        return [tone.name for tone in tones(call)]


def with_tries(*tries: Way, dials: str | None = None) -> Adapt:
    """The salon, whose handoff tries these ways in order; to the directory's URI, or whatever else it `dials`."""

    def adapt(book: Playbook) -> Playbook:
        handoff = msgspec.structs.replace(book.scenario.handoff, tries=tries)
        targets = book.targets if dials is None else {"front_desk": Target("front_desk", dials, "desk")}
        scenario = msgspec.structs.replace(book.scenario, handoff=handoff)
        return attrs.evolve(book, scenario=scenario, targets=targets)

    return adapt


@asynccontextmanager
async def putting_through(
    data: Path,
    *tries: Way,
    transfers: Transfers = accept,
    refers: str = "never",
    dtmf: str = "rfc4733",
    manners: Manners | None = None,
    dials: str | None = None,
    more: str = "",
) -> AsyncIterator[PuttingThrough]:
    """A call in which the greeting was heard.

    `transfers` is what the caller's carrier does with a REFER, `refers` whom it may refer us to, `dtmf` how it presses
    keys. `dials` is what a transfer dials where that is not the desk, past every check of the configuration.
    """
    async with user_agent(DESK_HOST, name="desk", manners=manners) as desk:
        trunk = f'  desk: {{from: [{DESK_HOST}/32], to: "sip:{desk.address}", hold: music}}'
        entry = f'sip: "{desk.uri}", trunk: desk'
        async with talking(
            data,
            transfers=transfers,
            trunks=trunk,
            desk=entry,
            loopback=f", refers: {refers}, dtmf: {dtmf}",
            more=more,
            adapt=with_tries(*tries, dials=dials),
        ) as talk:
            yield PuttingThrough(talk, desk)
