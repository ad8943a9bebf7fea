"""The table of names is the page's: nothing is documented that is not there, and nothing else is there."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import trio
import yaml

import callactors.meters
from callactors.calls.readings import Readings
from callactors.commands.workers.metrics import own_readings
from callactors.meters.page import Meters
from callactors.meters.pulse import Pulse
from callactors.stores.ledger import Ledger
from callactors.testing.calls import open_house

README = (Path(callactors.meters.__file__).parent / "README.md").read_text()
TABLE = {
    name
    for line in README.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`(\w+)`", line.split("|")[1])
}
RULES = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)


async def names(folder: Path) -> set[str]:
    """Every family of a house's page, without the prefix."""
    meters = Meters(trio.current_time)
    async with open_house(folder, more="limits: {calls: 5}") as house:
        meters.watch(Readings(house.switchboard, Pulse(), meters.tally, {}, dict).read)
        return set(re.findall(r"^# TYPE callactors_(\w+) ", meters.page().decode(), re.MULTILINE))


async def test_every_name_of_the_page_is_in_the_readme_and_the_other_way_round(
    autojump_clock: object, tmp_path: Path
) -> None:
    assert await names(tmp_path) == TABLE


async def test_alerts_speak_of_names_that_exist(autojump_clock: object, tmp_path: Path) -> None:
    assert RULES is not None
    rules = yaml.safe_load(RULES.group(1))["groups"][0]["rules"]
    known = await names(tmp_path)
    spoken = {name for rule in rules for name in re.findall(r"callactors_(\w+)", rule["expr"])}
    assert len(rules) > 10
    assert {re.sub(r"_bucket$", "", name) for name in spoken} - known == set()


@attrs.frozen
class Parent:
    """What the page of a house of workers asks its parent."""

    ledger: Ledger
    started: int = 3
    crashed: int = 1

    def ready(self) -> int:
        return 2


async def test_what_a_parent_of_workers_adds_is_in_the_readme(autojump_clock: object, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        said = {reading.name: reading.kind for reading in own_readings(Parent(house.ledger))}
    names_of_page = {f"{name}_total" if kind == "counter" else name for name, kind in said.items()}
    assert {name for name in names_of_page if f"`{name}`" not in README} == set()
