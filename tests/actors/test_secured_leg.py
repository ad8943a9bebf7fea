"""Legs under SRTP, both directions and every policy: who is taken, who hears whom, and keys that change mid-word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import numpy as np
import pytest
import trio

from callactors.actors.messages import CallAnswered, CallRinging, LegEnded
from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.tone import sine
from callactors.routing.cause import Cause
from callactors.rtp.srtp import Security
from callactors.sdp.crypto import Policy
from callactors.sip.address import Hop
from callactors.testing import ears
from callactors.testing.leg_bench import TRUNK, Side, leg_bench
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.user_agent import NotAnswered, user_agent
from callactors.testing.waiting import until

PHONE = "127.0.0.41"
OURS, THEIRS = 700, 400  # Hz


@attrs.frozen
class Up:
    """A call that is up: our leg, and the phone's."""

    side: Side
    phone: PhoneCall

    @property
    def security(self) -> Security | None:
        agreement = self.side.leg.agreement
        assert agreement is not None  # the call is up
        return agreement.security

    def has_other_keys_than(self, former: Security | None) -> bool:
        return self.security != former

    async def both_speak(self, ms: int = 500) -> None:
        """Each says its tone, and hears the other's."""
        self.side.samples()
        since = trio.current_time()
        self.side.leg.play(f"u{since}", g711.encode(sine(OURS, ms), AudioFormat.PCMU))
        self.phone.line.say(sine(THEIRS, ms))
        await trio.sleep(ms / 1000 + 0.5)
        assert ears.hears(self.phone.line.samples(since), OURS)
        assert ears.hears(self.side.samples(), THEIRS)


@asynccontextmanager
async def called(ours: Policy, theirs: Policy, *, offer: bool = True) -> AsyncIterator[Up]:
    """A phone with this policy has called us, and we have answered."""
    trunk = attrs.evolve(TRUNK, srtp=ours)
    async with leg_bench(trunk=trunk) as bench, user_agent(PHONE, manners=Manners(srtp=theirs)) as agent:
        call = agent.place(bench.uri, offer=offer)
        side = await bench.next_call()
        side.leg.progress()
        await side.leg.answer()
        await side.tells(CallAnswered)
        await call.answered.wait()
        yield Up(side, call)


@asynccontextmanager
async def placed(ours: Policy, theirs: Policy, *, clear: bool = False) -> AsyncIterator[Up]:
    """We have called a phone with this policy, and it has answered or refused."""
    trunk, manners = attrs.evolve(TRUNK, srtp=ours), Manners(invite=200, srtp=theirs)
    async with leg_bench(trunk=trunk) as bench, user_agent(PHONE, manners=manners) as agent:
        side = await bench.place(Hop(*agent.address), clear=clear)
        await side.leg.wait_settled()
        yield Up(side, agent.calls[0])


@pytest.mark.parametrize(
    ("ours", "theirs", "secure"),
    [
        ("require", "require", True),
        ("require", "prefer", True),
        ("prefer", "require", True),
        ("prefer", "prefer", True),
        ("prefer", "off", False),
        ("off", "off", False),
    ],
)
async def test_a_caller_is_heard_and_hears_by_the_policies_of_both(
    ours: Policy, theirs: Policy, secure: bool, autojump_clock: object
) -> None:
    async with called(ours, theirs) as up:
        assert (up.security is not None) == secure
        await up.both_speak()
        assert up.phone.line.refused == 0


@pytest.mark.parametrize(("ours", "theirs"), [("require", "off"), ("off", "require"), ("off", "prefer")])
async def test_a_caller_whose_policy_does_not_fit_is_refused(
    ours: Policy, theirs: Policy, autojump_clock: object
) -> None:
    trunk = attrs.evolve(TRUNK, srtp=ours)
    async with leg_bench(trunk=trunk) as bench, user_agent(PHONE, manners=Manners(srtp=theirs)) as agent:
        with pytest.raises(NotAnswered) as refused:
            await agent.dial(bench.uri)
        assert refused.value.status == 488


