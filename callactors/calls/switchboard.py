"""The switchboard: has calls admitted, contains them, counts them, drains them. It outlives every call.

- One crash is one record with cause crash; a neighbour never notices.
- Writes of tools live here, in a nursery that a call's end does not reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs
import trio

from callactors.actors.messages import CallEnded
from callactors.calls.admission import Admission, Brief
from callactors.calls.announcement import Announcement
from callactors.calls.archive import Archive
from callactors.calls.call import Call
from callactors.calls.contain import contain, where
from callactors.calls.dialer import Dialer
from callactors.calls.emergency import EmergencyCall
from callactors.calls.making import Making
from callactors.calls.models import ModelLine
from callactors.calls.money import DAY, Purse
from callactors.calls.offered import Vouched
from callactors.calls.outbound import Outbound
from callactors.calls.outside import Outside
from callactors.calls.playbook import Playbook
from callactors.calls.room import Load, Room
from callactors.calls.seats import Alone
from callactors.calls.voice import Cached
from callactors.config import Config
from callactors.errors import LedgerBroken
from callactors.meters.pulse import Vitals
from callactors.net.media_plane import MediaPlane
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause
from callactors.routing.rules import Order
from callactors.sip.events import Invited
from callactors.stores.ledger_writer import LedgerWriter

FAREWELL = 15.0  # seconds the last goodbyes may take


@attrs.define(eq=False)
class Switchboard:
    """Every call of one process."""

    config: Config
    endpoint: SipEndpoint
    plane: MediaPlane
    ledger: LedgerWriter
    playbooks: Mapping[str, Playbook]
    lines: Mapping[str, ModelLine]
    cached: Cached
    tell: Callable[..., None]
    dialer: Dialer
    location: str = ""  # PIDF-LO of this house, for calls for help
    vitals: Callable[[], Vitals] = Vitals  # how the process does
    seats: Alone = attrs.field(factory=Alone)  # what other processes of this house have
    calls: dict[str, Call] = attrs.field(factory=dict, init=False)
    briefs: set[Brief] = attrs.field(factory=set, init=False)  # calls for help, and callers being turned away
    draining: bool = attrs.field(default=False, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _writes: trio.Nursery | None = attrs.field(default=None, init=False)
    _begun: int = attrs.field(default=0, init=False)  # calls, since the start
    _one_less: trio.Event = attrs.field(factory=trio.Event, init=False)
    room: Room = attrs.field(init=False)
    purse: Purse = attrs.field(init=False)
    archive: Archive = attrs.field(init=False)
    making: Making = attrs.field(init=False)
    _admission: Admission = attrs.field(init=False)
    _outbound: Outbound = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.room = Room.of(self.config.limits, self.config.listen.rtp)
        self.archive = Archive(self.config, self.ledger)
        self.purse = Purse.of(self.config, self.seats.spent)
        self.making = Making(
            self.config,
            self.endpoint,
            self.plane,
            self.ledger,
            self.playbooks,
            self.lines,
            self.cached,
            self.tell,
            self._open_writes,
            Outside(self.dialer, self.config, self.endpoint, self.plane),
            self.purse,
            self.archive,
            self.location,
        )
        self._admission = Admission(self.making, self.full, self._speaking, self.calls, self._told, self._open)
        self._outbound = Outbound(self.making, self.full, self._speaking)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the calls and their writes until cancelled."""
        await self._count_money()
        async with self.archive.open(), trio.open_nursery() as writes, trio.open_nursery() as calls:
            self._writes, self._nursery = writes, calls
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # the endpoint lives a little longer than we do

    async def _count_money(self) -> None:
        """What was spent today before we began: a cap that a restart forgets is none."""
        now = self.ledger.wall(trio.current_time())
        if (known := self.seats.own_spent(now)) is not None:
            self.purse.spend(known, now)
            return
        try:
            self.purse.spend(await self.ledger.usd_since(now - now % DAY), now)
        except LedgerBroken as error:
            self.tell("money_unknown", error=str(error))

    # -- admission -----------------------------------------------------------------------------------------------

    def invited(self, invite: Invited, vouched: Vouched | None = None) -> None:
        """A new INVITE of a listed trunk: a call, or a refusal with its row. Never raises."""
        with self.seats.deciding():
            self.seats.note_decision()
            decided = self._admission.decide(invite, vouched)
            if isinstance(decided, Call):
                self._begin(decided)
            elif decided is not None:
                self._begin_brief(decided)

    async def place(self, order: Order) -> Call:
        """A call of ours: it dials from here on. Raises NotPlaced, with its record; ConfigError for a bad list."""
        return await self._outbound.place(order, self._begin)

    def _begin(self, call: Call) -> None:
        assert self._nursery is not None  # full() said so otherwise
        self.calls[call.id] = call
        self._begun += 1
        self._nursery.start_soon(self._contained, call)

    def _begin_brief(self, brief: Brief) -> None:
        assert self._nursery is not None
        self.briefs.add(brief)
        self._nursery.start_soon(self._brief, brief)

    def _open(self) -> bool:
        return self._nursery is not None

    def _told(self) -> int:
        return sum(isinstance(brief, Announcement) for brief in self.briefs)

    def full(self) -> str:
        """Why no further call is taken; empty when one would be."""
        if self.draining or self._nursery is None:
            return "draining"
        if self.ledger.broken:
            return f"ledger: {self.ledger.broken}"
        return self.room.full(self.load())

    def load(self) -> Load:
        """What the room goes by."""
        now = self.vitals()
        return Load(
            calls=len(self.calls),
            elsewhere=self.seats.calls(),
            free_ports=self.plane.statistics().free_ports,
            lag=now.lag,
            cpu=now.cpu,
            descriptors=now.descriptors,
            descriptor_limit=now.descriptor_limit,
            sample=now.sample,
            begun=self._begun,
        )

    def _speaking(self, line: ModelLine) -> int:
        return sum(call.spoken and line in call.terms.models for call in self.calls.values())

    def _open_writes(self) -> trio.Nursery:
        assert self._writes is not None  # run() started before the endpoint did
        return self._writes

    # -- life --------------------------------------------------------------------------------------------------------

    async def _contained(self, call: Call) -> None:
        """Run it; whatever happens, its record is closed and its place is free again."""
        ended: CallEnded | None = None
        try:
            ended = await contain("call", call.run, partial(self._crashed, call))
        finally:
            self._close(call, ended or call.decided or self._cut_short())

    def _cut_short(self) -> CallEnded:
        """A call whose nursery was cancelled under it: by the end of a drain, or by the end of the process."""
        cause = Cause.DRAINED if self.draining else Cause.DESK_CLOSED
        return CallEnded(at=trio.current_time(), cause=cause, by="us")

    def _crashed(self, call: Call, error: Exception) -> CallEnded:
        call.record.event("crashed", error=repr(error)[:500], at=where(error))
        return CallEnded(at=trio.current_time(), cause=Cause.CRASH, by="us")

    def _close(self, call: Call, ended: CallEnded) -> None:
        del self.calls[call.id]
        self._note_end()
        if dropped := call.boxes.dropped():
            call.record.event("mailbox_dropped", **dropped)
        for leg in call.line.legs:
            for quality in leg.quality:
                call.record.quality(leg.number, quality)
        last = call.conductor.leg_ended
        code = last.sip_code if last is not None and last.sip_code is not None else call.line.status
        call.record.closed(
            ended.cause,
            ended.by,
            answered=call.line.status == 200,
            sip_code=code,
            q850=last.q850 if last is not None else None,
            leg=call.line.number,
            usd=call.terms.meter.closed(trio.current_time(), call.record.now()),
        )
        call.disband()
        self.tell("ended", call=call.id, cause=ended.cause.value, by=ended.by)

    async def _brief(self, brief: Brief) -> None:
        """A call of few words; its record is its own to close."""

        def crashed(error: Exception) -> None:
            brief.record.event("crashed", error=repr(error)[:500], at=where(error))

        try:
            await contain("call", brief.run, crashed)
        finally:
            self.briefs.discard(brief)
            self._note_end()
            self.tell("ended", call=brief.record.call, cause=brief.cause.value, by=brief.by)

    def _note_end(self) -> None:
        self.seats.publish()
        self._one_less.set()
        self._one_less = trio.Event()

    async def drain(self, patience: float) -> None:
        """Take no new call, let the living ones end for `patience` seconds, then say goodbye and hang up.

        A call for help is still taken, and waited for as long as any call may last.
        """
        self.draining, timers = True, self.config.timers
        await self._wait_empty(patience)
        for call in list(self.calls.values()):
            call.wind_down(Cause.DRAINED, call.conductor.phrases.goodbye)
        await self._wait_empty(FAREWELL)
        await self._wait_until(lambda: not any(isinstance(b, EmergencyCall) for b in self.briefs), timers.call_max)
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def _wait_empty(self, patience: float) -> None:
        await self._wait_until(lambda: not self.calls and not self.briefs, patience)

    async def _wait_until(self, done: Callable[[], bool], patience: float) -> None:
        """Until that holds; it is asked whenever a call has ended."""
        with trio.move_on_after(patience):
            while not done():
                await self._one_less.wait()
