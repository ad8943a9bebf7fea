"""The dialer over legs that do what a test says: what is tried, in which order, and how long each is waited for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from callactors.calls.dialer import PROGRESS, SILENT, Dialer, Reached, Unreached
from callactors.config import Config, load
from callactors.config.config import replace
from callactors.config.values import Name
from callactors.routing.cause import Cause
from callactors.routing.route import Route, Try
from callactors.routing.way import Tried, Wanted, Way
from callactors.sip.address import Hop, is_numeric
from callactors.sip.login import Account
from callactors.sip.uri import SipUri

NUMBER = "+13125550142"
TEXT = """\
version: 1
node: t1
listen: {{sip: [{{udp: "127.0.0.1:5060"}}]}}
trunks:
  a: {{to: "sip:127.0.0.41", from: [127.0.0.41/32], caller_ids: ["+13125550100"]{a}}}
  b: {{to: ["sip:127.0.0.42", "sip:127.0.0.43:5070"], from: [127.0.0.42/32], caller_ids: [{shown}, "+13125550101"]}}
  c: {{to: "sip:names.example", from: [127.0.0.44/32]}}
  pbx: {{to: "sip:127.0.0.45", from: [127.0.0.45/32], auth: {{user: u, password: "${{PW}}"}}}}
  help: {{to: "sip:127.0.0.46", from: [127.0.0.46/32], country: US, channels: 1}}
numbers: []
routes:
  - {{to: "+1", tries: [[{{trunk: a}}], [{{trunk: b}}]], rate: 0.01}}
  - {{to: "+44", tries: [[{{trunk: c}}], [{{trunk: a}}]]}}
permit: ["+1", "+44", "+49"]
emergency: {{trunk: help}}
directory:
  desk: {{sip: "sip:100@pbx", trunk: pbx}}
  also: {{sip: "sip:200@127.0.0.45:5062;transport=tcp", trunk: pbx}}
  oncall: {{tel: "+33140000000", trunk: a}}
