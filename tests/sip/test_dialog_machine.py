"""Hypothesis drives two endpoints on a nasty wire: no dialog is ever stuck, nothing is told twice, both ends agree.

The steps are whatever users may do, in any order and at any time; the wire loses, doubles, delays and reorders. In the
end it is mended, and after long enough both ends must think the same of the call, and forget it when one hangs up.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callactors.sip.address import Address, Hop
from callactors.sip.endpoint import Endpoint
from callactors.sip.events import (
    Acked,
    Answered,
    Cancelled,
    Event,
    Expired,
    Failed,
    Gone,
    HungUp,
    InfoReceived,
    Invited,
    NoAck,
    Progressed,
    Reanswered,
    ReferAnswered,
    ReferReceived,
    Reoffered,
)
from callactors.sip.headers import name_addr
from callactors.sip.policy import Policy
from callactors.sip.uri import SipUri
from callactors.testing.sip_wire import Wire

CALLER, DESK = Address("127.0.0.10", 5060), Address("127.0.0.1", 5060)
TARGET = SipUri("sip", "desk", None, DESK.host)
ENDINGS = (Cancelled, Failed, HungUp, NoAck, Expired)
QUIET = 400.0  # seconds: longer than ringing may last, and several session intervals
FORGOTTEN = 150.0
POLICIES = st.builds(
    Policy,
    reliable=st.sampled_from(["off", "offer", "offer", "offer", "require"]),
    session_expires=st.sampled_from([None, 90, 180]),
)
SIDES = st.sampled_from(["caller", "desk"])


class Side:
    """One end and its user, who answers what he is asked, at once, late, or with a refusal."""

    def __init__(self, wire: Wire, address: Address, name: str, policy: Policy, random: Random) -> None:
        self.wire, self.random, self.address = wire, random, address
        self.endpoint = Endpoint(
            local=address, node=name, trunk_of=lambda hop: "t", random=random, policy_of=lambda trunk: policy
        )
        self.session = 0
        self.told: list[Event] = []
        self.asked: Counter[str] = Counter()
        self.finished = False
        wire.join(address, self.endpoint, self.hears)

    def hears(self, now: float, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, Invited):
            self.session = event.session
        elif isinstance(event, Reoffered):
            status = self.random.choice([200, 200, 200, 488])
            self.later(lambda: self.respond(event, status, b"answer"))
        elif isinstance(event, ReferReceived):
            self.later(lambda: self.respond(event, 202, b""))
            self.later(lambda: self.endpoint.notify(self.session, b"SIP/2.0 200 OK\r\n", True, now=self.wire.now))
        elif isinstance(event, InfoReceived):
            self.respond(event, 200, b"")
        elif isinstance(event, Progressed | Answered | Reanswered) and event.offers:
            self.later(lambda: self.endpoint.answer_offer(self.session, b"answer", now=self.wire.now))

    def later(self, action: object) -> None:
        assert callable(action)
        self.wire.at(self.wire.now + self.random.choice([0.0, 0.0, 0.3, 3.0]), action)

    def respond(self, event: Reoffered | ReferReceived | InfoReceived, status: int, body: bytes) -> None:
        self.endpoint.respond(event.session, event.request_id, status, body, now=self.wire.now)

    def count(self, *kinds: type[Event]) -> int:
        return sum(isinstance(event, kinds) for event in self.told)

    @property
    def up(self) -> bool:
        """Whether this end thinks that people talk."""
        return bool(self.count(Answered, Acked)) and not self.over

    @property
    def over(self) -> bool:
        return self.finished or bool(self.count(*ENDINGS, Gone))

    def finish(self) -> None:
        self.finished = True
        self.endpoint.finish(self.session, q850=16, now=self.wire.now)


class Call(RuleBasedStateMachine):
    """One call's life, by whatever the two ends happen to do."""

    @initialize(
        seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.1, 0.3]), ours=POLICIES, theirs=POLICIES,
        body=st.sampled_from([b"offer", b"offer", b""]), at_once=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def dial(self, seed: int, loss: float, ours: Policy, theirs: Policy, body: bytes, at_once: bool) -> None:
        source = Random(seed)
        self.wire = Wire(source, loss=loss, double=0.2, delay=0.4)
        self.caller = Side(self.wire, CALLER, "a", ours, Random(source.random()))
        self.desk = Side(self.wire, DESK, "b", theirs, Random(source.random()))
        self.caller.session = self.caller.endpoint.invite(
            TARGET, to=Hop(*DESK), trunk="t", caller=name_addr("<sip:a@127.0.0.10>"), body=body, now=0.0
        )
        self.answered = False
        if at_once:
            self.wire.run(3.0)
            if self.desk.session:
                self.ring(183, b"early", True)
                self.wire.run(5.0)
                self.answer()
                self.wire.run(12.0)

    def side(self, name: str) -> Side:
        return self.caller if name == "caller" else self.desk

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 2.0, 6.0, 6.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.wire.run(self.wire.now + seconds)

    @precondition(lambda self: self.desk.session and not self.answered)
    @rule(status=st.sampled_from([180, 183]), body=st.sampled_from([b"", b"early"]), reliable=st.booleans())
    def ring(self, status: int, body: bytes, reliable: bool) -> None:
        self.desk.endpoint.ring(self.desk.session, status, body, reliable, now=self.wire.now)

    @precondition(lambda self: self.desk.session)
    @rule()
    def answer(self) -> None:
        self.answered = True
        self.desk.endpoint.answer(self.desk.session, b"answer", now=self.wire.now)

    @precondition(lambda self: self.desk.session and not self.answered)
    @rule(status=st.sampled_from([302, 486, 503, 603]))
    def reject(self, status: int) -> None:
        self.desk.finished = self.answered = True
        self.desk.endpoint.reject(self.desk.session, status, now=self.wire.now)

    @rule(name=SIDES, body=st.sampled_from([b"offer", b""]))
    def reinvite(self, name: str, body: bytes) -> None:
        side = self.side(name)
        side.asked["offers"] += bool(side.session) and not side.over
        side.endpoint.reinvite(side.session, body, now=self.wire.now)

    @rule(name=SIDES)
    def update(self, name: str) -> None:
        side = self.side(name)
        side.asked["offers"] += bool(side.session) and not side.over
        side.endpoint.update(side.session, b"offer", now=self.wire.now)

    @rule(name=SIDES)
    def refer(self, name: str) -> None:
        side = self.side(name)
        side.asked["refers"] += side.up
        side.endpoint.refer(side.session, "sip:human@127.0.0.3", now=self.wire.now)

    @rule(name=SIDES)
    def info(self, name: str) -> None:
        self.side(name).endpoint.info(self.side(name).session, "application/dtmf", b"5", now=self.wire.now)

    @precondition(lambda self: self.desk.session)
    @rule(name=SIDES, mood=st.integers(0, 4))
    def finish(self, name: str, mood: int) -> None:
        if mood == 0:
            self.side(name).finish()

    @invariant()
    def nothing_is_told_twice(self) -> None:
        for side in (self.caller, self.desk):
            assert side.count(*ENDINGS) <= 1, side.told
            assert side.count(Answered) <= 1
            assert side.count(Invited) <= 1
            assert side.count(Gone) <= 1
            assert side.count(Reanswered) <= side.asked["offers"]
            assert side.count(ReferAnswered) <= side.asked["refers"]
            ids = [event.request_id for event in side.told if isinstance(event, Reoffered | ReferReceived)]
            assert len(ids) == len(set(ids))
            assert not side.count(Gone) or isinstance(side.told[-1], Gone)

    @invariant()
    def whoever_was_answered_was_answered_by_somebody(self) -> None:
        assert not self.caller.count(Answered) or self.answered

    def teardown(self) -> None:
        """The wire is mended: both ends come to think the same, and one hang-up ends it for both."""
        if not hasattr(self, "wire"):
            return
        self.wire.mend()
        self.wire.run(self.wire.now + QUIET)
        assert self.caller.up == self.desk.up, (self.caller.told, self.desk.told)
        if self.caller.up:
            for side in (self.caller, self.desk):
                assert side.count(Reanswered) == side.asked["offers"], side.told
                assert side.count(ReferAnswered) == side.asked["refers"]
            self.caller.finish()
            self.wire.run(self.wire.now + 1.0)
            assert self.desk.count(HungUp) == 1
        self.caller.finish()
        self.wire.run(self.wire.now + FORGOTTEN)
        self.nothing_is_told_twice()
        assert (self.caller.endpoint.entries(), self.desk.endpoint.entries()) == (0, 0)


TestCall = Call.TestCase
TestCall.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
