"""What a test phone does with a call, by its manners: refuses, says nothing, rings in vain, answers without a sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from callactors.audio.tone import sine
from callactors.sip import events as sip
from callactors.sip.address import Transport
from callactors.sip.message import Request
from callactors.sip.policy import Policy
from callactors.testing import ears
from callactors.testing.certificate import Authority
from callactors.testing.manners import Manners
from callactors.testing.stream_wire import stream_wire
from callactors.testing.user_agent import NotAnswered, PhoneCall, UserAgent, user_agent
from callactors.testing.waiting import until

ANN, BOB, CAT = "127.0.0.31", "127.0.0.32", "127.0.0.33"


@asynccontextmanager
async def phones(manners: Manners, policy: Policy | None = None) -> AsyncIterator[tuple[UserAgent, UserAgent]]:
    """Bob has these manners."""
    async with (
        user_agent(ANN, name="ann", policy=policy) as ann,
        user_agent(BOB, name="bob", manners=manners, policy=policy) as bob,
    ):
        yield ann, bob


async def test_a_number_is_the_answer_to_every_call(autojump_clock: object) -> None:
    async with phones(Manners(invite=503, retry_after=7)) as (ann, bob):
        with pytest.raises(NotAnswered, match="503"):
            await ann.dial(bob.uri)
        (failed,) = [event for event in ann.calls[0].told if isinstance(event, sip.Failed)]
    assert failed.retry_after == 7


async def test_a_refusal_may_ring_first_and_say_why(autojump_clock: object) -> None:
    async with phones(Manners(invite=486, rings=2, reason="Q.850;cause=17")) as (ann, bob):
        began = trio.current_time()
        with pytest.raises(NotAnswered, match="486"):
            await ann.dial(bob.uri)
        assert 2 <= trio.current_time() - began < 3
        failed = next(event for event in ann.calls[0].told if isinstance(event, sip.Failed))
    assert failed.q850 == 17


async def test_a_silent_one_says_not_even_100(autojump_clock: object) -> None:
    async with phones(Manners(invite="silence")) as (ann, bob):
        with pytest.raises(NotAnswered):
            await ann.dial(bob.uri, ring=4)
        assert not [entry for entry in bob.messages if entry.out]


async def test_one_without_rtp_answers_and_sends_nothing(autojump_clock: object) -> None:
    async with phones(Manners(invite=200, rtp=False)) as (ann, bob):
        call = await ann.dial(bob.uri)
        await trio.sleep(2)
        assert call.line.heard == []
        assert bob.calls[0].line.heard


async def test_early_media_is_heard_before_the_answer(autojump_clock: object) -> None:
    async with phones(Manners(early=True)) as (ann, bob):
        call = ann.place(bob.uri)
        ringing = await bob.next_call()
        ringing.line.say(sine(425, 500))
        await trio.sleep(1)
        assert ears.hears(call.line.samples(), 425)
        assert not call.answered.is_set()


@pytest.mark.parametrize("reliable", ["off", "require"])
async def test_a_delayed_offer_is_made_by_who_is_called(autojump_clock: object, reliable: str) -> None:
    policy = Policy(reliable="require" if reliable == "require" else "off")
    async with phones(Manners(invite=200, rings=1), policy) as (ann, bob):
        call = await ann.dial(bob.uri, offer=False)
        call.line.say(sine(400, 500))
        await trio.sleep(1)
        assert ears.hears(bob.calls[0].line.samples(), 400)
        methods = [entry.message.method for entry in ann.messages if entry.out and isinstance(entry.message, Request)]
    assert ("PRACK" in methods) is (reliable == "require")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_phones_talk_over_connections_too(transport: Transport, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def wire(host: str):  # type: ignore[no-untyped-def]  # Wires, of either transport
        if transport == "tcp":
            return stream_wire(host)
        return stream_wire(host, "tls", certificate=authority.issue(host), ca=authority.ca)

    async with (
        user_agent(ANN, name="ann", wire=wire(ANN), transport=transport) as ann,
        user_agent(BOB, name="bob", wire=wire(BOB), transport=transport, manners=Manners(invite=200)) as bob,
    ):
        call = await ann.dial(bob.uri)
        call.hang_up()
        await bob.calls[0].wait_ended()
    assert bob.calls[0].ended_by == "them"


async def test_an_attended_transfer_joins_the_two_others(autojump_clock: object) -> None:
    answers = Manners(invite=200)
    async with (
        user_agent(ANN, name="ann", manners=answers) as ann,
        user_agent(BOB, name="bob") as bob,
        user_agent(CAT, name="cat", manners=answers) as cat,
    ):
        to_ann, to_cat = await bob.dial(ann.uri), await bob.dial(cat.uri)
        to_ann.refer(cat.uri, replaces=to_cat)
        await to_cat.wait_ended()
        await ann.calls[0].transferred.wait()
        joined = cat.calls[1]
        joined.line.say(sine(700, 500))
        await trio.sleep(1)
        assert heard_by(ann.calls[0].successor, 700)
        await until(lambda: [e.status for e in to_ann.told if isinstance(e, sip.Notified)] == [100, 200])
    assert cat.calls[0].successor is joined


def heard_by(call: PhoneCall | None, pitch: float) -> bool:
    assert call is not None
    return ears.hears(call.line.samples(), pitch)
