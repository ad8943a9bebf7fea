"""Hold, from both sides, and what the one on hold hears; digits as the trunk has them; early media to a caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import attrs
import pytest
import trio

from callactors.actors.messages import (
    CallAnswered,
    DigitPressed,
    HeldByPeer,
    LegEnded,
    LegReferred,
    MediaChanged,
    RtpWentSilent,
)
from callactors.audio.levels import strength
from callactors.audio.tone import sine
from callactors.routing.cause import Cause
from callactors.routing.trunk import Trunk
from callactors.sip import events as sip
from callactors.sip.message import Request, Response
from callactors.sip.policy import Policy
from callactors.testing import ears
from callactors.testing.leg_bench import TRUNK, Bench, Side, leg_bench
from callactors.testing.manners import Manners
from callactors.testing.user_agent import NotAnswered, PhoneCall, UserAgent, user_agent
from callactors.testing.waiting import until

PHONE = "127.0.0.41"


@attrs.frozen
class Up:
    """A call that is up: our leg, and the phone's."""

    bench: Bench
    side: Side
    phone: PhoneCall
    agent: UserAgent


@asynccontextmanager
async def ringing_here(
    trunk: Trunk = TRUNK, *, offer: bool = True, early: bool = False, policy: Policy | None = None, rtp: bool = True
) -> AsyncIterator[Up]:
    """A phone calls us, and we ring."""
    manners = Manners(rtp=rtp)
    async with (
        leg_bench(trunk=trunk, policy=policy) as bench,
        user_agent(PHONE, policy=policy, manners=manners) as agent,
    ):
        call = agent.place(bench.uri, offer=offer)
        side = await bench.next_call()
        side.leg.progress(early)
        yield Up(bench, side, call, agent)


@asynccontextmanager
async def called(
    trunk: Trunk = TRUNK, *, offer: bool = True, policy: Policy | None = None, rtp: bool = True
) -> AsyncIterator[Up]:
    """A phone has called us, and we have answered."""
    async with ringing_here(trunk, offer=offer, policy=policy, rtp=rtp) as up:
        await up.side.leg.answer()
        await up.side.tells(CallAnswered)
        await up.phone.answered.wait()
        await trio.sleep(0.2)
        yield up


async def test_who_we_hold_hears_music_and_nobody_hears_them(autojump_clock: object) -> None:
    async with called(attrs.evolve(TRUNK, hold="music")) as up:
        assert await up.side.leg.hold(True)
        up.side.samples()
        since = trio.current_time()
        up.phone.line.say(sine(400, 500))
        await trio.sleep(2)
        assert ears.hears(up.phone.line.samples(since), 440 * 2 ** (-9 / 12))
        assert not ears.hears(up.side.samples(), 400)
    assert up.phone.line.agreement is not None
    assert up.phone.line.agreement.direction == "recvonly"


async def test_silence_is_what_they_hear_where_the_trunk_says_so(autojump_clock: object) -> None:
    async with called() as up:
        assert await up.side.leg.hold(True)
        since = trio.current_time()
        await trio.sleep(1)
        assert len([packet for packet in up.phone.line.heard if packet.at > since]) > 40
        assert up.phone.line.first_loud(since) is None


async def test_who_was_held_is_heard_again_once_taken_back(autojump_clock: object) -> None:
    async with called(attrs.evolve(TRUNK, hold="music")) as up:
        assert await up.side.leg.hold(True)
        assert await up.side.leg.hold(False)
        since = trio.current_time()
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(up.side.samples(), 400)
        assert up.phone.line.first_loud(since + 0.1) is None


async def test_a_phone_that_refuses_our_hold_is_held_all_the_same(autojump_clock: object) -> None:
    async with called(attrs.evolve(TRUNK, hold="music")) as up:
        up.agent.codecs = ()  # it has an answer to no offer from here on
        assert not await up.side.leg.hold(True)
        up.side.samples()
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(up.phone.line.samples(), 440 * 2 ** (-9 / 12))
        assert not ears.hears(up.side.samples(), 400)
        assert up.side.taped()


async def test_two_that_hold_each_other_are_both_silent_and_come_back(autojump_clock: object) -> None:
    async with called() as up:
        assert await up.side.leg.hold(True)
        assert await up.phone.hold() == 200
        assert direction(up) == "inactive"
        assert await up.phone.resume() == 200
        assert await up.side.leg.hold(False)
        assert direction(up) == "sendrecv"


def direction(up: Up) -> str:
    assert up.side.leg.agreement is not None
    return up.side.leg.agreement.direction


async def test_holding_a_leg_that_is_gone_says_no(autojump_clock: object) -> None:
    async with called() as up:
        up.phone.hang_up()
        await up.side.ended()
        assert not await up.side.leg.hold(True)


