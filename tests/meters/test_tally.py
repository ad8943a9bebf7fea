"""What the ledger is told is what the meters count: once, by bounded labels."""

from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from callactors.meters.series import MOST, Bounded, Series
from callactors.meters.tally import Tally
from callactors.routing.cause import Cause
from callactors.stores.ledger_rows import (
    AttemptRow,
    CallAnsweredAt,
    CallClosed,
    CallOpened,
    CallReached,
    CallRefused,
    EventRow,
    OutcomeRow,
    QualityRow,
    Row,
    ToolRunDone,
    ToolRunRow,
    TransferRow,
    TurnRow,
)


class Board:
    """A tally, a clock to move, and a way to read one sample."""

    def __init__(self) -> None:
        self.now = 0.0
        self.series = Series()
        self.tally = Tally(self.series, lambda: self.now)

    def see(self, *rows: Row) -> None:
        for row in rows:
            self.tally.see(row)

    def value(self, name: str, **labels: str) -> float | None:
        registry: CollectorRegistry = self.series.registry
        return registry.get_sample_value(f"callactors_{name}", labels)


@pytest.fixture
def board() -> Board:
    return Board()


def opened(call: str = "c1", trunk: str | None = "twilio", direction: str = "inbound") -> CallOpened:
    return CallOpened(call=call, direction=direction, started=1000, trunk=trunk)


def closed(call: str = "c1", cause: Cause = Cause.COMPLETED, usd: float | None = None) -> CallClosed:
    return CallClosed(call=call, ended=91_000, cause=cause, ended_by="us", usd=usd)


def test_a_call_is_live_from_its_first_row_to_its_last(board: Board) -> None:
    board.see(opened("a"), opened("b"), opened("c", "telnyx", "outbound"), closed("b"))
    assert board.tally.live() == {("inbound", "twilio"): 1, ("outbound", "telnyx"): 1}
    assert board.value("calls_started_total", direction="inbound", trunk="twilio") == 2
    assert board.value("calls_ended_total", cause="completed", direction="inbound", trunk="twilio") == 1


def test_a_call_that_ends_twice_ended_once(board: Board) -> None:
    board.see(opened(), closed(), closed())
    assert board.value("calls_ended_total", cause="completed", direction="inbound", trunk="twilio") == 1


def test_set_up_and_length_are_in_seconds(board: Board) -> None:
    board.see(opened(), CallAnsweredAt(call="c1", answered=1030), CallAnsweredAt(call="c1", answered=1030), closed())
    assert board.value("call_setup_seconds_sum", direction="inbound") == 0.03
    assert board.value("call_setup_seconds_count", direction="inbound") == 1
    assert board.value("call_seconds_sum", direction="inbound") == pytest.approx(89.97)


def test_a_call_of_ours_ends_at_the_trunk_that_answered(board: Board) -> None:
    board.see(
        opened(trunk=None, direction="outbound"), CallReached(call="c1", trunk="bw", caller="+1"), closed(usd=2.5)
    )
    assert board.value("calls_ended_total", cause="completed", direction="outbound", trunk="bw") == 1
    assert board.value("call_usd_total") == 2.5


@pytest.mark.parametrize(
    ("reason", "full"),
    [
        ("limits.calls is 60", "limits.calls"),
        ("ledger: disk full", "ledger"),
        ("draining", "draining"),
        ("no free RTP port pair is left", ""),
        (None, ""),
    ],
)
def test_a_refusal_counts_by_what_was_full(board: Board, reason: str | None, full: str) -> None:
    board.see(CallRefused(call="c", at=1, cause=Cause.OVERLOAD, sip_code=503, trunk="twilio", reason=reason))
    assert board.value("calls_refused_total", cause="overload", full=full, trunk="twilio") == 1


def test_an_attempt_counts_once_by_its_last_status(board: Board) -> None:
    board.see(
        opened(trunk=None, direction="outbound"),
        AttemptRow(call="c1", n=0, leg=0, trunk="bw"),
        AttemptRow(call="c1", n=0, leg=0, ended=5, sip_code=503),
        AttemptRow(call="c1", n=1, leg=1, trunk="telnyx"),
        AttemptRow(call="c1", n=1, leg=1, rang=6),
        AttemptRow(call="c1", n=1, leg=1, answered=7, sip_code=200),
        AttemptRow(call="c1", n=1, leg=1, ended=9, sip_code=200),
        AttemptRow(call="c1", n=2, leg=2, trunk="telnyx", ended=9),
        AttemptRow(call="c1", n=3, leg=3, trunk="telnyx", ended=9, sip_code=499),
    )
    found = [("bw", "503"), ("telnyx", "200"), ("telnyx", "none"), ("telnyx", "4xx")]
    assert [board.value("attempts_total", trunk=trunk, status=status) for trunk, status in found] == [1, 1, 1, 1]


