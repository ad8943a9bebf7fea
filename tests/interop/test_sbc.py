"""Kamailio as an SBC that record-routes and hides topology: calls both ways, transfers both ways, and what is recorded.

SIPp and user agents stand behind it; one house stands before it, and sees nothing of them but Kamailio.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callactors.sip.address import Address
from callactors.sip.events import Notified
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.user_agent import UserAgent, user_agent
from tests.interop.proxy import kamailio
from tests.interop.support import CARRIER, PLACING, Exchange, Program, free_port, patient, sipp, sipp_phone, until

NUMBER, SHOWN, CALLER = "+13125550100", "+13125550101", "+13125550177"
SBC, MASK = "127.0.0.40", "127.0.0.49"
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
    refers: directory
numbers:
  - {{match: "{number}", trunk: sbc, scenario: salon}}
routes: [{{to: "+1", tries: [[{{trunk: sbc}}]]}}]
permit: ["+1"]
directory:
  front_desk: {{sip: "sip:desk@{sbc}", trunk: sbc}}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
timers: {{first_rtp: 60}}
"""
HIDING = {
    "topoh": """\
loadmodule "topoh.so"
modparam("topoh", "mask_key", "nobody sees who is behind")
modparam("topoh", "mask_ip", "127.0.0.49")
modparam("topoh", "sanity_checks", 0)
""",
}
HIDING["topoh with Call-IDs"] = HIDING["topoh"] + 'modparam("topoh", "mask_callid", 1)\n'


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
        words = {"carrier": carrier, "desk": desk, "children": children, "hiding": HIDING[hiding]}
        async with kamailio(folder, "sbc", self.sbc, **house, **words):
            yield self.sbc

    async def call(self, caller: str, cause: str) -> dict[str, Any]:
        """All there is of the newest call from or to somebody, once it is closed by this cause."""
        records = await self.program.closed(caller)
        facts = self.program.call(records[-1]["call"])
        assert facts["cause"] == cause
        return facts

    def kept(self, attempt: dict[str, Any]) -> bool:
        """Whether the record has the way back: through the SBC, to whoever it hides."""
        routes, target = attempt["route_set"], attempt["remote_target"]
        return len(routes) == 1 and f"sip:{self.sbc};" in routes[0] and MASK in target


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Home]:
    """A house that takes calls and orders."""
    folder, sbc = tmp_path_factory.mktemp("home"), Address(SBC, free_port(SBC))
    config = CONFIG.format(sbc=sbc, number=NUMBER, shown=SHOWN)
    with Exchange(folder, phrases).run(*patient(folder), config=config, command=PLACING) as program:
        yield Home(program, sbc)


async def ordered(program: Program, numbers: list[str]) -> None:
    """Have them called, not too many at once, until every record is closed."""
    mine = set(numbers)
    for place, number in enumerate(numbers):
        await until(lambda count=place: count - closed(program, mine) < AT_ONCE, 20, "a call of ours to end")
        program.order(f"{number} salon")
    await until(lambda: closed(program, mine) == len(numbers), 20, "the end of our calls")


def closed(program: Program, called: set[str]) -> int:
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
