"""The nasty carrier against a whole house: callactors serves a pool that wanders, moves, holds and forgets rport."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from callactors.audio import g711
from callactors.audio.tone import sine
from callactors.routing.trunk import Target
from callactors.sip.address import Hop
from callactors.testing import ears
from callactors.testing.calls import PITCHES, House, Mind, agent_says, open_house
from callactors.testing.carrier import MEDIA, NASTY, POOL, carrier
from callactors.testing.desk_phone import DeskPhone, desk_phone
from callactors.testing.manners import Manners
from callactors.testing.pool_wire import PoolWire
from callactors.testing.scripted_model import Peer
from callactors.testing.user_agent import PhoneCall, UserAgent
from callactors.testing.waiting import until

DESK_PITCH = 950


@attrs.frozen
class Talk:
    """A call through the carrier in which the greeting was heard."""

    house: House
    network: UserAgent
    call: PhoneCall
    peer: Peer
    desk: DeskPhone

    def hears(self, name: str, since: float = 0.0) -> bool:
        return heard(self.call, PITCHES[name], since)

    async def transfer(self) -> None:
        await self.peer.request_tool("transfer_to_human", {"target": "front_desk"})


def heard(call: PhoneCall, pitch: float, since: float = 0.0) -> bool:
    return ears.hears(call.line.samples(since), pitch)


@asynccontextmanager
async def talking(data: Path, manners: Manners = NASTY, *, polite: bool = False) -> AsyncIterator[Talk]:
    mind = Mind()
    async with desk_phone(sine(DESK_PITCH, 400)) as desk:
        target = Target("front_desk", desk.agent.uri, "loopback")
        async with (
            open_house(data, mind, adapt=lambda book: attrs.evolve(book, targets={"front_desk": target})) as house,
            carrier(manners=manners, rport=polite, random_ports=not polite, wanders=not polite) as network,
        ):
            call = await network.dial(f"sip:100@{house.endpoint.address}", caller="5550142")
            talk = Talk(house, network, call, await mind.session(), desk)
            await until(lambda: talk.hears("greeting"))
            yield talk


async def test_a_bye_from_another_member_of_the_pool_ends_the_call(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        talk.call.hang_up()
        record = await talk.house.record()
        assert talk.network.endpoint.counters()["wandered"] == 1
    assert (record["cause"], record["ended_by"]) == ("caller_hung_up", "far_end")


@pytest.mark.parametrize("polite", [True, False])
async def test_a_carrier_polite_or_not_hears_the_agent(
    polite: bool, autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    async with talking(tmp_path, polite=polite) as talk:
        assert talk.call.line.address.host == MEDIA
        since = trio.current_time()
        await agent_says(talk.peer, "What would you like?", 400)
        await until(lambda: talk.hears("agent", since))


async def test_a_hold_and_resume_from_other_members_is_answered(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        assert await talk.call.hold() == 200
        assert await talk.call.resume() == 200
        since = trio.current_time()
        await agent_says(talk.peer, "There you are.", 400)
        await until(lambda: talk.hears("agent", since))


async def test_a_caller_whose_media_moves_is_still_heard(autojump_clock: trio.abc.Clock, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        await trio.sleep(4)  # the learn window of the start is over
        talk.call.line.move()
        await trio.sleep(3)
        mark = len(talk.house.mind.sound)
        talk.call.line.say(sine(1800, 800))
        await trio.sleep(2)
        assert ears.hears(g711.pcmu_decode(bytes(talk.house.mind.sound[mark:])), 1800)
        since = trio.current_time()
        await agent_says(talk.peer, "I hear you.", 400)
        await until(lambda: talk.hears("agent", since))


async def test_a_transfer_through_a_pool_that_holds_reaches_the_desk(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    async with talking(tmp_path) as talk:
        await talk.transfer()
        await talk.call.transferred.wait()
        successor = talk.call.successor
        assert successor is not None
        await talk.call.wait_ended()
        successor.line.say(sine(1800, 400))
        await until(lambda: heard(successor, DESK_PITCH) and heard(talk.desk.taken[0], 1800))
        record = await talk.house.record()
        assert talk.call.refer_status == 202
        assert [(one.status, one.answered) for one in talk.network.notifies()] == [(100, 200), (200, 200)]
    assert talk.call.ended_by == "them"
    assert (record["cause"], record["outcome"]) == ("transferred", "handed_off")


@pytest.mark.parametrize(
    ("manners", "outcome"),
    [
        (Manners(refer=405), "refused"),
        (Manners(refer=603), "refused"),
        (Manners(final=486, hold=True), "refused"),
        (Manners(final=408, hold=True), "no_answer"),
        (Manners(final=None, hold=True), "no_answer"),
    ],
)
async def test_a_caller_nobody_takes_is_back_and_hears_the_agent(
    manners: Manners, outcome: str, autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    async with talking(tmp_path, manners) as talk:
        await talk.transfer()
        asked = trio.current_time()
        await until(lambda: talk.call.line.first_loud(asked + 2) and talk.hears("back", asked))
        since = trio.current_time()
        await agent_says(talk.peer, "What else can I do?", 400)
        await until(lambda: talk.hears("agent", since))
        talk.call.hang_up()
        record = await talk.house.record()
    assert [row["outcome"] for row in record["transfers"]] == [outcome]


async def test_a_bye_in_place_of_the_last_notify_is_a_presumed_transfer(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    async with talking(tmp_path, Manners(bye_for_notify=True)) as talk:
        await talk.transfer()
        record = await talk.house.record()
        await until(lambda: talk.desk.taken)
    assert [row["outcome"] for row in record["transfers"]] == ["presumed"]
    assert record["outcome"] == "handed_off"


async def test_a_pool_sends_without_rport_from_a_port_it_does_not_listen_on() -> None:
    wire, peer = PoolWire(POOL), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    via = f"Via: SIP/2.0/UDP {wire.address};branch=z9hG4bKx;rport\r\n"
    wire.send(f"OPTIONS sip:a SIP/2.0\r\n{via}To: <sip:a>\r\n\r\n".encode(), Hop(*peer.getsockname()))
    data, source = peer.recvfrom(2000)
    wire.send(f"BYE sip:a SIP/2.0\r\n{via}To: <sip:a>;tag=1\r\n\r\n".encode(), Hop(*peer.getsockname()))
    _, wandered = peer.recvfrom(2000)
    peer.close()
    wire.close()
    assert b"rport" not in data
    assert source[0] == POOL[0]
    assert source[1] != wire.address.port
    assert wandered[0] in POOL[1:]


async def test_whatever_member_is_written_to_the_pool_hears_it() -> None:
    wire, peer = PoolWire(POOL), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for member in POOL:
        peer.sendto(member.encode(), (member, wire.address.port))
    got: list[bytes] = []
    while len(got) < len(POOL):
        got += [data for data, _ in await wire.receive()]
    peer.close()
    wire.close()
    wire.close()
    assert sorted(got) == sorted(member.encode() for member in POOL)
