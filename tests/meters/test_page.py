"""/metrics as text: parsed by the reference parser, cheap to ask for often, and merged over workers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from callactors.meters.gauges import Reading, counters, gauge
from callactors.meters.page import FRESH, Meters, merged
from callactors.stores.ledger_rows import CallOpened, QualityRow


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def readings() -> Iterator[Reading]:
    yield gauge("streams", "Open.", 3)
    yield counters("sip_events", "What.", "what", {"strangers": 2, "malformed": 1})
    yield Reading("summary", "ledger_commit_seconds", "Commits.", {(): (4, 0.5)})


@pytest.fixture
def meters() -> Meters:
    made = Meters(Clock())
    made.watch(readings)
    made.see(CallOpened(call="a", direction="inbound", started=1, trunk="twilio"))
    return made


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by its name and labels, as the reference parser reads them."""
    families = text_string_to_metric_families(page.decode())
    return {(one.name, tuple(one.labels.items())): one.value for family in families for one in family.samples}


def test_counts_and_readings_stand_on_one_page(meters: Meters) -> None:
    found = samples(meters.page())
    assert found["callactors_calls_started_total", (("direction", "inbound"), ("trunk", "twilio"))] == 1
    assert found["callactors_streams", ()] == 3
    assert found["callactors_sip_events_total", (("what", "strangers"),)] == 2
    assert found["callactors_ledger_commit_seconds_sum", ()] == 0.5


def test_every_name_is_ours_and_has_a_help(meters: Meters) -> None:
    families = list(text_string_to_metric_families(meters.page().decode()))
    assert len(families) > 25
    assert all(family.name.startswith("callactors_") and family.documentation for family in families)
    assert b"_created" not in meters.page()


def test_two_houses_in_one_process_do_not_add_up(meters: Meters) -> None:
    other = Meters(Clock())
    assert b'direction="inbound"' in meters.page()
    assert b'direction="inbound"' not in other.page()


def test_whoever_asks_all_the_time_gets_the_same_page() -> None:
    clock, asked = Clock(), list[int]()
    meters = Meters(clock)

    def count() -> Iterator[Reading]:
        asked.append(1)
        yield gauge("streams", "Open.", 3)

    meters.watch(count)
    for _ in range(100):
        meters.page()
    clock.now += FRESH
    meters.page()
    assert len(asked) == 2


def test_a_page_of_a_busy_house_costs_little() -> None:
    """Sixteen trunks, both ways: 6 ms of CPU on a slow core; 20 is the longest a loop may be held."""
    meters = Meters(Clock())
    for trunk in range(16):
        meters.see(CallOpened(call=f"c{trunk}", direction="inbound", started=1, trunk=f"t{trunk}"))
        heard = QualityRow(call=f"c{trunk}", leg=0, direction="in", packets=1, lost=0, late=0, jitter_ms=1, mos=4)
        meters.see(heard)
        meters.see(msgspec.structs.replace(heard, direction="out"))
    began = time.process_time()
    meters.page()
    assert time.process_time() - began < 0.02


def test_workers_pages_become_one(meters: Meters) -> None:
    page = merged({"0": meters.page(), "1": meters.page()})
    found = samples(page)
    assert found["callactors_streams", (("worker", "0"),)] == 3
    labels = (("worker", "1"), ("direction", "inbound"), ("trunk", "twilio"))
    assert found["callactors_calls_started_total", labels] == 1
    assert page.count(b"# TYPE callactors_streams ") == 1
    families = [family.name for family in text_string_to_metric_families(page.decode())]
    assert len(families) == len(set(families))


def test_a_worker_that_has_nothing_to_say_spoils_nothing(meters: Meters) -> None:
    assert samples(merged({"0": meters.page(), "1": b""})) == samples(merged({"0": meters.page()}))
