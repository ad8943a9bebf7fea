"""What a dialog does between its answer and its end, by SIPp from outside: each scenario is a sentence of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.interop.support import Exchange, Program, patient, sipp

HOUSE = """\
version: 1
node: dialogs
listen: {rtp: 36000-37999}
trunks:
  carrier: {from: [127.0.0.10/31, 127.0.0.12/31], session_timer: {expires: 1800, min_se: 90}}
numbers:
  - {match: "+13125550100", trunk: carrier, scenario: salon}
directory:
  front_desk: {sip: "sip:desk@127.0.0.1:5070", trunk: carrier}
models:
  offline: {kind: embedded}
answer: {when: at_once}
timers: {first_rtp: 120, rtp_silence: 120}
"""
REFRESHED = ("lets_its_session_be_refreshed", "lets_its_session_be_refreshed_by_invite", "collides")
SHORTEST = ("-key", "expires", "90")  # seconds: RFC 4028 section 5 allows no less


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Program]:
    """An exchange with ordinary session timers, whose agent waits for silent callers."""
    folder = tmp_path_factory.mktemp("dialogs")
    with Exchange(folder, phrases).run(*patient(folder), config=HOUSE) as program:
        yield program


async def played(folder: Path, program: Program, scenario: str, *options: str) -> dict[str, object]:
    """SIPp plays it to its end and is content; the call's record."""
    given = ("-s", "+13125550100", "-key", "caller", scenario, "-d", "1000", *options)
    done = await sipp(folder, program.sip, *given, scenario=scenario, seconds=100)
    assert done.code == 0, done.errors
    [record] = await program.closed(scenario)
    return record


@pytest.mark.parametrize(
    "scenario",
    [
        "is_held_and_resumed",
        "changes_its_codec",
        "refreshes_its_session",
        "acknowledges_what_rings",
        "offers_nothing",
        "asks_for_an_offer",
        "cancels_what_was_answered",
        "offers_a_codec_nobody_has",
    ],
)
async def test_a_caller_who(scenario: str, house: Program, tmp_path: Path) -> None:
    record = await played(tmp_path, house, scenario)
    assert (record["cause"], record["sip_code"]) == ("caller_hung_up", 200)


async def test_a_caller_who_asks_for_too_short_a_session_is_told_422_and_may_ask_again(
    house: Program, tmp_path: Path
) -> None:
    record = await played(tmp_path, house, "asks_for_too_short_a_session")
    assert record["cause"] == "caller_hung_up"


async def test_sessions_of_ninety_seconds_are_refreshed_collide_and_expire_and_a_200_without_ack_ends_with_a_bye(
    house: Program, tmp_path: Path
) -> None:
    """Side by side, for each of them takes a minute."""
    ends: dict[str, tuple[object, object]] = {}

    async def play(scenario: str, *options: str) -> None:
        record = await played(tmp_path, house, scenario, *SHORTEST, *options)
        ends[scenario] = record["cause"], record["ended_by"]

    async with trio.open_nursery() as nursery:
        for scenario in REFRESHED:
            nursery.start_soon(play, scenario)
        nursery.start_soon(play, "lets_its_session_expire")
        nursery.start_soon(play, "never_acknowledges", "-nr")
    assert ends.pop("lets_its_session_expire") == ("session_expired", "us")
    assert ends.pop("never_acknowledges") == ("no_ack", "us")  # its 200 was sent again for 32 s, then it got a BYE
    assert ends == dict.fromkeys(REFRESHED, ("caller_hung_up", "far_end"))
