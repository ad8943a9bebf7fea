"""The switchboard: admits calls, contains them, counts them, drains them. It outlives every call.

- Admission is synchronous: between an INVITE and its decision nothing else happens, so limits are exact.
- A refused INVITE of a listed trunk is one row; a stranger never gets this far (the endpoint is silent to them).
- One crash is one record with cause crash; a neighbour never notices.
- Writes of tools live here, in a nursery that a call's end does not reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import attrs
import trio

from callactors.actors.messages import CallEnded
from callactors.actors.recorder import Recorder
from callactors.actors.sip_leg import SipLeg
from callactors.calls.call import Call, Mailboxes, Terms
from callactors.calls.contain import contain, contain_now, where
from callactors.calls.line import Line
from callactors.calls.models import ModelLine
from callactors.calls.playbook import Playbook
from callactors.calls.record import CallRecord
from callactors.calls.voice import Cached
from callactors.config import Config
from callactors.errors import LedgerBroken, MalformedDescription, MalformedMessage, NoCommonFormat, PortsExhausted
from callactors.net.media_plane import MediaPlane
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause, sip_code
from callactors.routing.number import Number, without_parameters
from callactors.scenario import models_of, recording_mode
from callactors.sip.events import Invited
from callactors.sip.headers import name_addr
from callactors.sip.uri import SipUri, TelUri, Uri
from callactors.stores.ids import uuid7
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_rows import CallRefused

FAREWELL = 15.0  # seconds the last goodbyes may take
RETRY_AFTER = 5  # seconds, with every 503


class Refused(Exception):
    """Admission said no: why, and the status that says so to the carrier."""

    def __init__(self, cause: Cause, detail: str, status: int | None = None) -> None:
        self.cause, self.detail, self.status = cause, detail, status or sip_code(cause)
        super().__init__(detail)


@attrs.frozen
class Offered:
    """An INVITE as admission sees it."""

    invite: Invited
    caller: str
    called: str


@attrs.define(eq=False)
class Switchboard:
    """Every call of one process."""

    config: Config
    endpoint: SipEndpoint
    plane: MediaPlane
    ledger: Ledger
    playbooks: Mapping[str, Playbook]
    lines: Mapping[str, ModelLine]
    cached: Cached
    tell: Callable[..., None]
    calls: dict[str, Call] = attrs.field(factory=dict, init=False)
    draining: bool = attrs.field(default=False, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)
    _writes: trio.Nursery | None = attrs.field(default=None, init=False)
    _emptied: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the calls and their writes until cancelled."""
        async with trio.open_nursery() as writes, trio.open_nursery() as calls:
            self._writes, self._nursery = writes, calls
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # the endpoint lives a little longer than we do

    # -- admission -----------------------------------------------------------------------------------------------

    def invited(self, invite: Invited) -> None:
        """A new INVITE of a listed trunk: a call, or a refusal with its row. Never raises."""
        offered = Offered(invite, _caller(invite), _user(invite.request.uri))
        refused = contain_now("admission", lambda: self._taken(offered), _not_admitted)
        if refused is not None:
            self._refuse(offered, refused)

    def _taken(self, offered: Offered) -> Refused | None:
        """It rings from here on; or why not."""
        try:
            call = self._admit(offered)
        except Refused as refused:
            return refused
        assert self._nursery is not None  # full() said so otherwise
        self.calls[call.id] = call
        self._nursery.start_soon(self._contained, call)
        return None

    def _admit(self, offered: Offered) -> Call:
        number = self.config.number_for(offered.called, offered.invite.trunk)
        if number is None:
            raise Refused(Cause.NO_ROUTE, f"no entry of numbers serves {offered.called!r}")
        if reason := self.full():
            raise Refused(Cause.OVERLOAD, reason)
        playbook = self.playbooks[number.scenario]
        lines = self._lines(playbook)
        boxes = Mailboxes()
        leg = self._leg(offered.invite, boxes)
        with ExitStack() as undo:
            undo.callback(leg.close_media)
            call = self._connect(offered, number, playbook, lines, leg, boxes)
            undo.pop_all()
        return call

    def _leg(self, invite: Invited, boxes: Mailboxes) -> SipLeg:
        leg = SipLeg(
            number=0,
            session=invite.session,
            trunk=self.config.trunk(invite.trunk),
            endpoint=self.endpoint,
            plane=self.plane,
            advertise=self.config.listen.advertise,
            events=boxes.desk,
            audio=boxes.from_leg,
            tape=boxes.tape,
        )
        if not invite.request.body:
            raise Refused(Cause.BAD_OFFER, "an INVITE without an offer is not supported yet")
        try:
            leg.take(invite.request.body)
        except PortsExhausted as error:
            raise Refused(Cause.OVERLOAD, str(error)) from None
        except (MalformedDescription, NoCommonFormat) as error:
            raise Refused(Cause.BAD_OFFER, str(error)) from None
        return leg

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
        name = uuid7(self.ledger.wall(trio.current_time()))
        trunk = offered.invite.trunk
        record = CallRecord(name, self.ledger)
        call = Call(
            id=name,
            caller=offered.caller,
            playbook=playbook,
            language=number.language or playbook.scenario.language,
            line=Line(boxes.desk, leg),
            boxes=boxes,
            record=record,
            terms=self._terms(name, lines),
            recorder=self._recorder(name, playbook, boxes),
        )
        self.tell("ringing", call=name, caller=offered.caller, called=offered.called, trunk=trunk)
        record.opened(trunk=trunk, scenario=playbook.scenario.scenario, caller=offered.caller, called=offered.called)
        self.endpoint.ring(offered.invite.session)
        record.rang(trunk, leg.facts)
        return call

    def _terms(self, call: str, lines: list[ModelLine]) -> Terms:
        assert self._writes is not None  # run() started before the endpoint did
        return Terms(
            answer=self.config.answer,
            timers=self.config.timers,
            models=lines,
            cached=self.cached,
            writes=self._writes,
            tell=partial(self.tell, call=call),
        )

    def _recorder(self, call: str, playbook: Playbook, boxes: Mailboxes) -> Recorder | None:
        if recording_mode(playbook.scenario, self.config) != "always":
            return None
        return Recorder(Path(self.config.data_dir) / "recordings" / f"{call}.wav", boxes.tape)

    def full(self) -> str:
        """Why no further call is taken; empty when one would be."""
        limit = self.config.limits.calls
        if self.draining or self._nursery is None:
            return "draining"
        if limit is not None and len(self.calls) >= limit:
            return f"limits.calls is {limit}"
        return self.ledger.broken or ""

    def _lines(self, playbook: Playbook) -> list[ModelLine]:
        """The models this call may use, in order: those that have room."""
        lines = [self.lines[name] for name in models_of(playbook.scenario, self.config)]
        free = [line for line in lines if line.concurrent is None or self._speaking(line) < line.concurrent]
        if not free:
            raise Refused(Cause.MODEL_DOWN, "every model has as many callers as it may")
        return free

    def _speaking(self, line: ModelLine) -> int:
        return sum(call.spoken and line in call.terms.models for call in self.calls.values())

    def _refuse(self, offered: Offered, refused: Refused) -> None:
        headers = (("Retry-After", str(RETRY_AFTER)),) if refused.status == 503 else ()
        self.endpoint.reject(offered.invite.session, refused.status, None, headers)
        now = self.ledger.wall(trio.current_time())
        self.tell(
            "refused", cause=refused.cause.value, caller=offered.caller, called=offered.called, why=refused.detail
        )
        row = CallRefused(
            call=uuid7(now),
            at=now,
            cause=refused.cause,
            sip_code=refused.status,
            trunk=offered.invite.trunk,
            caller=offered.caller,
            called=offered.called,
            sip_call_id=offered.invite.request.headers.get("Call-ID"),
            reason=refused.detail,
        )
        try:
            self.ledger.queue(row)
        except LedgerBroken as error:
            self.tell("row_lost", error=str(error))

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
        if not self.calls:
            self._emptied.set()
        if call.recorder is not None and call.recorder.failed:
            call.record.event("recording_failed", error=call.recorder.failed)
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
        )
        self.tell("ended", call=call.id, cause=ended.cause.value, by=ended.by)

    async def drain(self, patience: float) -> None:
        """Take no new call, let the living ones end for `patience` seconds, then say goodbye and hang up."""
        self.draining = True
        await self._wait_empty(patience)
        for call in list(self.calls.values()):
            call.wind_down(Cause.DRAINED, call.conductor.phrases.goodbye)
        await self._wait_empty(FAREWELL)
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def _wait_empty(self, patience: float) -> None:
        if self.calls:
            self._emptied = trio.Event()
            with trio.move_on_after(patience):
                await self._emptied.wait()


def _not_admitted(error: Exception) -> Refused:
    return Refused(Cause.CRASH, f"{type(error).__name__} at {where(error)}")


def _caller(invite: Invited) -> str:
    """The caller as the From header shows them; "" when it cannot be read or is anonymous."""
    try:
        user = _user(name_addr(invite.request.headers.get("From") or "").uri)
    except MalformedMessage:
        return ""
    return "" if user.lower() == "anonymous" else user


def _user(uri: Uri) -> str:
    """The number or name a URI calls; a number without its parameters (`+1312...;npdi`, RFC 3261 section 19.1.6)."""
    if isinstance(uri, SipUri):
        return without_parameters(uri.user_decoded)
    return uri.number if isinstance(uri, TelUri) else ""
