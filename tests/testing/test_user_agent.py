"""Two test phones on real sockets: they hear each other, hold, press keys, refuse, transfer."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from callactors.audio.tone import sine
from callactors.sip import events as sip
from callactors.testing import ears
from callactors.testing.desk_phone import desk_phone
from callactors.testing.manners import Manners
from callactors.testing.rtp_line import RtpLine
from callactors.testing.user_agent import NoSuchPhone, NotAnswered, PhoneCall, UserAgent, user_agent
from callactors.testing.waiting import until

ANN, BOB = "127.0.0.31", "127.0.0.32"


@attrs.frozen
class Pair:
    ann: PhoneCall
    bob: PhoneCall


@asynccontextmanager
async def phones(manners: Manners | None = None) -> AsyncIterator[tuple[UserAgent, UserAgent]]:
    """Ann has these manners."""
    async with user_agent(ANN, name="ann", manners=manners) as ann, user_agent(BOB, name="bob") as bob:
        yield ann, bob


@asynccontextmanager
async def talking(manners: Manners | None = None) -> AsyncIterator[Pair]:
    """Ann has called Bob, and he has answered."""
    async with phones(manners) as (ann, bob), trio.open_nursery() as nursery:
        nursery.start_soon(pick_up, bob)
        call = await ann.dial(bob.uri, caller="ann")
        yield Pair(call, bob.calls[0])
        nursery.cancel_scope.cancel()


async def pick_up(agent: UserAgent) -> None:
    (await agent.next_call()).pick_up()


def hears(line: RtpLine, pitch: float, since: float = 0.0) -> bool:
    return ears.hears(line.samples(since), pitch)


async def test_two_phones_hear_each_other(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair:
        pair.ann.line.say(sine(400, 500))
        pair.bob.line.say(sine(700, 500))
        await trio.sleep(1)
        assert hears(pair.bob.line, 400)
        assert hears(pair.ann.line, 700)


async def test_every_packet_has_the_time_it_came(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair:
        said_at = trio.current_time()
        saying = pair.ann.line.say(sine(400, 200))
        await saying.spoken.wait()
        await trio.sleep(0.1)
        times = [heard.at for heard in pair.bob.line.heard if heard.loud]
    assert len(times) == 10
    assert said_at < times[0] <= said_at + 0.021
    assert [round(b - a, 3) for a, b in itertools.pairwise(times)] == [0.02] * 9
    assert saying.last_sample_at == pytest.approx(times[-1], abs=0.001)


async def test_who_is_on_hold_is_not_heard_until_resumed(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair:
        assert await pair.ann.hold() == 200
        held_at = trio.current_time()
        pair.bob.line.say(sine(700, 300))
        await trio.sleep(1)
        assert pair.ann.line.first_loud(held_at) is None
        assert await pair.ann.resume() == 200
        await trio.sleep(1)
        assert hears(pair.ann.line, 700, held_at)


async def test_digits_are_heard_once_each(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair:
        pair.ann.line.press("0*9")
        await trio.sleep(2)
    assert pair.bob.line.digits == ["0", "*", "9"]


async def test_a_line_that_moves_goes_on_from_another_port(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair:
        await trio.sleep(0.2)
        pair.ann.line.move()
        await trio.sleep(0.2)
        assert len({heard.source for heard in pair.bob.line.heard}) == 2


async def test_whoever_hangs_up_the_other_one_knows(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair:
        pair.bob.hang_up()
        await pair.ann.wait_ended()
    assert (pair.ann.ended_by, pair.bob.ended_by) == ("them", "us")


async def test_a_refused_call_raises_with_its_status(autojump_clock: trio.abc.Clock) -> None:
    async with phones() as (ann, bob), trio.open_nursery() as nursery:
        nursery.start_soon(refuse, bob, 486)
        with pytest.raises(NotAnswered, match="486") as refused:
            await ann.dial(bob.uri)
    assert refused.value.status == 486


async def refuse(agent: UserAgent, status: int) -> None:
    (await agent.next_call()).refuse(status)


async def test_a_phone_that_is_not_answered_is_given_up(autojump_clock: trio.abc.Clock) -> None:
    async with phones() as (ann, bob):
        with pytest.raises(NotAnswered, match="408"):
            await ann.dial(bob.uri, ring=3)
        await (await bob.next_call()).wait_ended()


@pytest.mark.parametrize("uri", ["tel:5550142", "sip:", "http://127.0.0.1/"])
async def test_what_is_no_sip_address_is_not_dialled(uri: str, autojump_clock: trio.abc.Clock) -> None:
    async with phones() as (ann, _):
        with pytest.raises(NoSuchPhone):
            await ann.dial(uri)


async def test_a_refer_is_obeyed_and_its_outcome_notified(autojump_clock: trio.abc.Clock) -> None:
    async with talking() as pair, desk_phone(sine(900, 500)) as desk:
        pair.bob.refer(desk.agent.uri)
        await pair.ann.transferred.wait()
        await until(lambda: [notify.answered for notify in pair.ann.agent.notifies()] == [200, 200])
        bob_heard = [event.status for event in pair.bob.told if isinstance(event, sip.Notified)]
        assert bob_heard == [100, 200]
        successor = pair.ann.successor
        assert successor is not None
        successor.line.say(sine(400, 500))
        await trio.sleep(1)
        assert hears(successor.line, 900)
        assert hears(desk.taken[0].line, 400)


@pytest.mark.parametrize("status", [405, 603])
async def test_a_refer_is_refused_with_the_status_asked_for(status: int, autojump_clock: trio.abc.Clock) -> None:
    async with talking(Manners(refer=status)) as pair:
        pair.bob.refer("sip:desk@127.0.0.30")
        await until(lambda: any(isinstance(event, sip.ReferAnswered) for event in pair.bob.told))
        assert [event.status for event in pair.bob.told if isinstance(event, sip.ReferAnswered)] == [status]
        assert pair.ann.agent.notifies() == []


async def test_a_bye_can_take_the_place_of_the_last_notify(autojump_clock: trio.abc.Clock) -> None:
    async with talking(Manners(final=200, bye_for_notify=True)) as pair:
        pair.bob.refer("sip:desk@127.0.0.30")
        await pair.bob.wait_ended()
        assert [notify.status for notify in pair.ann.agent.notifies()] == [100]
