"""What the ledger is told, counted: every row of a call goes by here on its way, so that meters and records agree.

- `see` is called with each row as it is queued, before the disk has it: a full disk stops no meter.
- A row may come twice, with more in it: an attempt counts once, when its last status is known.
- What a call needs remembered lives from its CallOpened to its CallClosed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from callactors.meters.series import OTHER, Bounded, Series
from callactors.routing.cause import Cause
from callactors.stores.ledger_orphans import Orphan
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

# what a refusal for want of room begins with (calls/room.py, calls/switchboard.py)
FULL = ("draining", "limits.calls", "listen.rtp", "descriptors", "limits.lag_ms", "limits.cpu", "ledger", "workers")
KINDS = (
    "crashed", "leg_crashed", "handed_over", "handoff", "held", "resumed", "model_lost", "model_stumbled",
    "playout_overflowed", "recording_failed", "rtp_silence", "emergency", "emergency_failed", "turned_away",
    "not_placed", "transfer_denied", "refer_denied",
)  # fmt: skip
STATUSES = frozenset((
    200, 300, 301, 302, 380, 400, 401, 403, 404, 405, 406, 407, 408, 410, 415, 420, 422, 423, 433, 438, 480, 481, 482,
    483, 484, 485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504, 505, 513, 580, 600, 603, 604, 606, 607,
    608,
))  # fmt: skip
RESPONSE, FIRST_RTP = "response", "to_first_rtp"  # stages: what a caller hears, and what stands in where it is unknown


@attrs.define(eq=False)
class _Call:
    direction: str
    trunk: str
    started: int  # UTC ms, as answered
    answered: int | None = None
    legs: dict[int, str] = attrs.field(factory=dict)  # trunk of each attempt
    counted: set[int] = attrs.field(factory=set)  # attempts whose status is known
    tools: dict[tuple[int, str], tuple[str, float]] = attrs.field(factory=dict)  # running: name, since
    one_way: set[str] = attrs.field(factory=set)  # directions


class Tally:
    """The counting reader of rows. `now` is a clock in seconds."""

    def __init__(self, series: Series, now: Callable[[], float]) -> None:
        self._series, self._now = series, now
        self._live: dict[str, _Call] = {}
        self._trunk, self._tool, self._stage, self._model = Bounded(), Bounded(), Bounded(), Bounded()
        self._box = Bounded()
        self._see: Mapping[type[Row], Callable[[Any], None]] = {
            CallOpened: self._opened,
            CallAnsweredAt: self._answered,
            CallReached: self._reached,
            CallClosed: self._closed,
            CallRefused: self._refused,
            AttemptRow: self._attempt,
            TurnRow: self._turn,
            ToolRunRow: self._tool_began,
            ToolRunDone: self._tool_ended,
            TransferRow: self._transfer,
            OutcomeRow: self._outcome,
            QualityRow: self._quality,
            EventRow: self._event,
        }

    def see(self, row: Row) -> None:
        """A row that has just been queued."""
        reader = self._see.get(type(row))
        if reader is not None:
            reader(row)

    def bury(self, orphans: Iterable[Orphan], cause: Cause) -> None:
        """Calls of a dead process, whose own counts have died with it, are closed."""
        for orphan in orphans:
            self._series.ended.labels(cause.value, orphan.direction, self._trunk(orphan.trunk)).inc()

    def live(self) -> Mapping[tuple[str, str], int]:
        """Calls that are open, by direction and trunk."""
        return Counter((call.direction, call.trunk) for call in self._live.values())

    # -- the call ------------------------------------------------------------------------------------------------

    def _opened(self, row: CallOpened) -> None:
        call = self._live[row.call] = _Call(row.direction, self._trunk(row.trunk), row.started)
        self._series.started.labels(call.direction, call.trunk).inc()

    def _answered(self, row: CallAnsweredAt) -> None:
        call = self._live.get(row.call)
        if call is not None and call.answered is None:
            call.answered = row.answered
            self._series.setup.labels(call.direction).observe(max(0, row.answered - call.started) / 1000)

    def _reached(self, row: CallReached) -> None:
        if (call := self._live.get(row.call)) is not None:
            call.trunk = self._trunk(row.trunk)

    def _closed(self, row: CallClosed) -> None:
        call = self._live.pop(row.call, None)
        if call is None:
            return
        self._series.ended.labels(row.cause.value, call.direction, call.trunk).inc()
        if call.answered is not None:
            self._series.length.labels(call.direction).observe(max(0, row.ended - call.answered) / 1000)
        if row.usd:
            self._series.usd.inc(row.usd)

    def _refused(self, row: CallRefused) -> None:
        word = (row.reason or "").partition(" ")[0].rstrip(":")
        full = word if word in FULL else ""
        self._series.refused.labels(row.cause.value, full, self._trunk(row.trunk)).inc()

    def _attempt(self, row: AttemptRow) -> None:
        call = self._live.get(row.call)
        if call is None:
            return
        if row.trunk:
            call.legs[row.n] = self._trunk(row.trunk)
        if (row.sip_code is None and row.ended is None) or row.n in call.counted:
            return
        call.counted.add(row.n)
        self._series.attempts.labels(call.legs.get(row.n, call.trunk), _status(row.sip_code)).inc()

    # -- what happened in it -------------------------------------------------------------------------------------

    def _turn(self, row: TurnRow) -> None:
        self._series.turns.labels("no" if row.cut_ms is None else "yes").inc()
        heard = row.stages.get(RESPONSE, row.stages.get(FIRST_RTP))
        if heard is not None:
            self._series.response.observe(max(0.0, heard) / 1000)
        for stage, ms in row.stages.items():
            if stage != RESPONSE:
                self._series.stages.labels(self._stage(stage)).observe(max(0.0, ms) / 1000)

    def _tool_began(self, row: ToolRunRow) -> None:
        if (call := self._live.get(row.call)) is not None:
            call.tools[row.session, row.tool_request_id] = row.tool, self._now()

    def _tool_ended(self, row: ToolRunDone) -> None:
        call = self._live.get(row.call)
        began = None if call is None else call.tools.pop((row.session, row.tool_request_id), None)
        if began is None:
            return
        tool = self._tool(began[0])
        self._series.tools.labels(tool, row.state).inc()
        self._series.tool_time.labels(tool).observe(self._now() - began[1])

    def _transfer(self, row: TransferRow) -> None:
        if row.outcome is not None:
            self._series.transfers.labels(row.kind, row.outcome).inc()

    def _outcome(self, row: OutcomeRow) -> None:
        self._series.outcomes.labels(row.outcome).inc()

    def _quality(self, row: QualityRow) -> None:
        call = self._live.get(row.call)
        by = (row.direction, "none" if call is None else call.legs.get(row.leg, call.trunk))
        self._series.packets.labels(*by).inc(row.packets)
        self._series.lost.labels(*by).inc(max(0, row.lost))
        self._series.late.labels(*by).inc(max(0, row.late))
        if row.packets:
            self._series.jitter.labels(row.direction).observe(row.jitter_ms / 1000)
            if row.mos is not None:
                self._series.mos.labels(*by).observe(row.mos)

    def _event(self, row: EventRow) -> None:
        body = row.body if isinstance(row.body, dict) else {}
        match row.kind:
            case "model_session":
                self._model_session(str(body.get("model", "")), body.get("session"))
            case "mailbox_dropped":
                for box, dropped in body.items():
                    self._series.mailbox_dropped.labels(self._box(box)).inc(int(dropped))
            case "one_way":
                self._one_way(row.call, "out" if body.get("direction") == "out" else "in")
            case kind if kind in KINDS:
                self._series.events.labels(kind).inc()
        if row.kind == "model_lost":
            self._series.model_lost.labels(self._model(str(body.get("model", "")))).inc()

    def _model_session(self, model: str, session: object) -> None:
        label = self._model(model)
        self._series.model_sessions.labels(label).inc()
        if session != 1:
            self._series.model_reconnects.labels(label).inc()

    def _one_way(self, name: str, direction: str) -> None:
        """Each call counts once in each direction, however often it is noticed."""
        call = self._live.get(name)
        if call is None or direction not in call.one_way:
            self._series.one_way.labels(direction).inc()
        if call is not None:
            call.one_way.add(direction)


def _status(code: int | None) -> str:
    """The status where it is a known one, its class where not, `none` where there was no response."""
    if code is None:
        return "none"
    return str(code) if code in STATUSES else f"{code // 100}xx" if 100 <= code < 700 else OTHER