@pytest.mark.parametrize("ours", ["require", "prefer"])
async def test_who_is_called_is_heard_and_hears(ours: Policy, autojump_clock: object) -> None:
    async with placed(ours, "require") as up:
        assert up.security is not None
        await up.both_speak()


async def test_who_refuses_what_we_only_prefer_is_asked_in_clear(autojump_clock: object) -> None:
    async with placed("prefer", "off") as up:
        assert up.side.leg.tried.status == 488
    async with placed("prefer", "off", clear=True) as up:
        assert up.security is None
        await up.both_speak()


async def test_what_is_required_is_never_asked_in_clear(autojump_clock: object) -> None:
    async with placed("require", "off", clear=True) as up:
        assert up.side.leg.tried.status == 488


async def test_early_media_is_encrypted_and_heard(autojump_clock: object) -> None:
    manners = Manners(invite=200, rings=2, early=True, srtp="require")
    async with (
        leg_bench(trunk=attrs.evolve(TRUNK, srtp="require")) as bench,
        user_agent(PHONE, manners=manners) as agent,
    ):
        side = await bench.place(Hop(*agent.address), listen_early=True)
        await side.tells(CallRinging)
        agent.calls[0].line.say(sine(THEIRS, 500))
        await trio.sleep(1)
        assert ears.hears(side.samples(), THEIRS)
        await side.leg.wait_settled()
        await Up(side, agent.calls[0]).both_speak()


@pytest.mark.parametrize(("theirs", "secure"), [("prefer", True), ("off", False)])
async def test_who_leaves_the_offer_to_us_chooses(theirs: Policy, secure: bool, autojump_clock: object) -> None:
    async with called("prefer", theirs, offer=False) as up:
        assert (up.security is not None) == secure
        await up.both_speak()


async def test_an_answer_in_clear_to_a_late_offer_ends_a_call_that_must_be_encrypted(autojump_clock: object) -> None:
    trunk = attrs.evolve(TRUNK, srtp="require")
    async with leg_bench(trunk=trunk) as bench, user_agent(PHONE, manners=Manners(srtp="off")) as agent:
        agent.place(bench.uri, offer=False)
        side = await bench.next_call()
        await side.leg.answer()
        assert (await side.tells(LegEnded)).cause in (Cause.BAD_OFFER, Cause.CALLER_HUNG_UP)


async def test_hold_and_resume_leave_the_keys_as_they_are(autojump_clock: object) -> None:
    async with called("require", "require") as up:
        before = up.security
        assert await up.phone.hold() == 200
        assert await up.phone.resume() == 200
        assert await up.side.leg.hold(True)
        assert await up.side.leg.hold(False)
        assert up.security == before
        await up.both_speak()
        assert up.phone.line.refused == 0


@pytest.mark.parametrize("by", ["us", "them"])
async def test_keys_change_in_the_middle_of_a_word_and_no_packet_is_lost(by: str, autojump_clock: object) -> None:
    async with called("require", "require") as up:
        await up.both_speak()
        before = up.security
        assert before is not None
        since = trio.current_time()
        up.side.leg.play("long", g711.encode(sine(OURS, 3000), AudioFormat.PCMU))
        up.phone.line.say(sine(THEIRS, 3000))
        for _ in range(3):
            await trio.sleep(0.713)
            former = up.security
            if by == "us":
                up.side.leg.exchange.rekey()
            else:
                assert await up.phone.reoffer(rekey=True) == 200
            await until(partial(up.has_other_keys_than, former))
        await trio.sleep(1.5)
        assert longest_silence(up.side.samples(), THEIRS) < 0.005
        assert longest_silence(up.phone.line.samples(since), OURS) < 0.005
        assert up.phone.line.refused == 0


def longest_silence(heard: g711.Samples, frequency: float) -> float:
    """Seconds without the tone between its beginning and its end."""
    loud = np.flatnonzero(np.abs(heard.astype(np.int32)) > 500)
    assert len(loud) > 2.9 * 8000 * 0.8, frequency
    return float(np.max(np.diff(loud))) / 8000
