"""Requests inside a dialog (RFC 3261 sections 12.2.2, 14.2, 15.1.2; 3262, 3311, 3515, 6086): one function per method.

What needs the user's word is told and kept pending; the rest is answered here. A dying session still answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from callactors.errors import MalformedMessage
from callactors.sip.address import Hop
from callactors.sip.core import ACCEPT, ALLOW, Served, ServerKey
from callactors.sip.deadlines import LIFETIME
from callactors.sip.events import InfoReceived, Notified, ReferReceived, Reoffered
from callactors.sip.headers import cseq
from callactors.sip.message import Request
from callactors.sip.reason import read_reason
from callactors.sip.screening import SUPPORTED
from callactors.sip.session import Session
from callactors.sip.transfer import event_of, is_terminated, read_refer, read_sipfrag

MAX_PENDING = 8


class Inside:
    """One new request of a session's dialog, and where its answer goes."""

    def __init__(self, session: Session, request: Request, key: ServerKey, source: Hop, to: Hop) -> None:
        self.session, self.request, self._key, self._source, self._to = session, request, key, source, to

    def take(self, now: float) -> None:
        """Judge its order, then do what its method says."""
        if not self.session.dialog.in_order(cseq(self.request.headers).number):
            self.refuse(500)
        elif self.session.crowded and self.request.method != "BYE":
            self.refuse(503, self.later())
        else:
            _METHODS[self.request.method](self, now)

    def refuse(self, status: int, *headers: tuple[str, str]) -> None:
        self.session.core.send_stateless(self.request, self._to, status, *headers)

    def serve(self, now: float) -> Served:
        session = self.session
        served = session.core.serve(self.request, self._key, session.trunk, self._source, self._to, now)
        session.keep(served.machine)
        return served

    def ask(self, now: float) -> int | None:
        """Keep it pending for the user; None when too many are. Unanswered in 64*T1 it gets 500."""
        session = self.session
        if len(session.pending) >= MAX_PENDING:
            self.refuse(500, self.later())
            return None
        request_id = session.core.number()
        session.pending[request_id] = self.serve(now)
        session.core.timers.at(now + LIFETIME - 1, lambda now: session.respond(request_id, 500, now=now))
        return request_id

    def later(self) -> tuple[str, str]:
        return "Retry-After", str(self.session.core.random.randint(0, 10))


def _bye(inside: Inside, now: float) -> None:
    inside.serve(now).respond(200, now)
    inside.session.hung_up(*read_reason(inside.request.headers), now)


def _offer(inside: Inside, now: float) -> None:
    session, request = inside.session, inside.request
    asks = request.method == "INVITE" or bool(request.body)
    status = _untimely(session, request.method, asks)
    if status is not None:
        inside.refuse(status, *([inside.later()] if status == 500 else []))
    elif not asks:
        session.heard(request.headers)
        inside.serve(now).respond(200, now, *session.refreshed_by(request.headers, now))
    elif (request_id := inside.ask(now)) is not None:
        session.heard(request.headers)
        if request.method == "INVITE":
            session.pending[request_id].respond(100, now)
        session.tell(Reoffered(session.number, request_id, request.body, _OFFERS[request.method]))


def _untimely(session: Session, method: str, asks: bool) -> int | None:
    """The refusal of RFC 3261 section 14.2 and RFC 3311 section 5.2; an UPDATE that offers nothing always passes."""
    if session.ended:
        return 481
    if asks and session.inviting:
        return 491
    unanswered = session.waiting and (method == "INVITE" or not session.settled)
    return 500 if asks and (session.offered or unanswered) else None


def _prack(inside: Inside, now: float) -> None:
    session, request = inside.session, inside.request
    offers = None if session.ended else session.pracked(request, now)
    if offers is None:
        inside.refuse(481)
        return
    if not offers:
        inside.serve(now).respond(200, now)
    elif (request_id := inside.ask(now)) is not None:
        session.tell(Reoffered(session.number, request_id, request.body, "PRACK"))
    session.after_prack(now)


def _info(inside: Inside, now: float) -> None:
    session, request = inside.session, inside.request
    if session.ended:
        inside.refuse(481)
    elif (request_id := inside.ask(now)) is not None:
        kind = request.headers.get("Content-Type") or ""
        session.tell(InfoReceived(session.number, request_id, kind, request.body))


def _refer(inside: Inside, now: float) -> None:
    session = inside.session
    if session.ended or not session.confirmed:
        inside.refuse(481)
        return
    try:
        wish = read_refer(inside.request.headers)
    except MalformedMessage as problem:
        inside.refuse(problem.status)
        return
    if (request_id := inside.ask(now)) is not None:
        session.referred(cseq(inside.request.headers).number, wish.subscribe)
        session.tell(
            ReferReceived(session.number, request_id, wish.uri, wish.replaces, wish.referred_by, wish.subscribe)
        )


def _notify(inside: Inside, now: float) -> None:
    session, request = inside.session, inside.request
    package, number = event_of(request.headers)
    if package != "refer":
        inside.refuse(489, ("Allow-Events", "refer"))
    elif not session.subscriptions or (number is not None and number not in session.subscriptions):
        inside.refuse(481)
    else:
        inside.serve(now).respond(200, now)
        last = is_terminated(request.headers)
        of = number if number is not None else min(session.subscriptions, key=int)  # unnumbered: the first REFER's
        if of == max(session.subscriptions, key=int):  # a late word about an earlier REFER is not about this one
            session.tell(Notified(session.number, read_sipfrag(request.body), last))
        if last:
            session.subscriptions.discard(of)


def _options(inside: Inside, now: float) -> None:
    inside.refuse(200, ("Allow", ALLOW), ("Accept", ACCEPT), ("Supported", ", ".join(SUPPORTED)))


_OFFERS: dict[str, Literal["INVITE", "UPDATE"]] = {"INVITE": "INVITE", "UPDATE": "UPDATE"}
_METHODS: dict[str, Callable[[Inside, float], None]] = {
    "BYE": _bye,
    "INVITE": _offer,
    "UPDATE": _offer,
    "PRACK": _prack,
    "INFO": _info,
    "REFER": _refer,
    "NOTIFY": _notify,
    "OPTIONS": _options,
}