timers: {{no_answer: 30, setup_total: 60}}
"""
Does = Callable[["ScriptedLeg"], None]


@attrs.define(eq=False)
class ScriptedLeg:
    """A placed leg without SIP."""

    way: Way
    tried: Tried
    trying: bool = False
    rang_at: float | None = None
    hung_up: Cause | None = None
    settled: trio.Event = attrs.Factory(trio.Event)

    async def wait_settled(self) -> Tried:
        await self.settled.wait()
        return self.tried

    def hang_up(self, cause: Cause) -> None:
        self.hung_up = self.hung_up or cause

    def settle(self, **facts: object) -> None:
        self.tried = msgspec.structs.replace(self.tried, **facts)
        self.settled.set()

    def ring(self) -> None:
        self.trying, self.rang_at = True, trio.current_time()
        self.tried = msgspec.structs.replace(self.tried, rang=True)


def answers(leg: ScriptedLeg) -> None:
    leg.settle(answered=True, status=200)


def says(status: int, q850: int | None = None, *, rang: bool = False) -> Does:
    return lambda leg: leg.settle(status=status, q850=q850, rang=rang)


def silent(leg: ScriptedLeg) -> None:
    pass


def tries(leg: ScriptedLeg) -> None:
    leg.trying = True


def rings(leg: ScriptedLeg) -> None:
    leg.ring()


class Names:
    """DNS that knows numeric hosts, and nothing else."""

    async def hops(self, uri: SipUri) -> list[Hop]:
        await trio.lowlevel.checkpoint()
        return [Hop(uri.host, uri.port or 5060)] if is_numeric(uri.host) else []


@attrs.define(eq=False)
class Exchange:
    """A dialer, and what every address does with an INVITE."""

    does: dict[str, Does]
    config: Config
    used: int = 0
    legs: list[ScriptedLeg] = attrs.Factory(list)
    lost: list[Tried] = attrs.Factory(list)
    at: list[float] = attrs.Factory(list)
    dialer: Dialer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.dialer = Dialer(self.config, Names(), Random(1), used=lambda trunk: self.used)

    async def start(self, way: Way) -> ScriptedLeg:
        await trio.lowlevel.checkpoint()
        leg = ScriptedLeg(way, Tried(way=way))
        self.legs.append(leg)
        self.at.append(trio.current_time())
        self.does.get(way.hop.host, answers)(leg)
        return leg

    async def dial(self, number: str | None = NUMBER, purpose: str = "outbound", **more: object) -> Reached | Unreached:
        wanted = msgspec.convert({"purpose": purpose, "number": number, **more}, Wanted)
        return await self.dialer.dial(wanted, self.start, lambda leg, tried: self.lost.append(tried))

    @property
    def hosts(self) -> list[str]:
        return [leg.way.hop.host for leg in self.legs]


def exchange(a: Does = answers, b: Does = answers, *, spare: Does = answers, trunk_a: str = "") -> Exchange:
    config = load(TEXT.format(a=trunk_a, shown='"+13125550100"'), "callactors.yaml", {"PW": "secret"})
    return Exchange({"127.0.0.41": a, "127.0.0.42": b, "127.0.0.43": spare}, config)


A, B, SPARE = "127.0.0.41", "127.0.0.42", "127.0.0.43"


async def test_the_first_trunk_that_answers_is_it(autojump_clock: MockClock) -> None:
    out = exchange()
    reached = await out.dial()
    assert isinstance(reached, Reached)
    assert (reached.way.trunk, reached.way.rate, out.lost) == ("a", 0.01, [])
    assert str(reached.way.uri) == f"sip:{NUMBER}@127.0.0.41"
    assert str(reached.way.caller) == "<sip:+13125550100@127.0.0.1>"


@pytest.mark.parametrize("failure", [says(503), says(500), says(408), says(430), says(480), silent, says(486, 34)])
async def test_what_the_network_failed_goes_to_the_next_trunk(failure: Does, autojump_clock: MockClock) -> None:
    out = exchange(failure)
    reached = await out.dial()
    assert isinstance(reached, Reached)
    assert (reached.way.trunk, len(reached.tried), len(out.lost)) == ("b", 1, 1)


async def test_an_address_that_asks_to_be_left_alone_comes_last_until_then(autojump_clock: MockClock) -> None:
    out = exchange(lambda leg: leg.settle(status=503, rest=20))
    for _ in range(2):
        await out.dial()
    assert [host == A for host in out.hosts] == [True, False, False]
    await trio.sleep(20)
    await out.dial()
    assert [host == A for host in out.hosts[3:]] == [True, False]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (says(486), Cause.BUSY),
        (says(503, 17), Cause.BUSY),
        (says(603), Cause.DECLINED),
        (says(480, rang=True), Cause.NOT_ANSWERED),
        (says(503, 19), Cause.NOT_ANSWERED),
        (says(404), Cause.REFUSED),
        (rings, Cause.NOT_ANSWERED),
    ],
)
async def test_a_persons_answer_is_the_last_word(answer: Does, cause: Cause, autojump_clock: MockClock) -> None:
    out = exchange(answer)
    assert await out.dial() == Unreached(cause, tuple(out.lost))
    assert (out.hosts, len(out.lost)) == ([A], 1)


async def test_whoever_gives_up_the_call_while_a_try_ends_begins_no_other(autojump_clock: MockClock) -> None:
    out, begun = exchange(b=silent), list[str]()

    async def start(way: Way) -> ScriptedLeg:
        begun.append(way.hop.host)
        return await out.start(way)

    wanted = Wanted(purpose="outbound", number=NUMBER, trunk="b")
    async with trio.open_nursery() as call:
        call.start_soon(out.dialer.dial, wanted, start, lambda leg, tried: None)
        await wait_all_tasks_blocked()
        out.legs[0].settle(reason="cancelled")
        call.cancel_scope.cancel()
    assert begun in ([B], [SPARE])


async def test_nobody_answering_costs_four_seconds_and_a_cancel(autojump_clock: MockClock) -> None:
    out = exchange(silent)
    await out.dial()
    assert out.at[1] - out.at[0] == pytest.approx(SILENT)
    assert out.legs[0].hung_up is Cause.NOT_ANSWERED


async def test_a_neighbour_that_is_alive_gets_the_time_a_slow_network_needs(autojump_clock: MockClock) -> None:
    out = exchange(tries)
    await out.dial()
    assert out.at[1] - out.at[0] == pytest.approx(PROGRESS)


async def test_a_phone_rings_for_no_answer_seconds_from_its_first_ring(autojump_clock: MockClock) -> None:
    out = exchange(tries)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.dial)
        await trio.sleep(10)
        out.legs[0].ring()
    assert trio.current_time() == pytest.approx(40)
    assert out.hosts == [A]


async def test_everything_together_is_bounded(autojump_clock: MockClock) -> None:
    out = exchange(tries, tries, spare=tries)
    assert isinstance(await out.dial(within=25.0), Unreached)
    assert trio.current_time() == pytest.approx(25)
    assert out.hosts == [A, B]


@pytest.mark.parametrize("rang", [False, True])
async def test_488_is_asked_once_more_plainer_then_it_is_final(rang: bool, autojump_clock: MockClock) -> None:
    out = exchange(says(488, rang=rang))
    unreached = await out.dial()
    assert isinstance(unreached, Unreached)
    assert [leg.way.plainer for leg in out.legs] == [False, True]
    assert (unreached.cause, len(out.lost)) == (Cause.REFUSED, 2)


async def test_488_is_asked_in_clear_first_where_srtp_is_only_preferred(autojump_clock: MockClock) -> None:
    out = exchange(says(488), trunk_a=", srtp: prefer")
    assert isinstance(await out.dial(), Unreached)
    assert [(leg.way.clear, leg.way.plainer) for leg in out.legs] == [(False, False), (True, False), (True, True)]


async def test_488_is_never_asked_in_clear_where_srtp_is_required(autojump_clock: MockClock) -> None:
    out = exchange(says(488), trunk_a=", srtp: require")
    assert isinstance(await out.dial(), Unreached)
    assert [(leg.way.clear, leg.way.plainer) for leg in out.legs] == [(False, False), (False, True)]


async def test_a_dead_address_leads_to_the_same_trunks_next(autojump_clock: MockClock) -> None:
    out = exchange(says(503), says(503))
    reached = await out.dial()
    assert isinstance(reached, Reached)
    assert (out.hosts, reached.way.hop) == ([A, B, SPARE], Hop(SPARE, 5070))


async def test_a_refusal_by_the_trunk_itself_spares_its_other_addresses(autojump_clock: MockClock) -> None:
    out = exchange(says(500), says(500))
    assert isinstance(await out.dial(), Unreached)
    assert out.hosts == [A, B]


async def test_a_pair_of_sbcs_takes_turns(autojump_clock: MockClock) -> None:
    out = exchange()
    for _ in range(4):
        await out.dial(trunk="b")
    assert out.hosts == [B, SPARE, B, SPARE]


async def test_a_name_nobody_knows_is_a_try_of_its_own_in_the_record(autojump_clock: MockClock) -> None:
    out = exchange()
    reached = await out.dial("+442071838750")
    assert isinstance(reached, Reached)
    assert (out.lost[0].way.hop.host, out.lost[0].reason) == ("names.example", "its address cannot be found")
    assert reached.way.trunk == "a"


async def test_a_trunk_that_failed_this_conversation_is_avoided(autojump_clock: MockClock) -> None:
    out = exchange()
    await out.dial(purpose="redial", avoid=("a",))
    assert out.hosts == [B]
    assert await out.dial(purpose="redial", avoid=("a", "b")) == Unreached(Cause.NO_ROUTE)


@pytest.mark.parametrize(
    ("wanted", "cause"),
    [
        ({"number": "+882160000000"}, Cause.NOT_PERMITTED),
        ({"number": None, "uri": "sip:x@evil.example;transport=tcp"}, Cause.NOT_PERMITTED),
        ({"number": None, "uri": "sip:internal@127.0.0.41"}, Cause.NOT_PERMITTED),
        ({"number": None, "uri": "tel:+19005550100;x", "trunk": "nowhere"}, Cause.NO_ROUTE),
        ({"number": "911", "trunk": "a"}, Cause.NOT_PERMITTED),
        ({"number": "+1911", "trunk": "help"}, Cause.NOT_PERMITTED),
        ({"number": None, "uri": "urn:service:sos"}, Cause.NOT_PERMITTED),
        ({"number": "+4930123456"}, Cause.NO_ROUTE),
        ({"number": NUMBER, "caller": "+15550000000"}, Cause.CALLER_ID),
    ],
)
async def test_what_may_not_be_dialled_sends_no_packet(
    wanted: dict[str, object], cause: Cause, autojump_clock: MockClock
) -> None:
    out = exchange()
    assert await out.dial(**wanted) == Unreached(cause)  # type: ignore[arg-type]  # Wanted's own fields
    assert out.legs == []


async def test_only_a_trunk_that_may_show_the_caller_is_asked(autojump_clock: MockClock) -> None:
    out = exchange()
    reached = await out.dial(caller="+13125550101")
    assert isinstance(reached, Reached)
    assert (out.hosts, reached.way.caller.uri.user_decoded) == ([B], "+13125550101")


@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        ("sip:100@pbx", "sip:100@127.0.0.45"),
        ("sip:200@127.0.0.45:5062;transport=tcp", "sip:200@127.0.0.45:5062;transport=tcp"),
    ],
)
async def test_a_name_of_the_directory_is_asked_of_its_trunk(uri: str, asked: str, autojump_clock: MockClock) -> None:
    reached = await exchange().dial(None, "consult", uri=uri, trunk="pbx")
    assert isinstance(reached, Reached)
    assert str(reached.way.uri) == asked
    assert (reached.way.hop, reached.way.credentials) == (Hop("127.0.0.45", 5060), Account("u", "secret"))


async def test_a_number_of_the_directory_needs_no_other_permit(autojump_clock: MockClock) -> None:
    out = exchange()
    reached = await out.dial(None, "bridge", uri="tel:+33140000000", trunk="a")
    assert isinstance(reached, Reached)
    assert str(reached.way.uri) == "sip:+33140000000@127.0.0.41"


# -- channels, calls per second, breakers --------------------------------------------------------------------------


async def test_a_full_trunk_is_passed_over_and_said_so(autojump_clock: MockClock) -> None:
    out = exchange(trunk_a=", channels: 1")
    out.used = 1
    reached = await out.dial()
    assert isinstance(reached, Reached)
    assert (reached.way.trunk, out.lost[0].reason[:5]) == ("b", "it is")
    assert (await out.dial(trunk="a")) == Unreached(Cause.TRUNK_FULL, tuple(out.lost[1:]))


async def test_calls_per_second_are_waited_for_a_little(autojump_clock: MockClock) -> None:
    out = exchange(trunk_a=", cps: 1")
    for _ in range(3):
        await out.dial(trunk="a")
    assert out.at == pytest.approx([0, 1, 2])


async def test_a_trunk_too_slow_for_the_queue_is_passed_over(autojump_clock: MockClock) -> None:
    out = exchange(trunk_a=", cps: 0.1")
    await out.dial()
    await out.dial()
    assert out.hosts == [A, B]
    assert trio.current_time() == 0


async def test_a_trunk_that_keeps_failing_is_tried_last_and_then_again(autojump_clock: MockClock) -> None:
    out = exchange(says(503))
    for _ in range(3):
        await out.dial()
    out.legs.clear()
    await out.dial()
    assert A not in out.hosts
    out.does[A] = answers
    await trio.sleep(40)
    out.legs.clear()
    await out.dial()
    await out.dial()
    assert out.hosts == [A, A]


async def test_with_nothing_healthy_left_the_sick_one_is_tried(autojump_clock: MockClock) -> None:
    out = exchange(says(503))
    for _ in range(4):
        await out.dial(trunk="a")
    assert out.hosts == [A] * 4


async def test_a_person_behind_a_sick_address_has_the_last_word_too(autojump_clock: MockClock) -> None:
    out = exchange(says(503), says(503), spare=says(503))
    for _ in range(4):
        await out.dial()
    out.does[A] = says(486)
    assert (await out.dial()) == Unreached(Cause.BUSY, (out.lost[-1],))


async def test_an_answer_in_the_last_moment_counts(autojump_clock: MockClock) -> None:
    def answers_unheard(leg: ScriptedLeg) -> None:
        leg.tried = msgspec.structs.replace(leg.tried, answered=True)

    out = exchange(answers_unheard)
    assert isinstance(await out.dial(), Reached)
    assert out.legs[0].hung_up is None


async def test_a_busy_person_is_no_mark_against_the_trunk(autojump_clock: MockClock) -> None:
    out = exchange(says(486))
    for _ in range(9):
        await out.dial()
    assert out.dialer.breakers.state("a", Hop(A, 5060), 0.0) == "closed"


async def test_an_emergency_call_asks_nobodys_leave(autojump_clock: MockClock) -> None:
    out = exchange(says(503), says(503))
    out.used = 99
    for _ in range(9):
        out.dialer.breakers.report("help", Hop("127.0.0.46", 5060), True, 0.0)
    reached = await out.dial("911", "emergency", caller="+15550000000")
    assert isinstance(reached, Reached)
    assert (out.hosts, str(reached.way.uri)) == (["127.0.0.46"], "sip:911@127.0.0.46")


async def test_an_emergency_call_goes_to_its_trunk_and_to_no_other(autojump_clock: MockClock) -> None:
    out = exchange()
    out.does["127.0.0.46"] = says(503)
    assert isinstance(await out.dial("911", "emergency"), Unreached)
    assert out.hosts == ["127.0.0.46"]


async def test_without_an_emergency_trunk_no_route_takes_an_emergency_call(autojump_clock: MockClock) -> None:
    out = exchange()
    routes = (Route(to="9", tries=((Try(trunk=Name("a")),),)),)
    out.dialer = Dialer(replace(out.config, emergency=None, routes=routes), Names(), Random(1))
    assert await out.dial("911", "emergency") == Unreached(Cause.NO_ROUTE)


# -- given up by whoever asked ---------------------------------------------------------------------------------------


async def test_who_stops_waiting_has_the_leg_hung_up(autojump_clock: MockClock) -> None:
    out = exchange(rings)
    with trio.move_on_after(3):
        await out.dial()
    assert out.legs[0].hung_up is Cause.CANCELLED
    assert out.hosts == [A]


async def test_an_error_of_the_start_goes_to_whoever_dialled_and_holds_no_channel(autojump_clock: MockClock) -> None:
    out = exchange(trunk_a=", channels: 1")

    def breaks(leg: ScriptedLeg) -> None:
        raise OSError("no port")

    out.does[A] = breaks
    with pytest.raises(OSError, match="no port"):
        await out.dial()
    out.does[A] = answers
    assert isinstance(await out.dial(trunk="a"), Reached)


async def test_every_try_is_dressed_anew(autojump_clock: MockClock) -> None:
    out = exchange(says(503), says(503))
    signed: list[str] = []

    def dress(wanted: Wanted, way: Way) -> Way:
        signed.append(way.hop.host)
        return msgspec.structs.replace(way, headers=(*way.headers, ("Identity", str(len(signed)))))

    out.dialer.dress = dress
    reached = await out.dial(headers=(("Referred-By", "<sip:x@y>"),))
    assert isinstance(reached, Reached)
    assert reached.way.headers == (("Referred-By", "<sip:x@y>"), ("Identity", "3"))
    assert signed == [A, B, SPARE]
