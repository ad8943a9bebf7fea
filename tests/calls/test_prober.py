"""OPTIONS to real carriers on loopback: what they say of themselves is what the dialer and the board believe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock

from callactors.calls.dialer import Dialer
from callactors.calls.prober import PATIENCE, Prober
from callactors.calls.trunk_board import PAUSE, TrunkBoard, read_board
from callactors.config import load
from callactors.errors import Unusable
from callactors.net import offload
from callactors.net.resolver import Resolver
from callactors.net.sip_endpoint import SipEndpoint
from callactors.sip.address import Hop
from callactors.sip.uri import SipUri
from callactors.testing.manners import Manners
from callactors.testing.user_agent import UserAgent, user_agent

TEXT = """\
version: 1
listen: {{sip: [{{udp: "127.0.0.1:5060"}}]}}
trunks:
  a: {{from: [127.0.0.41/32], to: [{to}], probe: {{every: 30, fail: 2, of: 3}}, auth: {{user: u, password: "${{PW}}"}}}}
  quiet: {{from: [127.0.0.42/32], to: "sip:127.0.0.42"}}
numbers: []
"""


@asynccontextmanager
async def probing(*to: str, board: TrunkBoard | None = None) -> AsyncIterator[Prober]:
    """A prober that is not running, with an endpoint that is."""
    config = load(TEXT.format(to=", ".join(f'"{uri}"' for uri in to)), "callactors.yaml", {"PW": "secret"})
    random = Random(1)
    endpoint = SipEndpoint(
        "127.0.0.1", 0, node="t1", trunk_of=lambda hop: None, on_invite=lambda invite: None, random=random
    )
    dialer = Dialer(config, Resolver(random, hosts={"gone.example": ()}), random)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        yield Prober(dialer, endpoint, random, board)
        nursery.cancel_scope.cancel()


def at(agent: UserAgent) -> str:
    return f"sip:{agent.address}"


async def test_who_answers_is_alive_and_who_is_silent_is_not(autojump_clock: MockClock) -> None:
    async with (
        user_agent("127.0.0.41", name="up") as up,
        user_agent("127.0.0.43", name="down", manners=Manners(invite="silence")) as down,
        probing(at(up), at(down)) as prober,
    ):
        first, second = await prober.probe("a")
    assert (first.hop.address, first.status, first.alive) == (up.address, 200, True)
    assert (second.hop.address, second.status, second.alive) == (down.address, None, False)
    assert second.seconds == pytest.approx(PATIENCE)


async def test_a_trunk_nobody_can_find_has_no_addresses(autojump_clock: MockClock) -> None:
    async with probing("sip:gone.example:5060") as prober:
        assert await prober.probe("a") == []


async def test_probes_open_a_breaker_and_close_it(autojump_clock: MockClock) -> None:
    async with (
        user_agent("127.0.0.41", manners=Manners(invite="silence")) as carrier,
        probing(at(carrier)) as prober,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(prober.run)
        hop, breakers = Hop(*carrier.address), prober.dialer.breakers
        await trio.sleep(75)  # virtual: two probes have gone unanswered
        assert breakers.state("a", hop, trio.current_time()) == "open"
        carrier.manners = Manners()
        await trio.sleep(40)
        assert breakers.state("a", hop, trio.current_time()) == "closed"
        nursery.cancel_scope.cancel()


async def test_a_round_that_breaks_is_followed_by_the_next(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[SipUri] = []

    async def broken(self: Resolver, uri: SipUri) -> list[Hop]:
        await trio.lowlevel.checkpoint()
        rounds.append(uri)
        raise ZeroDivisionError

    monkeypatch.setattr(Resolver, "hops", broken)
    async with probing("sip:127.0.0.41") as prober, trio.open_nursery() as nursery:
        nursery.start_soon(prober.run)
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert len(rounds) == 3


async def test_a_trunk_that_wants_no_probe_gets_none(autojump_clock: MockClock) -> None:
    async with (
        user_agent("127.0.0.41") as carrier,
        probing(at(carrier)) as prober,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(prober.run)
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
        asked = {logged.message.headers.get("Call-ID") for logged in carrier.messages if not logged.out}
    assert len(asked) == 3


async def test_what_a_process_knows_of_its_trunks_is_on_the_board(autojump_clock: MockClock, tmp_path: Path) -> None:
    offload.INLINE.set(True)
    board = TrunkBoard(tmp_path, lambda: 1_700_000_000.0)
    async with (
        user_agent("127.0.0.41") as carrier,
        probing(at(carrier), board=board) as prober,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(board.run)
        nursery.start_soon(prober.run)
        await trio.sleep(40 + PAUSE)
        known = {"state": "closed", "status": 200, "at": 1_700_000_000.0}
        assert read_board(tmp_path) == {"a": {str(Hop(*carrier.address)): known}}
        nursery.cancel_scope.cancel()
    assert read_board(tmp_path) == {}


def test_a_board_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "trunks.json").write_text("{")
    with pytest.raises(Unusable, match=r"trunks\.json cannot be read"):
        read_board(tmp_path)
