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
from callactors.routing.way import Tried, Way
from callactors.rtp.quality import Quality
from callactors.sip.dialog import DialogFacts
from callactors.sip.uri import SipUri
from callactors.stores.ledger_rows import (
    AttemptRow,
    CallAnsweredAt,
    CallClosed,
    CallOpened,
    CallReached,
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
from callactors.stores.ledger_writer import LedgerWriter


@attrs.define(eq=False)
class CallRecord:
    """The writing end of one call's rows. `at` is trio.current_time() throughout."""

    call: str
    ledger: LedgerWriter
    _turns: int = attrs.field(default=0, init=False)
    _transfers: int = attrs.field(default=0, init=False)
    _open: set[int] = attrs.field(factory=set, init=False)  # attempts that have not ended
    _rang: set[int] = attrs.field(factory=set, init=False)

    # -- the call ------------------------------------------------------------------------------------------------

    def opened(
        self, *, trunk: str | None, scenario: str | None, caller: str, called: str, direction: str = "inbound"
    ) -> None:
        self._queue(
            CallOpened(
                call=self.call,
                direction=direction,
                started=self.now(),
                trunk=trunk,
                scenario=scenario,
                caller=caller,
                called=called,
            )
        )

    def rang(self, trunk: str, facts: DialogFacts, leg: int = 0) -> None:
        """An INVITE we have got: the call's first, or one that replaces a leg of it."""
        self._open.add(leg)
        self._queue(AttemptRow(call=self.call, n=leg, leg=leg, trunk=trunk, facts=facts, rang=self.now()))

    def moved(self, facts: DialogFacts, leg: int = 0) -> None:
        """The peer is somewhere else now: an orphan's BYE must find it there."""
        self._queue(AttemptRow(call=self.call, n=leg, leg=leg, facts=facts))

    async def answering(self, trunk: str, facts: DialogFacts) -> None:
        """Durable before the 200 leaves: enough for another process to end this dialog. Raises LedgerBroken."""
        now = self.now()
        self._queue(CallAnsweredAt(call=self.call, answered=now))
        await self.ledger.durable(
            AttemptRow(call=self.call, n=0, leg=0, trunk=trunk, facts=facts, answered=now, sip_code=200)
        )

    def closed(
        self,
        cause: Cause,
        by: By,
        *,
        answered: bool,
        sip_code: int | None,
        q850: int | None,
        leg: int = 0,
        usd: float | None = None,
    ) -> None:
        """Its last rows. `leg` is the one it ended on, -1 for none; every other that is still open ends here too.

        A caller who gave up while `answering` was not `answered`, whatever was written by then.
        """
        now = self.now()
        if not answered and leg == 0:
            self._queue(NeverAnswered(call=self.call))
        for n in sorted(self._open):
            codes = (sip_code, q850) if n == leg else (None, None)
            self._queue(
                AttemptRow(call=self.call, n=n, leg=n, ended=now, sip_code=codes[0], q850=codes[1], reason=cause.value)
            )
        self._open.clear()
        self._queue(CallClosed(call=self.call, ended=now, cause=cause, ended_by=by, usd=usd))

    # -- legs we place -------------------------------------------------------------------------------------------

    async def dialling(self, leg: int, way: Way) -> None:
        """Durable before the INVITE leaves: a try nobody wrote down is a try nobody can account for.

        Raises LedgerBroken.
        """
        self._open.add(leg)
        await self.ledger.durable(AttemptRow(call=self.call, n=leg, leg=leg, trunk=way.trunk, target=str(way.uri)))

    def placed(self, leg: int, facts: DialogFacts) -> None:
        """The INVITE has left; there is no dialog yet, but its Call-ID is known."""
        self._queue(AttemptRow(call=self.call, n=leg, leg=leg, facts=facts))

    def ringing(self, leg: int, facts: DialogFacts) -> None:
        """An early dialog: another process could end it by a BYE (RFC 3261 section 15)."""
        rang = None if leg in self._rang else self.now()
        self._rang.add(leg)
        self._queue(AttemptRow(call=self.call, n=leg, leg=leg, facts=facts, rang=rang))

    async def reached(self, leg: int, facts: DialogFacts, *, callee: bool = True) -> None:
        """Answered: durable before anybody speaks. With `callee` it answers the whole call. Raises LedgerBroken."""
        now = self.now()
        if callee:
            self._queue(CallAnsweredAt(call=self.call, answered=now))
        await self.ledger.durable(AttemptRow(call=self.call, n=leg, leg=leg, facts=facts, answered=now, sip_code=200))

    def through(self, way: Way) -> None:
        """The call itself was answered this way."""
        shown = way.caller.uri.user_decoded if isinstance(way.caller.uri, SipUri) else str(way.caller.uri)
        self._queue(CallReached(call=self.call, trunk=way.trunk, caller=shown))

    def tried(self, leg: int, tried: Tried) -> None:
        """A try came to nothing."""
        self._open.discard(leg)
        self._queue(
            AttemptRow(
                call=self.call,
                n=leg,
                leg=leg,
                trunk=tried.way.trunk,
                target=str(tried.way.uri),
                ended=self.now(),
                sip_code=tried.status,
                q850=tried.q850,
                reason=tried.reason or ("transport" if tried.transport_failed else None),
            )
        )

    def left(self, leg: int, cause: Cause) -> None:
        """The call speaks on another leg now, or on none."""
        self._open.discard(leg)
        self._queue(AttemptRow(call=self.call, n=leg, leg=leg, ended=self.now(), reason=cause.value))

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
        self._queue(OutcomeRow(call=self.call, at=self.now(), outcome=outcome, detail=detail))

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
        self._queue(EventRow(call=self.call, at=self.now(), kind=kind, body=body))

    def now(self) -> int:
        """This moment as the ledger writes it: UTC milliseconds."""
        return self.ledger.wall(trio.current_time())

    def _queue(self, row: Row) -> None:
        try:
            self.ledger.queue(row)
        except LedgerBroken as error:
            log().error("ledger.row_lost", call=self.call, row=type(row).__name__, error=str(error))
