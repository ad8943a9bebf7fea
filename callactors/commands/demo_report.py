"""What is left of the demo's call: read back from the ledger, the stores and the recording, and judged.

Blocking: it reads files. Nothing here trusts what the server said while it ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from callactors.audio.wav import MalformedWav, read
from callactors.commands.demo_call import CALLER_LINE, DESK_LINE, Exchange, Happened
from callactors.errors import CallactorsError
from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.stores.ledger_reader import Facts, open_reader
from callactors.testing import ears

CLOSE = 1.0  # seconds between the call's clock and the tape's, at most: setting up lies between


@attrs.frozen
class Report:
    """The JSON object of `demo --json`, and what is missing for a success, one sentence each."""

    facts: dict[str, Any]
    record: Facts | None
    missing: tuple[str, ...]


def report(happened: Happened, data: Path) -> Report:
    """Read everything back."""
    record = _record(happened, data)
    bookings, people = _stores(happened, data)
    recording = record["recording"] if record else None
    pairs = paired(happened, _recorded(recording))
    facts: dict[str, Any] = {
        "call": happened.call,
        "scenario": happened.scenario,
        "outcome": record["outcome"] if record else None,
        "cause": record["cause"] if record else None,
        "bookings": bookings,
        "crm_records": people,
        "refer": {"accepted": happened.accepted, "final": _final(happened)},
        "turns": [_turn(exchange) for exchange in happened.exchanges],
        "response_ms": _spread(_measured(happened)),
        "recorded_ms": _spread([pair[1] for pair in pairs]),
        "disagreement_ms": max((abs(one - other) for one, other in pairs), default=None),
        "tools": happened.tools,
        "desk": {"heard": happened.desk_heard_caller, "was_heard": happened.caller_heard_desk},
        "recording": recording,
        "data": str(data),
    }
    missing = tuple(_missing(happened, facts))
    return Report({**facts, "missing": list(missing)}, record, missing)


def booked(scenario: str, data: Path) -> frozenset[int]:
    """The bookings there are already."""
    data.mkdir(parents=True, exist_ok=True)
    calendar = Calendar(f"sqlite:///{data}/stores.db", scenario)
    try:
        return frozenset(one.id for one in calendar.bookings())
    finally:
        calendar.close()


def _record(happened: Happened, data: Path) -> Facts | None:
    if not happened.call:
        return None
    try:
        with open_reader(data / "ledger.db") as reader:
            return reader.call(happened.call)
    except CallactorsError:
        return None


def _stores(happened: Happened, data: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What this call wrote."""
    url = f"sqlite:///{data}/stores.db"
    calendar, crm = Calendar(url, happened.scenario), Crm(url)
    since = round(happened.started.timestamp() * 1000)
    try:
        bookings = [
            attrs.asdict(one) | {"start": one.start.isoformat()}
            for one in calendar.bookings()
            if one.id not in happened.booked_before
        ]
        people = [attrs.asdict(one) for one in crm.records() if one.updated >= since]
    finally:
        calendar.close()
        crm.close()
    return bookings, people


def _final(happened: Happened) -> int | None:
    """The status of the last NOTIFY, if the server answered it."""
    finals = [one.status for one in happened.notifies if one.terminated and one.answered == 200]
    return finals[-1] if finals else None


def _turn(exchange: Exchange) -> dict[str, Any]:
    """What the agent heard and said, by its own record where there is one, else by the caller's mouth and ears."""
    answer = exchange.answer
    return {
        "heard": " ".join(exchange.heard) or exchange.words,
        "said": " ".join(exchange.said) or (answer.text if answer else ""),
        "response_ms": answer.response_ms if answer else None,
    }


def _measured(happened: Happened) -> list[int]:
    answers = [exchange.answer for exchange in happened.exchanges]
    return [answer.response_ms for answer in answers if answer is not None and answer.response_ms is not None]


def _recorded(recording: str | None) -> list[ears.Response]:
    """Every response time on the tape: caller left, agent right."""
    if recording is None:
        return []
    try:
        samples = read(Path(recording).read_bytes()).samples
    except (OSError, MalformedWav):
        return []
    return ears.responses(samples[:, 0], samples[:, 1])


def paired(happened: Happened, recorded: list[ears.Response]) -> list[tuple[int, int]]:
    """Each response time measured from packets, and the same one on tape: of the question asked at the same time."""
    pairs = []
    for exchange in happened.exchanges:
        answer = exchange.answer
        if answer is None or answer.asked_at is None or answer.response_ms is None or not recorded:
            continue
        asked = answer.asked_at - happened.dialled_at
        same = min(recorded, key=lambda response: abs(response.asked / ears.RATE - asked))
        if abs(same.asked / ears.RATE - asked) < CLOSE:
            pairs.append((answer.response_ms, same.ms))
    return pairs


def _spread(times: list[int]) -> dict[str, float | None]:
    return {"p50": ears.percentile(times, 0.5), "p95": ears.percentile(times, 0.95)}


def _missing(happened: Happened, facts: dict[str, Any]) -> Iterator[str]:
    if happened.refused:
        yield f"{happened.refused}."
    if happened.timed_out:
        yield "The call took too long and was cut off."
    if not facts["bookings"]:
        yield "There is no booking of this call in the calendar."
    if not facts["crm_records"]:
        yield "There is no customer record of this call."
    if facts["refer"]["accepted"] != 202:
        yield "The agent did not ask the carrier to transfer the caller."
    elif facts["refer"]["final"] != 200:
        yield "The carrier's last NOTIFY did not say 200, or was not answered."
    if not _same_words(happened.caller_heard_desk, DESK_LINE):
        yield "The caller did not hear the person at the desk."
    if not _same_words(happened.desk_heard_caller, CALLER_LINE):
        yield "The person at the desk did not hear the caller."
    if facts["outcome"] is None or not facts["cause"]:
        yield "The call's record is not closed."
    if not facts["recording"]:
        yield "There is no recording."


def _same_words(heard: str, said: str) -> bool:
    """Whether at least a third of the words came through: ears are not perfect, silence is none."""
    wanted = set(re.findall(r"[a-z]+", said.lower()))
    return len(wanted & set(re.findall(r"[a-z]+", heard.lower()))) * 3 >= len(wanted)