async def test_silence_of_who_holds_us_is_no_fact_and_its_time_starts_anew(autojump_clock: object) -> None:
    async with leg_bench(rtp_silence=3) as bench, user_agent(PHONE) as agent:
        call = agent.place(bench.uri)
        side = await bench.next_call()
        await side.leg.answer()
        await call.answered.wait()
        await trio.sleep(1)
        assert await call.reoffer("inactive") == 200
        await trio.sleep(10)
        assert side.all(RtpWentSilent) == []
        call.line.mute = True
        resumed = trio.current_time()
        assert await call.resume() == 200
        silent = await side.tells(RtpWentSilent)
        assert 2.9 < silent.at - resumed < 4


@pytest.mark.parametrize("update", [False, True])
async def test_another_codec_is_spoken_from_the_next_offer_on(autojump_clock: object, update: bool) -> None:
    async with called() as up:
        assert await up.phone.reoffer(codecs=("pcma",), update=update) == 200
        since = trio.current_time()
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert up.side.leg.format == "pcma"
        assert ears.hears(up.side.samples(), 400)
        assert {packet.packet.payload_type for packet in up.phone.line.heard if packet.at > since + 0.1} == {8}
        assert [(told.codec, told.srtp) for told in up.side.all(MediaChanged)] == [("pcma", "")]


@pytest.mark.parametrize("update", [False, True])
async def test_an_offer_without_a_codec_of_ours_is_488_and_the_call_goes_on(
    autojump_clock: object, update: bool
) -> None:
    async with called() as up:
        up.bench.trunk = attrs.evolve(TRUNK, codecs=("pcmu",))
        up.side.leg.exchange.sdp.trunk = up.bench.trunk
        assert await up.phone.reoffer(codecs=("pcma",), update=update) == 488
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(up.side.samples(), 400)


async def test_a_caller_without_an_offer_gets_ours_and_the_call_is_up_with_the_ack(autojump_clock: object) -> None:
    async with called(offer=False, policy=Policy(reliable="off")) as up:
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(up.side.samples(), 400)
        ack = next(m for m in sent(up.agent) if isinstance(m, Request) and m.method == "ACK")
    assert b"m=audio" in ack.body


async def test_a_delayed_offer_whose_answer_is_of_no_use_ends_with_a_bye(autojump_clock: object) -> None:
    nowhere = attrs.evolve(TRUNK, media_sources=())  # the phone's media is where this trunk has none
    async with ringing_here(nowhere, offer=False) as up:
        await up.side.leg.answer()
        ended = await up.side.ended()
        await up.phone.wait_ended()
    assert ended.cause is Cause.BAD_OFFER
    assert up.side.all(CallAnswered) == []


@pytest.mark.parametrize("reliable", ["off", "require"])
async def test_a_caller_hears_their_countrys_ringing_tone_before_we_answer(
    autojump_clock: object, reliable: Literal["off", "require"]
) -> None:
    french = attrs.evolve(TRUNK, country="FR")
    async with ringing_here(french, early=True, policy=Policy(reliable=reliable)) as up:
        await trio.sleep(1.5)
        assert ears.hears(up.phone.line.samples(), 440)
        up.phone.line.say(sine(400, 300))
        await trio.sleep(0.5)
        assert len(up.side.samples()) == 0
        assert up.side.taped()
        await up.side.leg.answer()
        await up.phone.answered.wait()
        since = trio.current_time()
        await trio.sleep(1)
        assert up.phone.line.first_loud(since + 0.1) is None
    assert [event.status for event in up.phone.told if isinstance(event, sip.Progressed)] == [183]


async def test_digits_go_by_info_where_the_trunk_wants_them_so(autojump_clock: object) -> None:
    async with called(attrs.evolve(TRUNK, dtmf="info")) as up:
        await up.side.leg.send_digits("1#")
        await trio.sleep(1)
    assert up.phone.digits_by_info == ["Signal=1\r\nDuration=100\r\n", "Signal=#\r\nDuration=100\r\n"]
    assert up.phone.line.digits == []


async def test_digits_are_tones_where_the_trunk_wants_them_so(autojump_clock: object) -> None:
    async with called(attrs.evolve(TRUNK, dtmf="inband")) as up:
        await up.side.leg.send_digits("5")
        await trio.sleep(1)
        heard = up.phone.line.samples()
        loud = ears.first_loud(heard)
        assert loud is not None
        assert all(strength(heard[loud : loud + 640], pitch) > 0.3 for pitch in (770, 1336))
    assert up.phone.line.digits == []


async def test_digits_by_info_are_digits(autojump_clock: object) -> None:
    async with called() as up:
        up.phone.inform("7")
        digit = await up.side.tells(DigitPressed)
    assert digit.digit == "7"


