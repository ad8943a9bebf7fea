"""Calls we place: an order, the rules it must keep to, and the call that dials. The web's API will come in here too.

- A refused order is a record of its own: one cause a rule, and the sentence that whoever asked is told.
- Rules are asked before anything else is: a number on a do-not-call list costs no model and no trunk.
- The model's session opens while it rings; the agent speaks first.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import attrs
import trio

from callactors.calls.call import Call
from callactors.calls.dialling import Dialling
from callactors.calls.line import NOBODY, Line
from callactors.calls.making import Making, Refused
from callactors.calls.models import ModelLine
from callactors.calls.record import CallRecord
from callactors.calls.rules import read_rules
from callactors.calls.terms import Mailboxes
from callactors.config import Config
from callactors.config.problems import did_you_mean
from callactors.errors import NotPlaced
from callactors.net.offload import in_thread
from callactors.routing.cause import Cause
from callactors.routing.rules import Order, Refusal, Rules, wrong_caller
from callactors.routing.way import Wanted
from callactors.stores.ids import uuid7
from callactors.stores.ledger_writer import LedgerWriter


@attrs.frozen
class Book:
    """Where orders are written down, those that come to nothing too."""

    ledger: LedgerWriter
    tell: Callable[..., None]

    def now(self) -> int:
        return self.ledger.wall(trio.current_time())

    def opened(self, order: Order, called: str) -> CallRecord:
        record = CallRecord(uuid7(self.now()), self.ledger)
        record.opened(
            trunk=order.trunk, scenario=order.scenario, caller=order.caller or "", called=called, direction="outbound"
        )
        if order.reference:
            record.event("ordered", reference=order.reference[:200])
        return record

    def not_placed(self, order: Order, record: CallRecord, refusal: Refusal) -> NotPlaced:
        record.event("not_placed", why=refusal.why)
        record.closed(refusal.cause, "us", answered=False, sip_code=None, q850=None, leg=NOBODY)
        self.tell("not_placed", call=record.call, called=order.number, cause=refusal.cause.value, why=refusal.why)
        return NotPlaced(refusal.cause.value, refusal.why)


async def forbid(order: Order, config: Config, book: Book) -> None:
    """Raise NotPlaced, with its record closed, if a rule forbids the order: nothing need be loaded to know that.

    Raises ConfigError for a bad list.
    """
    rules = await in_thread(read_rules, config, order.trunk)
    number = rules.number(order.number)
    refusal = number if isinstance(number, Refusal) else forbidden(rules, number, book.now())
    if refusal is not None:
        record = book.opened(order, order.number if isinstance(number, Refusal) else number)
        raise book.not_placed(order, record, refusal)


def forbidden(rules: Rules, number: str, now: int) -> Refusal | None:
    """What the rules have against calling `number` now (epoch milliseconds)."""
    return rules.refuse(number, datetime.fromtimestamp(now / 1000, UTC))


@attrs.frozen
class Outbound:
    """Makes calls that dial. `full()` is why no call is placed now ("" when one would be)."""

    making: Making
    full: Callable[[], str]
    speaking: Callable[[ModelLine], int]

    async def place(self, order: Order, begin: Callable[[Call], None]) -> Call:
        """A call that dials, handed to `begin`. Raises NotPlaced, with its record closed; ConfigError for a bad list.

        Nothing happens between the last look at the limits and `begin`.
        """
        rules = await in_thread(read_rules, self.making.config, order.trunk)
        number = rules.number(order.number)
        record = self._book.opened(order, order.number if isinstance(number, Refusal) else number)
        decided = number if isinstance(number, Refusal) else self._decided(order, number, rules, record)
        if isinstance(decided, Refusal):
            raise self._book.not_placed(order, record, decided)
        begin(decided)
        return decided

    @property
    def _book(self) -> Book:
        return Book(self.making.ledger, self.making.tell)

    def _decided(self, order: Order, number: str, rules: Rules, record: CallRecord) -> Call | Refusal:
        refusal = self._refused(order, number, rules)
        if refusal is not None:
            return refusal
        try:
            return self._connect(order, number, record)
        except Refused as refused:
            return Refusal(refused.cause, refused.detail)

    def _refused(self, order: Order, number: str, rules: Rules) -> Refusal | None:
        return (
            self._unknown(order)
            or forbidden(rules, number, self._book.now())
            or self._wrong_caller(order)
            or self._full()
        )

    def _unknown(self, order: Order) -> Refusal | None:
        """Names that nothing bears."""
        books, trunks = self.making.playbooks, self.making.config.trunks
        if order.scenario not in books:
            remedy = did_you_mean(order.scenario, books)
            return Refusal(Cause.NO_ROUTE, f"no scenario {order.scenario!r} is loaded; {remedy}")
        if order.language not in (None, *books[order.scenario].scenario.languages):
            return Refusal(Cause.NO_ROUTE, f"{order.scenario} does not speak {order.language!r}")
        if order.trunk is not None and order.trunk not in trunks:
            return Refusal(Cause.NO_ROUTE, f"there is no trunk {order.trunk!r}; {did_you_mean(order.trunk, trunks)}")
        return None

    def _wrong_caller(self, order: Order) -> Refusal | None:
        """A forced trunk must be allowed to show it; without one, some trunk must, and the dialer takes only those."""
        trunks = self.making.config.trunks
        if order.trunk is not None:
            return wrong_caller(order.caller, trunks[order.trunk].caller_ids, order.trunk)
        ours = tuple(caller for trunk in trunks.values() for caller in trunk.caller_ids)
        return wrong_caller(order.caller, ours, "")

    def _full(self) -> Refusal | None:
        reason = self.full()
        if reason:
            return Refusal(Cause.OVERLOAD, reason)
        if self.making.purse.empty(self._book.now()):
            return Refusal(Cause.DAY_COST, "limits.usd_per_day is spent; a new day begins at midnight UTC")
        return None

    def _connect(self, order: Order, called: str, record: CallRecord) -> Call:
        """Everything the call is made of; its leg comes later. Raises Refused."""
        boxes, playbook = Mailboxes(), self.making.playbooks[order.scenario]
        lines = self.making.models(playbook, self.speaking)
        wanted = Wanted(purpose="outbound", number=called, trunk=order.trunk, caller=order.caller)
        self.making.tell("placing", call=record.call, called=called, scenario=order.scenario)
        return Call(
            id=record.call,
            caller=called,
            playbook=attrs.evolve(playbook, placed=True),
            language=order.language or playbook.scenario.language,
            line=Line(boxes.desk),
            boxes=boxes,
            record=record,
            terms=self.making.terms(record.call, lines),
            recorder=self.making.recorder(record, playbook, boxes),
            outside=self.making.outside,
            dialling=Dialling(wanted, self.making.outside),
        )
