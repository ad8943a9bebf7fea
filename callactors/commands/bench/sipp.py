"""SIPp as a load: calls at a rate for some seconds, and what it measured of them."""

from __future__ import annotations

import csv
import subprocess
from importlib import resources
from pathlib import Path

import attrs
import trio

from callactors.errors import Unusable
from callactors.sip.address import Address
from callactors.testing.ears import percentile

SOURCE = "127.0.0.1"
AFTER = 15  # seconds the last calls may take


@attrs.frozen
class Load:
    """What became of the calls of one rate. Times are milliseconds from INVITE to 200, as SIPp saw them."""

    rate: int
    calls: int
    failed: int
    repeated: int  # retransmissions SIPp had to send
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


async def load(folder: Path, to: Address, rate: int, seconds: int) -> Load:
    """Offer `rate` calls a second for `seconds`. Raises Unusable when SIPp cannot be run or its report not be read."""
    place = folder / f"sipp-{to.port}-{rate}"
    place.mkdir(exist_ok=True)
    scenario = place / "setup.xml"
    scenario.write_text(resources.files("callactors.commands.bench").joinpath("setup.xml").read_text("utf-8"))
    command = [
        "sipp", "-sf", str(scenario), str(to), "-i", SOURCE, "-r", str(rate), "-m", str(rate * seconds), "-nostdin",
        "-trace_rtt", "-rtt_freq", "1", "-trace_stat", "-stf", str(place / "stat.csv"), "-fd", "1",
        "-timeout", str(seconds + AFTER), "-l", str(rate * (seconds + AFTER)),
    ]  # fmt: skip
    for old in place.glob("*.csv"):
        old.unlink()
    await trio.run_process(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return _read(place, rate, rate * seconds)


def _read(place: Path, rate: int, offered: int) -> Load:
    try:
        last = list(csv.DictReader((place / "stat.csv").open(), delimiter=";"))[-1]
        done, repeated = int(last["SuccessfulCall(C)"]), int(last["Retransmissions(C)"])
    except (OSError, IndexError, KeyError, ValueError) as error:
        raise Unusable(f"SIPp left no report that can be read: {error!r}; run sipp -v") from error
    times = sorted(time for report in place.glob("*_rtt.csv") for time in _times(report))
    return Load(rate, offered, offered - done, repeated, *(percentile(times, share) for share in (0.5, 0.95, 0.99)))


def _times(report: Path) -> list[float]:
    """Milliseconds; SIPp's columns are the date, the time and the name of the timer."""
    with report.open() as lines:
        rows = csv.reader(lines, delimiter=";")
        next(rows, None)
        return [float(row[1]) for row in rows if len(row) >= 2]
