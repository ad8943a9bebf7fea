"""`callactors run` with an ear for orders: each line of its standard input, `NUMBER SCENARIO`, is a call to place.

The command line is that of `run`. What came of an order stands in the ledger, whether it was placed or not.
"""

from __future__ import annotations

import argparse
import os
import signal
from functools import partial
from pathlib import Path

import trio

from callactors.commands.run import load
from callactors.commands.serving import Serving, raise_descriptor_limit, serving
from callactors.config import Config
from callactors.errors import NotPlaced
from callactors.meters.log import configure, log
from callactors.routing.rules import Order


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    for name in ("--sip", "--web"):
        parser.add_argument(name)
    for name in ("--data", "--agents"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    configure()
    raise_descriptor_limit()
    trio.run(_serve, load(given.config, sip=given.sip, web=given.web, data=given.data), given.agents)


async def _serve(config: Config, agents: Path | None) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery, serving(config, agents=agents) as up:
            print(f"READY sip={up.sip} web={up.web}", flush=True)
            nursery.start_soon(_listen, up)
            await anext(aiter(signals))
            nursery.cancel_scope.cancel()


async def _listen(up: Serving) -> None:
    """Place what is ordered, all at once."""
    waiting = b""
    async with trio.lowlevel.FdStream(os.dup(0)) as orders, trio.open_nursery() as placing:
        async for data in orders:
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                number, scenario = line.decode().split()
                placing.start_soon(partial(_place, up, Order(number=number, scenario=scenario)))


async def _place(up: Serving, order: Order) -> None:
    try:
        await up.switchboard.place(order)
    except NotPlaced as refused:
        log().info("refused", why=str(refused))


if __name__ == "__main__":
    main()
