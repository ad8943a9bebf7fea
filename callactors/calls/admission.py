"""Admission: what becomes of an INVITE. A call that rings, or a refusal with its row; never both, never neither.

- It is synchronous: between an INVITE and its decision nothing else happens, so limits are exact.
- A refused INVITE of a listed trunk is one row; a stranger never gets this far (the endpoint is silent to them).
- Every reason to refuse has a cause of its own. There is no default scenario: an unknown number is 404, no_route.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import attrs
import trio

from callactors.actors.recorder import Recorder
from callactors.actors.sip_leg import SipLeg
from callactors.calls.call import Call, Mailboxes, Terms
from callactors.calls.contain import contain_now, where
from callactors.calls.line import Line
from callactors.calls.models import ModelLine
from callactors.calls.outside import Outside
from callactors.calls.playbook import Playbook
from callactors.calls.record import CallRecord
from callactors.calls.voice import Cached
from callactors.config import Config
from callactors.errors import LedgerBroken, MalformedDescription, MalformedMessage, NoCommonFormat, PortsExhausted
from callactors.net.media_plane import MediaPlane
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause, sip_code
from callactors.routing.number import Number, Plan, without_parameters
from callactors.scenario import models_of, recording_mode
from callactors.sip.events import Invited
from callactors.sip.headers import name_addr
from callactors.sip.uri import SipUri, TelUri, Uri
from callactors.stores.ids import uuid7
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_rows import CallRefused

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


@attrs.frozen
class Making:
    """What every call is made with, whoever began it: the process around it."""

    config: Config
    endpoint: SipEndpoint
    plane: MediaPlane
    ledger: Ledger
    playbooks: Mapping[str, Playbook]
    lines: Mapping[str, ModelLine]
    cached: Cached
    tell: Callable[..., None]
    writes: Callable[[], trio.Nursery]
    outside: Outside

    def terms(self, call: str, lines: list[ModelLine]) -> Terms:
        return Terms(
            answer=self.config.answer,
            timers=self.config.timers,
            models=lines,
            cached=self.cached,
            writes=self.writes(),
            tell=partial(self.tell, call=call),
        )

    def recorder(self, call: str, playbook: Playbook, boxes: Mailboxes) -> Recorder | None:
        if recording_mode(playbook.scenario, self.config) != "always":
            return None
        return Recorder(Path(self.config.data_dir) / "recordings" / f"{call}.wav", boxes.tape)

    def models(self, playbook: Playbook, speaking: Callable[[ModelLine], int]) -> list[ModelLine]:
        """The models a call may use, in order: those that have room. Raises Refused when none has."""
        lines = [self.lines[name] for name in models_of(playbook.scenario, self.config)]
        free = [line for line in lines if line.concurrent is None or speaking(line) < line.concurrent]
        if not free:
            raise Refused(Cause.MODEL_DOWN, "every model has as many callers as it may")
        return free


@attrs.define(eq=False)
class Admission:
    """Decides about INVITEs. `full()` is why no call is taken ("" when one would be), `speaking` counts callers."""

    making: Making
    full: Callable[[], str]
    speaking: Callable[[ModelLine], int]
    _plan: Plan = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._plan = self.making.config.plan()

    def decide(self, invite: Invited) -> Call | None:
        """A new INVITE of a listed trunk: a call that rings; or None after a refusal with its row. Never raises."""
        offered = Offered(invite, _caller(invite), _user(invite.request.uri))
        decided = contain_now("admission", lambda: self._decided(offered), _not_admitted)
        if isinstance(decided, Refused):
            self._refuse(offered, decided)
            return None
        return decided

    def _decided(self, offered: Offered) -> Call | Refused:
        try:
            return self._admit(offered)
        except Refused as refused:
            return refused

    def _admit(self, offered: Offered) -> Call:
        number = self._plan.find(offered.called, offered.invite.trunk)
        if number is None:
            raise Refused(Cause.NO_ROUTE, f"no entry of numbers serves {offered.called!r}")
        if reason := self.full():
            raise Refused(Cause.OVERLOAD, reason)
        playbook = self.making.playbooks[number.scenario]
        lines = self.making.models(playbook, self.speaking)
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
            trunk=self.making.config.trunk(invite.trunk),
            endpoint=self.making.endpoint,
            plane=self.making.plane,
            advertise=self.making.config.listen.advertise,
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
        name = uuid7(self.making.ledger.wall(trio.current_time()))
        trunk = offered.invite.trunk
        record = CallRecord(name, self.making.ledger)
        call = Call(
            id=name,
            caller=offered.caller,
            playbook=playbook,
            language=number.language or playbook.scenario.language,
            line=Line(boxes.desk, leg),
            boxes=boxes,
            record=record,
            terms=self.making.terms(name, lines),
            recorder=self.making.recorder(name, playbook, boxes),
            outside=self.making.outside,
        )
        self.making.tell("ringing", call=name, caller=offered.caller, called=offered.called, trunk=trunk)
        record.opened(trunk=trunk, scenario=playbook.scenario.scenario, caller=offered.caller, called=offered.called)
        self.making.endpoint.ring(offered.invite.session)
        record.rang(trunk, leg.facts)
        return call

    def _refuse(self, offered: Offered, refused: Refused) -> None:
        headers = (("Retry-After", str(RETRY_AFTER)),) if refused.status == 503 else ()
        self.making.endpoint.reject(offered.invite.session, refused.status, None, headers)
        now = self.making.ledger.wall(trio.current_time())
        self.making.tell(
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
            self.making.ledger.queue(row)
        except LedgerBroken as error:
            self.making.tell("row_lost", error=str(error))


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
