"""The loopback carrier: a pool of SIP addresses, media somewhere else, and every bad manner a real one has.

A polite carrier with one address proves nothing; this one wanders, leaves out rport, holds while it transfers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import trio

from callactors.testing.manners import Manners
from callactors.testing.pool_wire import PoolWire
from callactors.testing.user_agent import UserAgent

POOL = ("127.0.0.10", "127.0.0.11", "127.0.0.12", "127.0.0.13")
MEDIA = "127.0.0.20"
NASTY = Manners(hold=True)


@asynccontextmanager
async def carrier(
    *,
    manners: Manners = NASTY,
    pool: Sequence[str] = POOL,
    media: str = MEDIA,
    codecs: tuple[str, ...] = ("pcmu", "pcma"),
    rport: bool = False,
    random_ports: bool = True,
    wanders: bool = True,
    random: Random | None = None,
) -> AsyncIterator[UserAgent]:
    """A carrier for as long as the block lasts: `dial` places a caller's call, REFER is obeyed as `manners` say.

    Without `rport`, requests leave from `random_ports`; with `wanders`, BYE and re-INVITE come from other members.
    """
    wire = PoolWire(pool, rport=rport, random_ports=random_ports, wanders=wanders)
    agent = UserAgent(
        pool[0], media_host=media, codecs=codecs, manners=manners, random=random, wire=wire, name="carrier"
    )
    async with trio.open_nursery() as nursery:
        yield await nursery.start(agent.run)
        nursery.cancel_scope.cancel()
