"""Kamailio as an SBC that record-routes and hides topology: calls both ways, transfers both ways, and what is recorded.

SIPp and user agents stand behind it; one house stands before it, and sees nothing of them but Kamailio.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callactors.sip.address import Address
from callactors.sip.events import Cancelled, Notified
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.user_agent import UserAgent, user_agent
from tests.interop.proxy import MASK, TOPOH, kamailio
from tests.interop.support import CARRIER, PLACING, ROOT, Exchange, Program, free_port, patient, sipp, sipp_phone, until
from tests.interop.test_failover import silent

NUMBER, ATTENDED, SHOWN, CALLER = "+13125550100", "+13125550102", "+13125550101", "+13125550177"
SBC = "127.0.0.40"
CALLS = 100
AT_ONCE = 20  # calls of ours
CONFIG = """\
version: 1
node: house
listen: {{rtp: 38000-39999}}
trunks:
  sbc:
    from: [127.0.0.40/32]
    media_from: [127.0.0.10/32]
    to: "sip:{sbc}"
    caller_ids: ["{shown}"]
    country: US
    refers: permitted
numbers:
  - {{match: "{number}", trunk: sbc, scenario: salon}}
  - {{match: "+13125550102", trunk: sbc, scenario: attended}}
routes: [{{to: "+1", tries: [[{{trunk: sbc}}]]}}]
permit: ["+1"]
directory:
  front_desk: {{sip: "sip:desk@{sbc}", trunk: sbc}}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