@pytest.mark.parametrize("dtmf_mode", ["info", "rfc4733"])
async def test_what_is_no_key_is_not_sent(autojump_clock: object, dtmf_mode: Literal["info", "rfc4733"]) -> None:
    async with called(attrs.evolve(TRUNK, dtmf=dtmf_mode)) as up:
        with pytest.raises(ValueError, match="no key"):
            await up.side.leg.send_digits("1x")


async def test_a_refer_is_told_where_the_trunk_may_ask_and_reported_on(autojump_clock: object) -> None:
    async with called(attrs.evolve(TRUNK, refers="directory")) as up:
        up.phone.refer("sip:desk@127.0.0.30")
        asked = await up.side.tells(LegReferred)
        up.side.leg.respond_refer(asked.request_id, 202)
        up.side.leg.notify(100, "Trying", False)
        up.side.leg.notify(486, "Busy Here", True)
        await until(lambda: len([e for e in up.phone.told if isinstance(e, sip.Notified)]) == 2)
    assert asked.uri == "sip:desk@127.0.0.30"
    assert [event.status for event in up.phone.told if isinstance(event, sip.Notified)] == [100, 486]


async def test_a_session_nobody_refreshes_ends_as_expired(autojump_clock: object) -> None:
    async with called() as up:
        up.side.leg.signalled(sip.Expired(up.side.leg.session))
        ended = await up.side.ended()
    assert (ended.cause, ended.sip_code, ended.q850, ended.by) == (Cause.SESSION_EXPIRED, 408, 102, "us")
    assert isinstance(ended, LegEnded)


async def test_a_hold_is_told_and_its_end_too(autojump_clock: object) -> None:
    async with called() as up:
        await up.phone.hold()
        await up.phone.resume()
        await up.side.tells(HeldByPeer, 2)
    assert [message.held for message in up.side.all(HeldByPeer)] == [True, False]


def sent(agent: UserAgent) -> list[Request | Response]:
    return [entry.message for entry in agent.messages if entry.out]


async def test_a_delayed_offer_is_settled_by_prack_while_it_rings(autojump_clock: object) -> None:
    async with ringing_here(offer=False, policy=Policy(reliable="require")) as up:
        await until(lambda: up.side.leg.agreement is not None)
        assert not up.phone.answered.is_set()
        await up.side.leg.answer()
        await up.side.tells(CallAnswered)
        await up.phone.answered.wait()
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(up.side.samples(), 400)
        assert len(up.side.all(CallAnswered)) == 1


async def test_an_answer_that_overtakes_the_prack_of_a_delayed_offer_waits_for_it(autojump_clock: object) -> None:
    async with ringing_here(offer=False, policy=Policy(reliable="require")) as up:
        await up.side.leg.answer()
        await up.side.tells(CallAnswered)
        await up.phone.answered.wait()
        assert up.side.leg.agreement is not None


async def test_there_is_no_call_before_the_prack_that_the_200_waits_for(autojump_clock: object) -> None:
    async with ringing_here(policy=Policy(reliable="require")) as up:
        await up.side.leg.answer()
        assert up.side.leg.status is None
        assert not up.side.all(CallAnswered)
        await up.side.tells(CallAnswered)
        assert up.side.leg.status == 200


async def test_a_caller_whose_prack_never_comes_was_told_504(autojump_clock: object) -> None:
    async with ringing_here(policy=Policy(reliable="require")) as up:
        await up.side.leg.answer()
        up.side.leg.signalled(sip.NoAck(up.side.leg.session))
        ended = await up.side.ended()
    assert (ended.cause, ended.sip_code) == (Cause.NO_ACK, 504)


async def test_a_caller_who_describes_anew_before_the_answer_is_heard_by_it(autojump_clock: object) -> None:
    async with ringing_here(early=True, policy=Policy(reliable="require")) as up:
        await trio.sleep(0.5)
        assert await up.phone.reoffer(codecs=("pcma",), update=True) == 200
        await up.side.leg.answer()
        answered = await up.side.tells(CallAnswered)
        await up.phone.answered.wait()
        up.phone.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(up.side.samples(), 400)
    assert answered.codec == "pcma"


async def test_a_call_whose_media_is_on_ipv6_is_answered_from_there(autojump_clock: object) -> None:
    async with leg_bench(other="::1") as bench, user_agent(PHONE, media_host="::1") as agent:
        call = agent.place(bench.uri)
        side = await bench.next_call()
        await side.leg.answer()
        await call.answered.wait()
        call.line.say(sine(400, 500))
        await trio.sleep(1)
        assert side.leg.stream.address.host == "::1"
        assert ears.hears(side.samples(), 400)


async def test_media_on_ipv6_is_488_where_we_have_none(autojump_clock: object) -> None:
    async with leg_bench() as bench, user_agent(PHONE, media_host="::1") as agent:
        with pytest.raises(NotAnswered, match="488"):
            await agent.dial(bench.uri)