def test_the_response_time_is_what_the_caller_hears(board: Board) -> None:
    """The listener's measure where it is known, else the first packet after the model saw the end of speech."""
    first = TurnRow(call="c1", n=1, heard="a", said="b", stages={"to_first_rtp": 730.0, "to_first_audio": 700.0})
    second = TurnRow(call="c1", n=2, heard="a", said="b", stages={"to_first_rtp": 730.0, "response": 1000.0})
    board.see(opened(), first)
    assert board.value("response_seconds_sum") == pytest.approx(0.73)
    board.see(second)
    assert board.value("response_seconds_sum") == pytest.approx(1.73)
    assert board.value("turn_stage_seconds_sum", stage="to_first_audio") == pytest.approx(0.7)
    assert board.value("turns_total", cut="no") == 2


def test_a_tool_run_has_its_time(board: Board) -> None:
    board.see(opened(), ToolRunRow(call="c1", session=1, tool_request_id="r", tool="find_slot", arguments="{}"))
    board.now = 0.4
    board.see(ToolRunDone(call="c1", session=1, tool_request_id="r", state="finished", output="ok"))
    assert board.value("tool_runs_total", tool="find_slot", state="finished") == 1
    assert board.value("tool_seconds_sum", tool="find_slot") == 0.4


def test_a_transfer_counts_when_it_has_an_outcome(board: Board) -> None:
    asked = TransferRow(call="c1", n=1, kind="blind", target="front_desk", at=1)
    board.see(opened(), asked, msgspec.structs.replace(asked, outcome="completed"))
    assert board.value("transfers_total", kind="blind", outcome="completed") == 1


def test_quality_is_by_direction_and_the_legs_trunk(board: Board) -> None:
    board.see(
        opened(),
        AttemptRow(call="c1", n=1, leg=1, trunk="telnyx"),
        QualityRow(call="c1", leg=1, direction="in", packets=100, lost=3, late=2, jitter_ms=4.0, mos=4.1),
        QualityRow(call="c1", leg=0, direction="out", packets=50, lost=0, late=0, jitter_ms=1.0),
    )
    by = {"direction": "in", "trunk": "telnyx"}
    assert [board.value(f"rtp_{name}_total", **by) for name in ("packets", "lost", "late")] == [100, 3, 2]
    assert board.value("rtp_jitter_seconds_sum", direction="in") == 0.004
    assert board.value("mos_sum", **by) == 4.1
    assert board.value("rtp_packets_total", direction="out", trunk="twilio") == 50
    assert board.value("mos_count", direction="out", trunk="twilio") is None


def test_sessions_that_take_over_are_reconnects(board: Board) -> None:
    board.see(
        opened(),
        EventRow(call="c1", at=1, kind="model_session", body={"model": "main", "session": 1}),
        EventRow(call="c1", at=1, kind="model_lost", body={"model": "main", "code": "whatever the server said"}),
        EventRow(call="c1", at=1, kind="model_session", body={"model": "main", "session": 2}),
    )
    found = [board.value(f"model_{name}_total", model="main") for name in ("sessions", "lost", "reconnects")]
    assert found == [2, 1, 1]


def test_one_way_audio_counts_once_a_call_and_direction(board: Board) -> None:
    event = EventRow(call="c1", at=1, kind="one_way", body={"leg": 0, "direction": "out", "seconds": 6.0})
    over = EventRow(call="c1", at=1, kind="one_way_over", body={"leg": 0, "direction": "out", "seconds": 9.0})
    board.see(opened(), event, over, event)
    assert board.value("one_way_audio_total", direction="out") == 1
    assert board.value("one_way_audio_total", direction="in") is None


def test_events_that_nobody_alerts_on_are_no_series(board: Board) -> None:
    board.see(EventRow(call="c1", at=1, kind="crashed"), EventRow(call="c1", at=1, kind="something of a plug-in"))
    assert board.value("events_total", kind="crashed") == 1
    assert board.value("events_total", kind="other") is None


def test_what_mailboxes_dropped_and_outcomes_are_counted(board: Board) -> None:
    board.see(opened(), EventRow(call="c1", at=1, kind="mailbox_dropped", body={"tape": 3, "to_model": 1}))
    board.see(OutcomeRow(call="c1", at=1, outcome="booking_captured"))
    assert board.value("mailbox_dropped_total", mailbox="tape") == 3
    assert board.value("outcomes_total", outcome="booking_captured") == 1


def test_a_label_has_so_many_values_and_no_more() -> None:
    label = Bounded(3)
    assert [label(name) for name in ("a", "b", None, "c", "a", "d")] == ["a", "b", "none", "other", "a", "other"]
    assert MOST <= 64
