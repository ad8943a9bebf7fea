"""A leg we place, as a phone that picks up, refuses, is silent or plays early media sees it, and as its call does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from callactors.actors.messages import CallAnswered, CallRinging, DigitPressed, HeldByPeer, LegEnded
from callactors.audio import g711
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.tone import sine
from callactors.routing.cause import Cause
from callactors.sdp.description import parse
from callactors.sip import events as sip
from callactors.sip.address import Hop
from callactors.sip.message import Request
from callactors.testing import ears
from callactors.testing.leg_bench import TRUNK, Bench, Side, leg_bench
from callactors.testing.manners import Manners
from callactors.testing.user_agent import UserAgent, user_agent
from callactors.testing.waiting import until

PHONE = "127.0.0.41"


@asynccontextmanager
async def bench_and_phone(manners: Manners) -> AsyncIterator[tuple[Bench, UserAgent]]:
    async with leg_bench() as bench, user_agent(PHONE, manners=manners) as phone:
        yield bench, phone


def reach(phone: UserAgent) -> Hop:
    return Hop(*phone.address)


def told(side: Side) -> list[str]:
    return [type(message).__name__ for message in side.told]


async def test_a_phone_that_rings_and_is_answered_is_told_in_that_order(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite=200, rings=3)) as (bench, phone):
        side = await bench.place(reach(phone))
        tried = await side.leg.wait_settled()
        await side.tells(CallAnswered)
    assert told(side) == ["CallRinging", "CallAnswered"]
    assert (tried.answered, tried.status, tried.rang, tried.heard) == (True, 200, True, False)
    assert side.leg.status == 200


async def test_both_sides_of_a_placed_leg_hear_each_other(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite=200)) as (bench, phone):
        side = await bench.place(reach(phone))
        await side.leg.wait_settled()
        side.leg.play("u", g711.encode(sine(700, 500), AudioFormat.PCMU))
        phone.calls[0].line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(phone.calls[0].line.samples(), 700)
        assert ears.hears(side.samples(), 400)


@pytest.mark.parametrize(
    ("theirs", "spoken"), [(("opus", "pcmu"), "opus"), (("g722",), "g722"), (("pcma", "pcmu"), "pcmu")]
)
async def test_a_placed_leg_speaks_the_first_codec_of_ours_that_the_phone_has(
    theirs: tuple[str, ...], spoken: str, autojump_clock: object
) -> None:
    trunk = attrs.evolve(TRUNK, codecs=("opus", "g722", "pcmu", "pcma"))
    async with leg_bench(trunk=trunk) as bench, user_agent(PHONE, manners=Manners(invite=200), codecs=theirs) as phone:
        side = await bench.place(reach(phone))
        await side.leg.wait_settled()
        side.leg.play("u", convert(sine(700, 500).tobytes(), AudioFormat.PCM16_8K, side.leg.format))
        phone.calls[0].line.say(sine(400, 500))
        phone.calls[0].line.press("5")
        await trio.sleep(1)
        assert phone.calls[0].line.codec == spoken
        assert ears.hears(phone.calls[0].line.samples(), 700)
        assert ears.hears(side.samples(), 400)
        assert [message.digit for message in side.told if isinstance(message, DigitPressed)] == ["5"]


@pytest.mark.parametrize("status", [404, 480, 486, 503, 603])
async def test_a_refusal_settles_the_leg_with_its_status(autojump_clock: object, status: int) -> None:
    async with bench_and_phone(Manners(invite=status)) as (bench, phone):
        side = await bench.place(reach(phone))
        tried = await side.leg.wait_settled()
        ended = await side.ended()
    assert (tried.answered, tried.status, tried.rang) == (False, status, False)
    assert (ended.cause, ended.sip_code) == (Cause.NOT_ANSWERED, status)


async def test_the_reason_of_a_refusal_after_ringing_is_kept(autojump_clock: object) -> None:
    manners = Manners(invite=480, rings=1, reason='Q.850;cause=19;text="no answer"')
    async with bench_and_phone(manners) as (bench, phone):
        side = await bench.place(reach(phone))
        tried = await side.leg.wait_settled()
    assert (tried.status, tried.q850, tried.rang, tried.reason) == (480, 19, True, "no answer")


async def test_a_carrier_that_says_nothing_has_no_status(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite="silence")) as (bench, phone):
        side = await bench.place(reach(phone))
        tried = await side.leg.wait_settled()
    assert (tried.answered, tried.status, side.leg.trying) == (False, None, False)


async def test_a_carrier_that_stops_at_100_is_there_but_has_not_rung(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite="trying")) as (bench, phone):
        side = await bench.place(reach(phone))
        await until(lambda: side.leg.trying)
        assert side.leg.rang_at is None
        side.leg.hang_up(Cause.NOT_ANSWERED)
        await phone.calls[0].wait_ended()
        assert isinstance(phone.calls[0].told[-1], sip.Cancelled)


async def test_a_leg_that_is_given_up_while_it_rings_is_cancelled_and_settles_without_a_status(
    autojump_clock: object,
) -> None:
    async with bench_and_phone(Manners()) as (bench, phone):
        side = await bench.place(reach(phone))
        await side.tells(CallRinging)
        side.leg.hang_up(Cause.CALL_MAX)
        tried = await side.leg.wait_settled()
        await side.over.wait()
        await phone.calls[0].wait_ended()
        assert bench.plane.statistics().open_streams == 0
    assert (tried.answered, tried.status, tried.rang, tried.reason) == (False, None, True, "call_max")
    assert side.all(LegEnded) == []


async def test_who_hangs_up_after_the_answer_is_the_callee(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite=200)) as (bench, phone):
        side = await bench.place(reach(phone))
        await side.tells(CallAnswered)
        phone.calls[0].hang_up()
        ended = await side.ended()
    assert (ended.cause, ended.by) == (Cause.CALLEE_HUNG_UP, "far_end")
    assert side.leg.tried.answered


async def test_every_try_has_ports_and_a_description_of_its_own(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite=503)) as (bench, phone):
        for _ in range(2):
            await (await bench.place(reach(phone))).ended()
        first, second = (parse(request.body) for request in invites(phone))
    assert first.origin.session_id != second.origin.session_id
    assert first.media[0].port != second.media[0].port


def invites(phone: UserAgent) -> list[Request]:
    requests = [entry.message for entry in phone.messages if not entry.out and isinstance(entry.message, Request)]
    return [request for request in requests if request.method == "INVITE"]


async def test_the_plainer_offer_is_g711_and_nothing_else(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite=200)) as (bench, phone):
        await (await bench.place(reach(phone), plainer=True)).leg.wait_settled()
        (invite,) = invites(phone)
    assert parse(invite.body).media[0].formats == ("0", "8")


@pytest.mark.parametrize("listens", [False, True])
async def test_early_media_is_taped_and_heard_only_by_who_listens(autojump_clock: object, listens: bool) -> None:
    async with bench_and_phone(Manners(early=True)) as (bench, phone):
        side = await bench.place(reach(phone), listen_early=listens)
        ringing = await side.tells(CallRinging)
        phone.calls[0].line.say(sine(425, 1000))
        await trio.sleep(1.5)
        tried = side.leg.tried
        assert ears.hears(side.samples(), 425) is listens
        assert len(side.taped()) > 15
    assert (ringing.early_media, ringing.status, tried.heard) == (True, 183, listens)


async def test_a_callee_we_answer_early_hears_our_silence_so_that_media_finds_its_way(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(early=True)) as (bench, phone):
        side = await bench.place(reach(phone))
        await side.tells(CallRinging)
        await trio.sleep(1)
        assert len(phone.calls[0].line.heard) > 40


async def test_early_media_and_its_silence_do_not_count_against_the_callee(autojump_clock: object) -> None:
    async with leg_bench(first_rtp=2) as bench, user_agent(PHONE, manners=Manners(early=True, rtp=False)) as phone:
        side = await bench.place(reach(phone))
        await side.tells(CallRinging)
        await trio.sleep(5)
        assert "RtpWentSilent" not in told(side)
        phone.calls[0].pick_up()
        answered = await side.tells(CallAnswered)
        await until(lambda: "RtpWentSilent" in told(side))
        assert trio.current_time() - answered.at < 3


async def test_an_answer_we_cannot_use_is_hung_up_and_counts_as_488(autojump_clock: object) -> None:
    async with leg_bench(trunk=attrs.evolve(TRUNK, media_sources=())) as bench, user_agent(PHONE) as phone:
        side = await bench.place(reach(phone))  # whose media the trunk may not name
        (await phone.next_call()).pick_up()
        tried = await side.leg.wait_settled()
        ended = await side.ended()
        await phone.calls[0].wait_ended()
    assert (tried.answered, tried.status) == (False, 488)
    assert ended.cause is Cause.BAD_OFFER


async def test_a_header_that_cannot_be_written_settles_the_leg_at_once(autojump_clock: object) -> None:
    async with bench_and_phone(Manners()) as (bench, phone):
        side = await bench.place(reach(phone), headers=(("X-Note", "one\r\nX-Injected: two"),))
        tried = await side.leg.wait_settled()
        ended = await side.ended()
        assert phone.messages == []
    assert (tried.answered, tried.status, ended.cause, ended.by) == (False, 400, Cause.NOT_ANSWERED, "us")


async def test_a_callee_may_hold_us(autojump_clock: object) -> None:
    async with bench_and_phone(Manners(invite=200)) as (bench, phone):
        side = await bench.place(reach(phone))
        await side.tells(CallAnswered)
        assert await phone.calls[0].hold() == 200
        assert await phone.calls[0].resume() == 200
        await side.tells(HeldByPeer, 2)
    assert [message.held for message in side.all(HeldByPeer)] == [True, False]
