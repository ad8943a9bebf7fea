"""Admission: what becomes of an INVITE. A call that rings, or a refusal with its row; never both, never neither.

- It is synchronous: between an INVITE and its decision nothing else happens, so limits are exact.
- A refused INVITE of a trunk is one row; a stranger never gets this far (sip/gate.py challenges them, or is silent).
- Every reason to refuse has a cause of its own. There is no default scenario: an unknown number is 404, no_route.
- The order: a call for help before anything, then the Identity its trunk requires, a leg to be replaced, the number,
  room, the trunk's limits, the caller's, the day's money.
- Whom a limit of ours turns away, and who would be welcome otherwise, hears it said (calls/announcement.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from math import inf

import attrs
import trio

from callactors.actors.sip_leg import SipLeg
from callactors.calls.announcement import Announcement
from callactors.calls.call import Call
from callactors.calls.contain import contain_now, where
from callactors.calls.emergency import EmergencyCall
from callactors.calls.line import Line
from callactors.calls.making import Making, Refused
from callactors.calls.models import ModelLine
from callactors.calls.offered import Offered, Vouched
from callactors.calls.playbook import Playbook
from callactors.calls.record import CallRecord
from callactors.calls.replacing import Replacing
from callactors.calls.terms import Mailboxes
from callactors.errors import LedgerBroken, MalformedDescription, NoCommonFormat, PortsExhausted
from callactors.routing.callers import Callers
from callactors.routing.cause import Cause
from callactors.routing.hours import Schedule, at
from callactors.routing.number import Number, Plan
from callactors.routing.trunk import Trunk
from callactors.routing.way import Wanted
from callactors.sip.events import Invited
from callactors.sip.gate import RETRY_AFTER
from callactors.sip.kept import kept
from callactors.sip.multipart import Location
from callactors.stores.ids import uuid7
from callactors.stores.ledger_rows import CallRefused

MOST_TOLD = 20  # callers told at one time that they cannot be taken

Brief = Announcement | EmergencyCall  # what is no conversation, and yet a call


@attrs.define(eq=False)
class Admission:
    """Decides about INVITEs. `full()` is why no call is taken ("" when one would be), `speaking` counts callers.

    `calls` are those that live, `told` is how many are being told why they are not; not `open`: the process has ended.
    """

    making: Making
    full: Callable[[], str]
    speaking: Callable[[ModelLine], int]
    calls: Mapping[str, Call]
    told: Callable[[], int]
    open: Callable[[], bool]
    _plan: Plan = attrs.field(init=False)
    _schedules: Mapping[str, Schedule] = attrs.field(init=False)
    _callers: Callers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        config = self.making.config
        self._plan, self._schedules = config.plan(), config.schedules()
        self._callers = Callers(config.limits.per_caller_minute)

    def decide(self, invite: Invited, vouched: Vouched | None = None) -> Call | Brief | None:
        """A new INVITE of a listed trunk: a call that rings, or one of few words; None when it is dealt with.

        Never raises. What is refused has its row.
        """
        return contain_now("invite", lambda: self._decide(invite, vouched), lambda error: self._broken(invite))

    def _broken(self, invite: Invited) -> None:
        """Not even its refusal could be written."""
        self.making.endpoint.reject(invite.session, 500)

    def _decide(self, invite: Invited, vouched: Vouched | None) -> Call | Brief | None:
        offered = Offered.of(invite, self.making.config.trunk(invite.trunk), vouched)
        decided = contain_now("admission", lambda: self._decided(offered), _not_admitted)
        if isinstance(decided, Refused):
            self._refuse(offered, decided)
            return None
        return decided

    def _decided(self, offered: Offered) -> Call | Brief | Refused | None:
        try:
            return self._admit(offered)
        except Refused as refused:
            return refused

    def _admit(self, offered: Offered) -> Call | Brief | None:
        help_ = self.making.config.emergency_number(offered.dialled, offered.trunk.name)
        if help_ is not None:
            return self._help(offered, help_)
        if (vouched := offered.vouched) is not None and vouched.required and vouched.status:
            raise Refused(Cause.IDENTITY, vouched.problem, vouched.status)
        if offered.invite.replaces is not None:
            self._replace(offered, offered.invite.replaces)
            return None
        number = self._plan.find(offered.called, offered.trunk.name, at(self._today(), self._schedules))
        if number is None:
            raise Refused(Cause.NO_ROUTE, f"no entry of numbers serves {offered.called!r} now")
        if reason := self.full():
            raise Refused(Cause.OVERLOAD, reason)
        self._room_on(offered.trunk)
        unwelcome = self._unwelcome(offered)
        return self._converse(offered, number) if unwelcome is None else self._tell(offered, number, unwelcome)

    def _converse(self, offered: Offered, number: Number) -> Call:
        playbook = self.making.playbooks[number.scenario]
        lines = self.making.models(playbook, self.speaking)
        boxes = Mailboxes()
        leg = self._leg(offered, boxes)
        with ExitStack() as undo:
            undo.callback(leg.close_media)
            call = self._connect(offered, number, playbook, lines, leg, boxes)
            undo.pop_all()
        return call

    # -- limits --------------------------------------------------------------------------------------------------

    def _room_on(self, trunk: Trunk) -> None:
        limits, now = self.making.outside.dialer.limits, trio.current_time()
        wait = limits.wait(trunk.name, now, counted=1)
        if wait == inf:
            raise Refused(Cause.TRUNK_FULL, f"trunks.{trunk.name}.channels is {trunk.channels}")
        if not limits.take(trunk.name, now, counted=1):
            raise Refused(Cause.TRUNK_RATE, f"trunks.{trunk.name}.cps is {trunk.cps:g}")

    def _unwelcome(self, offered: Offered) -> Refused | None:
        """A limit that somebody is told of. Callers without a number count as one, on each trunk."""
        limits = self.making.config.limits
        if not self._callers.take(f"{offered.trunk.name} {offered.caller}", trio.current_time()):
            return Refused(Cause.CALLER_RATE, f"limits.per_caller_minute is {limits.per_caller_minute}")
        if self.making.purse.empty(self._now()):
            return Refused(Cause.DAY_COST, f"limits.usd_per_day is {limits.usd_per_day:g}")
        return None

    def _tell(self, offered: Offered, number: Number, why: Refused) -> Announcement:
        """Answer, say that all lines are busy, hang up; where that cannot be said, refuse."""
        if self.told() >= MOST_TOLD:
            raise why
        scenario = self.making.playbooks[number.scenario].scenario
        leg = self._leg(offered, Mailboxes())
        audio = self.making.cached(scenario.phrases_for(number.language).busy, leg.format)
        if audio is None:
            leg.close_media()
            raise why
        record = self._opened(self._record(), offered, leg, scenario.scenario)
        record.event("turned_away", cause=why.cause.value, why=why.detail)
        return Announcement(leg, record, audio, why.cause)

    # -- calls for help, calls that take over ----------------------------------------------------------------------

    def _help(self, offered: Offered, number: str) -> EmergencyCall:
        """At once, whatever is full or draining; only a process that has ended takes no call for help."""
        if not self.open():
            raise Refused(Cause.OVERLOAD, "the process has ended")
        leg = self._leg(offered, Mailboxes())
        record = self._opened(self._record(), offered, leg, None)
        record.event("emergency", dialled=offered.dialled, number=number)
        self.making.endpoint.ring(offered.invite.session)
        audio = self.making.cached(self._instruction(offered.trunk), leg.format)
        wanted = self._wanted(offered, number, record.call)
        return EmergencyCall(leg, record, number, wanted, self.making.outside, audio)

    def _wanted(self, offered: Offered, number: str, call: str) -> Wanted | None:
        config = self.making.config
        if config.emergency is None:
            return None
        document = offered.location or self.making.location
        place = Location(f"{call}@{config.listen.advertised}", document) if document else None
        return Wanted(purpose="emergency", number=number, caller=offered.caller or None, location=place)

    def _instruction(self, trunk: Trunk) -> str:
        """What the caller is told if nobody can be reached, in the language of this trunk's first number."""
        config, books = self.making.config, self.making.playbooks
        lines = [line for line in config.numbers if line.scenario in books]
        own = next((line for line in lines if line.trunk == trunk.name), next(iter(lines), None))
        return books[own.scenario].scenario.phrases_for(own.language).emergency if own is not None else ""

    def _replace(self, offered: Offered, session: int) -> None:
        """An INVITE that takes the place of a call's leg (RFC 3891): by the same trunk, and into a call that lives."""
        call = next((call for call in self.calls.values() if _speaks_on(call, session, offered.trunk)), None)
        if call is None or call.nursery is None:
            raise Refused(Cause.NO_DIALOG, "there is no call of this trunk that it could replace")
        leg = self._leg(offered, call.boxes, call.next_leg())
        call.spawn(Replacing(call, leg).run)

    # -- making one ------------------------------------------------------------------------------------------------

    def _leg(self, offered: Offered, boxes: Mailboxes, number: int = 0) -> SipLeg:
        leg = SipLeg(
            number=number,
            session=offered.invite.session,
            trunk=offered.trunk,
            endpoint=self.making.endpoint,
            plane=self.making.plane,
            advertise=self.making.config.listen.advertise,
            events=boxes.desk,
            audio=boxes.from_leg,
            tape=boxes.tape,
        )
        try:
            leg.take(offered.offer)
        except PortsExhausted as error:
            raise Refused(Cause.OVERLOAD, str(error)) from None
        except (MalformedDescription, NoCommonFormat) as error:
            raise Refused(Cause.BAD_OFFER, str(error)) from None
        return leg

    def _record(self) -> CallRecord:
        return CallRecord(uuid7(self._now()), self.making.ledger)

    def _opened(self, record: CallRecord, offered: Offered, leg: SipLeg, scenario: str | None) -> CallRecord:
        """The first rows: who calls whom, by which trunk, and what their network says of it."""
        trunk = offered.trunk.name
        self.making.tell("ringing", call=record.call, caller=offered.caller, called=offered.dialled, trunk=trunk)
        record.opened(trunk=trunk, scenario=scenario, caller=offered.caller, called=offered.dialled)
        if headers := kept(offered.invite.request):
            record.event("headers", **headers)
        if offered.vouched is not None:
            record.event("identity", **offered.vouched.facts())
        record.rang(trunk, leg.facts)
        return record

    def _now(self) -> int:
        return self.making.ledger.wall(trio.current_time())

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self._now() / 1000, UTC)

    def _connect(
        self,
        offered: Offered,
        number: Number,
        playbook: Playbook,
        lines: list[ModelLine],
        leg: SipLeg,
        boxes: Mailboxes,
    ) -> Call:
        """Everything one call is made of, and its first rows."""
        record = self._record()
        call = Call(
            id=record.call,
            caller=offered.caller,
            playbook=playbook,
            language=number.language or playbook.scenario.language,
            line=Line(boxes.desk, leg),
            boxes=boxes,
            record=record,
            terms=self.making.terms(record.call, lines),
            recorder=self.making.recorder(record, playbook, boxes),
            outside=self.making.outside,
        )
        self._opened(record, offered, leg, playbook.scenario.scenario)
        leg.progress(offered.trunk.early_media)
        return call

    def _refuse(self, offered: Offered, refused: Refused) -> None:
        headers = (RETRY_AFTER,) if refused.status == 503 else ()
        self.making.endpoint.reject(offered.invite.session, refused.status, None, headers)
        now = self.making.ledger.wall(trio.current_time())
        self.making.tell(
            "refused", cause=refused.cause.value, caller=offered.caller, called=offered.dialled, why=refused.detail
        )
        row = CallRefused(
            call=uuid7(now),
            at=now,
            cause=refused.cause,
            sip_code=refused.status,
            trunk=offered.invite.trunk,
            caller=offered.caller,
            called=offered.dialled,
            sip_call_id=offered.invite.request.headers.get("Call-ID"),
            reason=refused.detail,
        )
        try:
            self.making.ledger.queue(row)
        except LedgerBroken as error:
            self.making.tell("row_lost", error=str(error))


def _not_admitted(error: Exception) -> Refused:
    return Refused(Cause.CRASH, f"{type(error).__name__} at {where(error)}")


def _speaks_on(call: Call, session: int, trunk: Trunk) -> bool:
    leg = call.line.current
    return leg is not None and leg.session == session and leg.trunk.name == trunk.name
