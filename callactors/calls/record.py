"""One call's record as it grows: facts of the call in, rows for the ledger out.

A ledger that cannot take a row costs a log line, never the call; only `durable` rows hold anything up.
"""

from __future__ import annotations

import attrs
import trio

from callactors.actors.messages import By, TransferTried, TurnEnded
from callactors.errors import LedgerBroken
from callactors.meters.log import log
from callactors.routing.cause import Cause
from callactors.rtp.quality import Quality
from callactors.sip.dialog import DialogFacts
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_rows import (
    AttemptRow,
    CallAnsweredAt,
    CallClosed,
    CallOpened,
    EventRow,
    NeverAnswered,
    OutcomeRow,
    QualityRow,
    Row,
    ToolRunDone,
    ToolRunRow,
    TransferRow,
    TurnRow,
)


@attrs.define(eq=False)
class CallRecord:
    """The writing end of one call's rows. `at` is trio.current_time() throughout."""

    call: str
    ledger: Ledger
    _turns: int = attrs.field(default=0, init=False)
    _transfers: int = attrs.field(default=0, init=False)

    # -- the call ------------------------------------------------------------------------------------------------

    def opened(self, *, trunk: str, scenario: str, caller: str, called: str) -> None:
        self._queue(
            CallOpened(
                call=self.call,
                direction="inbound",
                started=self._now(),
                trunk=trunk,
                scenario=scenario,
                caller=caller,
                called=called,
            )
        )

    def rang(self, trunk: str, facts: DialogFacts) -> None:
        self._queue(AttemptRow(call=self.call, n=0, leg=0, trunk=trunk, facts=facts, rang=self._now()))

    def moved(self, facts: DialogFacts) -> None:
        """The peer is somewhere else now: an orphan's BYE must find it there."""
        self._queue(AttemptRow(call=self.call, n=0, leg=0, facts=facts))

    async def answering(self, trunk: str, facts: DialogFacts) -> None:
        """Durable before the 200 leaves: enough for another process to end this dialog. Raises LedgerBroken."""
        now = self._now()
        self._queue(CallAnsweredAt(call=self.call, answered=now))
        await self.ledger.durable(
            AttemptRow(call=self.call, n=0, leg=0, trunk=trunk, facts=facts, answered=now, sip_code=200)
        )

    def closed(self, cause: Cause, by: By, *, answered: bool, sip_code: int | None, q850: int | None) -> None:
        """Its last rows. A caller who gave up while `answering` was not `answered`, whatever was written by then."""
        now = self._now()
        if not answered:
            self._queue(NeverAnswered(call=self.call))
        self._queue(AttemptRow(call=self.call, n=0, leg=0, ended=now, sip_code=sip_code, q850=q850, reason=cause.value))
        self._queue(CallClosed(call=self.call, ended=now, cause=cause, ended_by=by))

    # -- what happened in it -------------------------------------------------------------------------------------

    def turn(self, turn: TurnEnded) -> None:
        self._turns += 1
        self._queue(
            TurnRow(
                call=self.call,
                n=self._turns,
                heard=turn.heard,
                said=turn.said,
                cut_ms=turn.cut_ms,
                stages=turn.stages,
            )
        )

    def tool_started(self, session: int, request: str, tool: str, arguments: bytes) -> None:
        self._queue(
            ToolRunRow(
                call=self.call,
                session=session,
                tool_request_id=request,
                tool=tool,
                arguments=arguments[:65536].decode(errors="replace"),
            )
        )

    def tool_done(self, session: int, request: str, state: str, output: str) -> None:
        self._queue(
            ToolRunDone(call=self.call, session=session, tool_request_id=request, state=state, output=output[:65536])
        )

    async def earlier_run(self, tool: str, arguments: bytes) -> tuple[str, str | None] | None:
        """(state, output) of this call's last run of this tool with these arguments."""
        try:
            return await self.ledger.earlier_run(self.call, tool, arguments)
        except LedgerBroken as error:
            log().error("ledger.unreadable", call=self.call, error=str(error))
            return None

    def transfer(self, tried: TransferTried) -> None:
        """Once when it is asked for (no outcome yet), once more when it has ended."""
        if tried.outcome is None:
            self._transfers += 1
        self._queue(
            TransferRow(
                call=self.call,
                n=self._transfers,
                kind=tried.kind,
                target=tried.target,
                at=self.ledger.wall(tried.asked),
                outcome=tried.outcome,
                sip_code=tried.sip_code,
            )
        )

    def outcome(self, outcome: str, detail: str) -> None:
        self._queue(OutcomeRow(call=self.call, at=self._now(), outcome=outcome, detail=detail))

    def quality(self, leg: int, quality: Quality) -> None:
        self._queue(
            QualityRow(
                call=self.call,
                leg=leg,
                direction=quality.direction,
                packets=quality.packets,
                lost=quality.lost,
                late=quality.late,
                jitter_ms=quality.jitter_ms,
                mos=quality.mos,
            )
        )

    def event(self, kind: str, **body: object) -> None:
        self._queue(EventRow(call=self.call, at=self._now(), kind=kind, body=body))

    def _now(self) -> int:
        return self.ledger.wall(trio.current_time())

    def _queue(self, row: Row) -> None:
        try:
            self.ledger.queue(row)
        except LedgerBroken as error:
            log().error("ledger.row_lost", call=self.call, row=type(row).__name__, error=str(error))
