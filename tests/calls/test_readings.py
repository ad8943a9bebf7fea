"""What a house says of its trunks on the page: who answers, who is registered, how full each one is."""

from __future__ import annotations

from pathlib import Path

from callactors.calls.readings import Readings
from callactors.calls.trunk_board import TrunkBoard
from callactors.meters.page import Meters
from callactors.meters.pulse import Pulse
from callactors.testing.calls import open_house
from callactors.testing.scripted_caller import scripted_caller


async def test_a_trunk_that_answers_registers_and_has_a_call(autojump_clock: object, tmp_path: Path) -> None:
    meters, board = Meters(lambda: 0.0), TrunkBoard(tmp_path, lambda: 0.0)
    board.note("loopback", "192.0.2.1:5060", state="closed", status=200)
    board.note("loopback", "192.0.2.2:5060", state="open", status=None)
    board.note("loopback", "registration", state="registered", hop="192.0.2.1:5060")
    async with (
        open_house(tmp_path, loopback=", channels: 4") as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        meters.watch(Readings(house.switchboard, Pulse(), meters.tally, {}, board.facts).read)
        await caller.call()
        page = meters.page().decode().splitlines()
    assert 'callactors_trunk_answers{address="192.0.2.1:5060",trunk="loopback"} 1.0' in page
    assert 'callactors_trunk_answers{address="192.0.2.2:5060",trunk="loopback"} 0.0' in page
    assert 'callactors_trunk_registered{trunk="loopback"} 1.0' in page
    assert 'callactors_trunk_calls{trunk="loopback"} 1.0' in page
    assert 'callactors_trunk_channels{trunk="loopback"} 4.0' in page


async def test_a_registration_that_is_refused_is_none(autojump_clock: object, tmp_path: Path) -> None:
    meters, board = Meters(lambda: 0.0), TrunkBoard(tmp_path, lambda: 0.0)
    board.note("loopback", "registration", state="not_registered", status=403)
    async with open_house(tmp_path) as house:
        meters.watch(Readings(house.switchboard, Pulse(), meters.tally, {}, board.facts).read)
        page = meters.page().decode()
    assert 'callactors_trunk_registered{trunk="loopback"} 0.0' in page