timers: {{first_rtp: 60, no_answer: 2}}
"""
TOPOS = """\
loadmodule "db_sqlite.so"
loadmodule "topos.so"
modparam("topos", "storage", "db")
modparam("topos", "db_url", "sqlite:///{database}")
modparam("topos", "sanity_checks", 0)
"""
HIDING = {"topoh": TOPOH, "topoh-ids": TOPOH + 'modparam("topoh", "mask_callid", 1)\n', "topos": TOPOS}
hidden = pytest.mark.parametrize("hiding", ["topoh-ids", "topos"])  # with Call-IDs of its own; with no Record-Route
TABLES = Path("/usr/share/kamailio/db_sqlite")


@attrs.frozen
class Home:
    """The house, and where its SBC has to stand."""

    program: Program
    sbc: Address

    @asynccontextmanager
    async def behind(
        self, folder: Path, hiding: str = "topoh", *, carrier: object = "", desk: object = "", children: int = 1
    ) -> AsyncIterator[Address]:
        """Kamailio between the house and these; one child keeps messages in order."""
        house = {"house_host": self.program.sip.host, "house_port": self.program.sip.port}
        hiding = HIDING[hiding].format(database=database(folder))
        words = {"carrier": carrier, "desk": desk, "children": children, "hiding": hiding}
        async with kamailio(folder, "sbc", self.sbc, **house, **words):
            yield self.sbc

    async def call(self, who: str, cause: str) -> dict[str, Any]:
        """All there is of the one call from or to somebody, once it is closed; and this cause closed it."""

        def over() -> list[str]:
            calls = self.program.calls()
            return [one["call"] for one in calls if who in (one["caller"], one["called"]) and one["ended"] is not None]

        [call] = await until(over, what=f"a closed record of {who}")
        facts = self.program.call(call)
        assert facts["cause"] == cause
        return facts

    def kept(self, attempt: dict[str, Any], hiding: str = "topoh") -> bool:
        """Whether the record has the way back through the SBC: topoh shows itself in routes, topos as the far end."""
        routes, target = attempt["route_set"], attempt["remote_target"]
        if hiding.startswith("topos"):
            return routes == [] and f"@{self.sbc}" in target
        return len(routes) == 1 and f"sip:{self.sbc};" in routes[0] and MASK in target


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Home]:
    """A house that takes calls and orders."""
    folder, sbc = tmp_path_factory.mktemp("home"), Address(SBC, free_port(SBC))
    config, options = CONFIG.format(sbc=sbc, number=NUMBER, shown=SHOWN), patient(folder)
    attending(folder)
    with Exchange(folder, phrases).run(*options, config=config, command=PLACING) as program:
        yield Home(program, sbc)


def attending(folder: Path) -> None:
    """The salon once more, as one that speaks with its desk before it puts a caller through."""
    shutil.copytree(ROOT / "agents" / "salon", folder / "agents" / "attended")
    text = (folder / "scenarios" / "salon.yaml").read_text().replace("scenario: salon", "scenario: attended")
    (folder / "scenarios" / "attended.yaml").write_text(text.replace("tries: [blind]", "tries: [attended]"))


def database(folder: Path) -> Path:
    """An empty one for topos; Kamailio waits for no lock, and with a journal of its own readers hold none."""
    file = folder / "topos.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        for name in ("standard", "topos"):
            db.executescript((TABLES / f"{name}-create.sql").read_text())
    return file


async def ordered(program: Program, numbers: list[str]) -> None:
    """Have them called, not too many at once, until every record is closed."""
    mine = set(numbers)
    for place, number in enumerate(numbers):
        await until(partial(few, program, place, mine), what="a call of ours to end")
        program.order(f"{number} salon")
    await until(lambda: over(program, mine) == len(numbers), what="the end of our calls")


def few(program: Program, placed: int, called: set[str]) -> bool:
    return placed - over(program, called) < AT_ONCE


def over(program: Program, called: set[str]) -> int:
    return sum(one["called"] in called and one["ended"] is not None for one in program.calls())


async def test_a_hundred_calls_come_in_while_a_hundred_go_out_and_each_is_one_record_with_the_way_back(
    home: Home, tmp_path: Path
) -> None:
    numbers = [f"+131255502{n:02}" for n in range(CALLS)]
    options = ("-s", NUMBER, "-key", "caller", CALLER, "-d", "1500", "-r", "8")
    async with (
        sipp_phone(tmp_path, "answers_through_proxies", "-d", "1500") as callee,
        home.behind(tmp_path, carrier=callee.address, children=2) as sbc,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(ordered, home.program, numbers)
        done = await sipp(tmp_path, sbc, *options, scenario="talks_through_proxies", calls=CALLS)
    assert (done.code, done.counted("Successful call"), done.counted("Failed call")) == (0, CALLS, 0), done.errors
    await home.program.closed(CALLER, CALLS)
    records = [home.program.call(one["call"]) for one in home.program.calls()]
    assert all([home.kept(attempt) for attempt in one["attempts"]] == [True] for one in records)
    taken = [(one["caller"], one["called"], one["cause"]) for one in records if one["direction"] == "inbound"]
    assert taken == [(CALLER, NUMBER, "caller_hung_up")] * CALLS
    placed = [(one["caller"], one["called"], one["cause"]) for one in records if one["direction"] == "outbound"]
    assert sorted(placed) == [(SHOWN, number, "callee_hung_up") for number in numbers]


@hidden
async def test_a_caller_who_presses_0_is_referred_to_the_desk_through_the_sbc(
    hiding: str, home: Home, tmp_path: Path
) -> None:
    options = ("-s", NUMBER, "-key", "caller", f"blind-{hiding}")
    async with home.behind(tmp_path, hiding) as sbc:
        done = await sipp(tmp_path, sbc, *options, scenario="is_referred_through_proxies")
    assert done.code == 0, done.errors
    facts = await home.call(options[-1], "transferred")
    assert ways(facts) == [("blind", "completed", 200)]
    assert [home.kept(attempt, hiding) for attempt in facts["attempts"]] == [True]


@pytest.mark.parametrize(("hiding", "target"), [("topoh-ids", "desk"), ("topos", "+13125550160")])
async def test_a_caller_who_refers_us_on_is_told_how_it_goes_and_the_conversation_goes_on_there_in_the_same_record(
    hiding: str, target: str, home: Home, tmp_path: Path
) -> None:
    caller = f"refers-{hiding}"
    options = ("-s", NUMBER, "-key", "caller", caller, "-key", "target", target, "-d", "200")
    async with (
        sipp_phone(tmp_path, "answers_through_proxies", "-d", "1000") as other,
        home.behind(tmp_path, hiding, carrier=other.address, desk=other.address) as sbc,
    ):
        done = await sipp(tmp_path, sbc, *options, scenario="refers_through_proxies")
        assert done.code == 0, done.errors
        facts = await home.call(caller, "callee_hung_up")
    assert [home.kept(attempt, hiding) for attempt in facts["attempts"]] == [True, True]
    assert facts["attempts"][0]["reason"] == "transferred"


@hidden
async def test_a_caller_who_presses_0_is_put_through_by_replaces_once_the_desk_was_told_who_comes(
    hiding: str, home: Home, tmp_path: Path
) -> None:
    name = f"attended-{hiding}"
    async with (
        user_agent(CARRIER, name=name) as caller,
        user_agent(CARRIER, name="desk", manners=Manners(invite=200, rings=0.1)) as desk,
        home.behind(tmp_path, hiding, carrier=caller.address, desk=desk.address) as sbc,
    ):
        call = await caller.dial(f"sip:{ATTENDED}@{sbc}", caller=name)
        call.line.press("0")
        with trio.fail_after(30):
            await call.transferred.wait()
            await call.ended.wait()
        consult, successor = desk.calls
        assert successor.replaced is consult
        assert call.successor is not None
        call.successor.hang_up()
        facts = await home.call(name, "transferred")
    assert ways(facts) == [("attended", "completed", 200)]
    assert [home.kept(attempt, hiding) for attempt in facts["attempts"]] == [True, True]


@hidden
@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_who_refers_us_to_a_call_of_theirs_has_us_take_their_place_in_it(
    who: str, hiding: str, home: Home, tmp_path: Path
) -> None:
    name = f"{who}-{hiding}"
    async with (
        user_agent(CARRIER, name=name) as office,
        user_agent(CARRIER, name="desk", manners=Manners(invite=200, rings=0.1)) as desk,
        home.behind(tmp_path, hiding, carrier=office.address, desk=desk.address) as sbc,
    ):
        call, known_as = await talking(who, home, office, sbc, name)
        consult = await office.dial(f"sip:desk@{sbc}", caller=name)
        call.refer(f"sip:desk@{sbc}", replaces=consult)
        with trio.fail_after(20):
            await consult.ended.wait()
            await call.ended.wait()
        asked, successor = desk.calls
        assert successor.replaced is asked
        assert [event.status for event in call.told if isinstance(event, Notified)][-1] == 200
        successor.hang_up()
        facts = await home.call(known_as, "callee_hung_up")
    assert [home.kept(attempt, hiding) for attempt in facts["attempts"]] == [True, True]
    assert facts["attempts"][0]["reason"] == "transferred"


def ways(facts: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(one["kind"], one["outcome"], one["sip_code"]) for one in facts["transfers"]]


@hidden
async def test_an_office_that_talks_to_our_agent_first_puts_its_customer_through_to_the_same_conversation(
    hiding: str, home: Home, tmp_path: Path
) -> None:
    async with (
        user_agent(CARRIER, name=f"office-{hiding}") as office,
        user_agent(CARRIER, name="customer", manners=Manners(invite=200, rings=0)) as customer,
        home.behind(tmp_path, hiding, desk=customer.address) as sbc,
    ):
        call = await office.dial(f"sip:desk@{sbc}")
        consult = await office.dial(f"sip:{NUMBER}@{sbc}", caller=office.name)
        call.refer(f"sip:{NUMBER}@{sbc}", replaces=consult)
        with trio.fail_after(10):
            await consult.ended.wait()
            await customer.calls[0].transferred.wait()
        successor = customer.calls[0].successor
        assert successor is not None
        assert not successor.ended.is_set()
        successor.hang_up()
        facts = await home.call(office.name, "caller_hung_up")
    assert [home.kept(attempt, hiding) for attempt in facts["attempts"]] == [True, True]
    assert facts["attempts"][1]["sip_code"] == 200


async def talking(who: str, home: Home, office: UserAgent, sbc: Address, name: str) -> tuple[PhoneCall, str]:
    """A call between the house and an office that is caller or callee; and what its record is found by."""
    if who == "caller":
        return await office.dial(f"sip:{NUMBER}@{sbc}", caller=name), name
    number = f"+131255503{len(name)}"
    home.program.order(f"{number} salon")
    call = await office.next_call()
    call.pick_up()
    return call, number


@hidden
async def test_a_call_of_ours_that_rings_too_long_is_cancelled_through_the_sbc(
    hiding: str, home: Home, tmp_path: Path
) -> None:
    number = f"+131255505{len(hiding):02}"
    async with (
        user_agent(CARRIER, name=hiding) as callee,
        home.behind(tmp_path, hiding, carrier=callee.address),
    ):
        home.program.order(f"{number} salon")
        ringing = await callee.next_call()
        with trio.fail_after(10):
            await ringing.ended.wait()
        facts = await home.call(number, "not_answered")
    assert any(isinstance(event, Cancelled) for event in ringing.told)
    assert [(bool(one["rang"]), bool(one["answered"])) for one in facts["attempts"]] == [(True, False)]


async def test_carriers_of_a_dispatcher_that_answer_503_or_nothing_cost_our_calls_neither_a_record_nor_an_attempt(
    home: Home, tmp_path: Path
) -> None:
    numbers = [f"+131255504{n:02}" for n in range(21)]
    async with (
        sipp_phone(tmp_path, "refuses", "-nr", status="503") as full,
        silent(tmp_path, "127.0.0.10") as dead,
        sipp_phone(tmp_path, "answers_through_proxies", "-d", "500") as well,
    ):
        targets = tmp_path / "targets"
        targets.write_text(f"1 sip:{full.address}\n1 {dead}\n1 sip:{well.address}\n")
        async with kamailio(tmp_path, "dispatcher", home.sbc, targets=targets):
            await ordered(home.program, numbers)
        assert full.calls() >= 7
        assert well.calls() == len(numbers)
    records = [home.program.call(one["call"]) for one in home.program.calls() if one["called"] in numbers]
    assert [(one["cause"], len(one["attempts"])) for one in records] == [("callee_hung_up", 1)] * len(numbers)
