"""`calls list` and `calls show`: what programs and people get, while a run is writing and when it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from typer.testing import CliRunner

from callactors.commands.calls import app
from callactors.routing.cause import Cause
from callactors.stores.ids import uuid7
from callactors.stores.ledger import Ledger, open_ledger
from callactors.stores.ledger_rows import (
    AttemptRow,
    CallAnsweredAt,
    CallClosed,
    CallOpened,
    EventRow,
    OutcomeRow,
    QualityRow,
    Row,
    ToolRunDone,
    ToolRunRow,
    TransferRow,
    TurnRow,
)

FIRST, SECOND = uuid7(1_767_323_045_678), uuid7(1_767_323_145_678)


REASON = "no codec of ours is offered: G729/8000, AMR-WB/16000/1, EVS/16000, SPEEX/16000, ILBC/8000"
STAGES = {"detection": 480.2, "to_first_audio": 120.0, "transcode": 2.1, "slot": 37.7, "response": 640.0}


def rows(call: str) -> list[Row]:
    at = 1_767_323_045_678
    return [
        CallOpened(
            call=call, direction="inbound", started=at, scenario="salon", caller="+1312\n\x1b[31m", called="100"
        ),
        AttemptRow(call=call, n=0, leg=0, trunk="loopback", answered=at + 500, sip_code=200, reason=REASON),
        CallAnsweredAt(call=call, answered=at + 500),
        TurnRow(call=call, n=0, heard="I need a cut", said='Say "when".\nPlease', cut_ms=700, stages=STAGES),
        ToolRunRow(call=call, session=0, tool_request_id="t", tool="book_slot", arguments='{"service": "cut"}'),
        ToolRunDone(call=call, session=0, tool_request_id="t", state="finished", output="booked"),
        OutcomeRow(call=call, at=at + 900, outcome="booking_captured"),
        TransferRow(call=call, n=0, kind="blind", target="front_desk", at=at + 950, outcome="completed", sip_code=200),
        QualityRow(call=call, leg=0, direction="in", packets=50, lost=1, late=0, jitter_ms=0.5, mos=4.3),
        EventRow(call=call, at=at + 999, kind="recording", body={"path": "data/recordings/x.wav"}),
        CallClosed(call=call, ended=at + 4000, cause=Cause.TRANSFERRED, ended_by="us"),
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    async def write() -> None:
        async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
            for row in rows(FIRST):
                ledger.queue(row)
            ledger.queue(CallOpened(call=SECOND, direction="inbound", started=1_767_323_145_678, called="200"))

    trio.run(write)
    return tmp_path


def ran(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def listed(*arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ran("list", "--json", *arguments))
    return found


def test_list_json_is_an_array_of_calls_oldest_first_with_the_agreed_fields(data: Path) -> None:
    first, second = listed("--data", data)
    assert first["call"] == FIRST
    assert (first["started"], first["answered"], first["ended"], first["duration"]) == (
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T03:04:06.178Z",
        "2026-01-02T03:04:09.678Z",
        3.5,
    )
    assert (first["scenario"], first["called"], first["cause"], first["sip_code"], first["outcome"]) == (
        "salon",
        "100",
        "transferred",
        200,
        "booking_captured",
    )
    assert (second["ended"], second["cause"], second["sip_code"], second["outcome"]) == (None, None, None, "none")


def test_last_takes_the_newest(data: Path) -> None:
    assert [call["call"] for call in listed("--data", data, "--last", 1)] == [SECOND]


def test_the_list_for_people_is_one_safe_line_a_call(data: Path) -> None:
    lines = ran("list", "--data", data).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith(FIRST)
    assert "\x1b" not in lines[1]
    assert "(open)" in lines[2]


def test_show_tells_the_conversation_tools_transfers_media_events_and_recording(data: Path) -> None:
    text = ran("show", FIRST, "--data", data)
    for line in (
        "  caller: I need a cut",
        '  agent:  Say "when".\\nPlease (cut off after 700 ms)',
        '  book_slot {"service":"cut"} -> finished: booked',
        "target=front_desk at=2026-01-02T03:04:06.628Z outcome=completed sip_code=200",
        "packets=50 lost=1",
        "recording  data/recordings/x.wav",
        "cause      transferred (by us), SIP 200",
    ):
        assert line in text
    assert "\x1b" not in text


def test_show_tells_a_reason_to_its_end(data: Path) -> None:
    assert REASON in CliRunner().invoke(app, ["show", FIRST, "--data", str(data)]).output


def test_show_tells_how_long_the_caller_waited_and_for_what(data: Path) -> None:
    expected = "answered after 640 ms (detection 480, model 120, transcode 2, slot 38)"
    assert expected in ran("show", FIRST, "--data", data)


def test_show_json_has_every_part_and_the_beginning_of_an_id_is_enough(data: Path) -> None:
    facts = json.loads(ran("show", SECOND[:12], "--json", "--data", data))
    assert facts["call"] == SECOND
    facts = json.loads(ran("show", FIRST.upper(), "--json", "--data", data))
    assert facts["turns"][0]["stages"] == STAGES
    assert facts["tools"][0]["arguments"] == {"service": "cut"}
    assert facts["attempts"][0]["answered"] == "2026-01-02T03:04:06.178Z"
    assert facts["recording"] == "data/recordings/x.wav"


@pytest.mark.parametrize(
    ("call", "said"), [("ffff", "calls list --data"), (FIRST[:4], "more than one call"), ("", "no call")]
)
def test_an_id_that_is_not_one_call_is_exit_1_with_a_remedy(data: Path, call: str, said: str) -> None:
    assert said in ran("show", call, "--data", data, code=1)


def test_no_ledger_or_something_else_in_its_place_is_exit_1_with_a_remedy(tmp_path: Path) -> None:
    assert "run callactors first" in ran("list", "--data", tmp_path, code=1)
    (tmp_path / "ledger.db").write_bytes(b"not a database, whatever it says" * 100)
    assert "cannot be read" in ran("list", "--data", tmp_path, code=1)


def test_a_ledger_nobody_called_yet_lists_nothing(tmp_path: Path) -> None:
    trio.run(Ledger(tmp_path / "ledger.db", "a1").open)
    assert listed("--data", tmp_path) == []
    assert "no calls yet" in ran("list", "--data", tmp_path)


async def test_it_reads_while_a_run_is_writing(tmp_path: Path) -> None:
    async with open_ledger(tmp_path / "ledger.db", "a1") as ledger:
        for n in range(5):
            await ledger.durable(CallOpened(call=uuid7(n), direction="inbound", started=n))
            assert len(listed("--data", tmp_path)) == n + 1
