"""A session we open: the UAC core of INVITE (RFC 3261 sections 13.2 and 9.1).

    inviting --2xx--> confirmed            --finish--> CANCEL, once a provisional came
             --3xx-6xx, Timer B--> ended   a 2xx that overtakes the CANCEL gets ACK and BYE
A redirect is not followed. A second 2xx of a forked INVITE gets ACK and BYE too. Reliable provisional responses get
their PRACK, in their order (RFC 3262 section 4), each in the early dialog it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from callactors.sip.address import Hop
from callactors.sip.client_invite import ClientInvite
from callactors.sip.core import ACCEPT, Core, cancellation
from callactors.sip.deadlines import LIFETIME, Timer
from callactors.sip.dialog import Dialog
from callactors.sip.events import Answered, Failed, Progressed, Trying
from callactors.sip.headers import NameAddr, canonical, cseq, name_addr, name_addrs
from callactors.sip.message import Request, Response, to_bytes
from callactors.sip.multipart import SDP, part_of
from callactors.sip.reason import read_reason
from callactors.sip.reliable import OPTION, read_rseq
from callactors.sip.session import Session
from callactors.sip.uri import SipUri
from callactors.sip.usage import Terms

PATIENCE = 180.0  # seconds after the last provisional, as a proxy's Timer C
MAX_FORKS = 8
MAX_CONTACTS = 8
_SECONDS = re.compile(r"[0-9]{1,9}")


@attrs.define
class EarlyDialog:
    """One early dialog, and the last reliable response it has sent."""

    dialog: Dialog
    rseq: int | None = None

    def takes(self, rseq: int) -> bool:
        """Whether this response is the next: not a repeated one, and none before it is missing."""
        if self.rseq is not None and rseq != self.rseq + 1:
            return False
        self.rseq = rseq
        return True


class Outgoing(Session):
    """One INVITE of ours."""

    def __init__(
        self,
        core: Core,
        number: int,
        target: SipUri,
        caller: NameAddr,
        *,
        to: Hop,
        body: bytes,
        headers: Iterable[tuple[str, str]],
        terms: Terms,
    ) -> None:
        target = attrs.evolve(target, headers=())
        dialog = Dialog(core.call_id(), core.tag(), "", str(caller.uri), str(target), target)
        super().__init__(core, number, dialog, to, terms)
        self._caller, self._body, self._extra = caller.with_tag(dialog.local_tag), body, list(headers)
        self._target = target
        self._tried: dict[str, int] = {}
        self._progress: set[tuple[int, bytes]] = set()
        self._early: dict[str, EarlyDialog] = {}  # by their tag
        self._forks: set[str] = set()
        self._ringing = self._cancelled = False
        self._patience: Timer | None = None
        self._invite: Request
        self._machine: ClientInvite

    def start(self, now: float) -> None:
        """Send the INVITE, again after a challenge. Raises UnsafeText when a header of ours may not be written."""
        self.dialog.remote_tag, self.dialog.route_set, self.dialog.remote_target = "", (), self._target
        require = [("Require", OPTION)] if self.policy.reliable == "require" else []
        given = {canonical(name) for name, _ in self._extra}
        usual = [*self.offer_headers(self._body), *require, *self.timer.ask()]
        headers = [*((name, value) for name, value in usual if name not in given), *self._extra]
        request = self.build("INVITE", headers, self._body)
        request = attrs.evolve(request, headers=request.headers.with_("From", str(self._caller)))
        self._invite, self._ringing = request, False
        self.described = part_of(SDP, request.headers.get("Content-Type") or SDP, self._body)
        self._early.clear()
        send = self.core.request_invite
        self._machine = send(request, self.peer, self.trunk, now, self._got, self._silent, self._lost)
        self.keep(self._machine)

    @property
    def inviting(self) -> bool:
        """Until the first offer has its answer theirs has to wait (section 14.2, RFC 3311 section 5.2)."""
        return super().inviting or not (self.confirmed or self.settled)

    @property
    def backoff(self) -> tuple[float, float]:
        return 2.1, 4.0

    def part(self, now: float) -> None:
        if not self.confirmed:
            self._cancel(now)
        super().part(now)

    def _got(self, response: Response, now: float) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if response.status < 200:
            self._progressed(response, now)
        elif response.status < 300:
            self._answered(response, now)
        elif not self.ended and (self.may_retry(response, self._tried) or self.timer.raised(response)):
            self.start(now)
        else:
            self._failed(response, now)

    def _progressed(self, response: Response, now: float) -> None:
        fresh, self._ringing = not self._ringing, True
        if self.ended:
            self._cancel(now)
            return
        if response.status == 100 and fresh:
            self.tell(Trying(self.number))
        self._patience = self.core.timers.at(now + PATIENCE, self._too_long)
        if response.status > 100:
            self._heard(response, now)

    def _heard(self, response: Response, now: float) -> None:
        """A word from beyond the next hop."""
        tag, rseq = name_addr(response.headers.get("To") or "").tag or "", read_rseq(response.headers)
        early = self._early_dialog(tag, response) if tag else None
        self.learn(response.headers)
        if early is not None and rseq is not None and self.policy.reliable != "off":
            if early.takes(rseq):
                self._prack(early, rseq, response, now)
            return
        news = response.status, response.body
        if news not in self._progress and len(self._progress) < 32:
            self._progress.add(news)
            self.tell(Progressed(self.number, *news))

    def _early_dialog(self, tag: str, response: Response) -> EarlyDialog | None:
        """The early dialog of this tag: the first one is ours, until another answers; only so many are kept."""
        early = self._early.get(tag)
        if early is None and len(self._early) < MAX_FORKS:
            dialog = self.dialog if not self._early else attrs.evolve(self.dialog, remote_cseq=None)
            dialog.join(response)
            early = self._early[tag] = EarlyDialog(dialog)
        return early

    def _prack(self, early: EarlyDialog, rseq: int, response: Response, now: float) -> None:
        """PRACK it; if it offers, once we have answered."""
        offers = bool(response.body) and not self._body and not self.settled
        rack = ("RAck", f"{rseq} {cseq(self._invite.headers).number} INVITE")

        def send(body: bytes, now: float) -> None:
            headers = [rack, ("Content-Type", ACCEPT)] if body else [rack]
            self.settled = self.settled or bool(body) or (bool(response.body) and not offers)
            dialog = early.dialog if early.dialog is not self.dialog else None
            self.send("PRACK", now, lambda status, response, now: None, headers=headers, body=body, dialog=dialog)

        if offers:
            self.held = send
        else:
            send(b"", now)
        self.tell(Progressed(self.number, response.status, response.body, reliable=True, offers=offers))

    def _answered(self, response: Response, now: float) -> None:
        tag = name_addr(response.headers.get("To") or "").tag or ""
        if self.confirmed and tag != self.dialog.remote_tag:
            self._drop_fork(tag, response, now)
            return
        first = not self.confirmed
        if first:
            self._join(tag, response, now)
        offers = bool(response.body) and not self._body and not self.settled
        if offers and not self.ended:
            self.acknowledge_later(self._invite)
        else:
            self.acknowledge(self._invite)
        if first and self.ended:
            self.bye(now)
        elif first:
            self.tell(Answered(self.number, response.body, offers=offers))

    def _join(self, tag: str, response: Response, now: float) -> None:
        """This is who answered; an offer of another fork that nobody has answered yet is forgotten."""
        if self.dialog.remote_tag not in ("", tag):
            known, number = self._early.get(tag), self.dialog.local_cseq
            self.dialog = known.dialog if known is not None else attrs.evolve(self.dialog, remote_cseq=None)
            self.dialog.local_cseq = max(number, self.dialog.local_cseq)
            self.settled = False
        self.held = None
        self.dialog.join(response)
        self.learn(response.headers)
        self.confirmed = True
        self.timer.agreed(response.headers, now)

    def _drop_fork(self, tag: str, response: Response, now: float) -> None:
        """Another phone answered the same INVITE: ACK it each time, BYE it once (section 13.2.2.4)."""
        other = attrs.evolve(self.dialog, local_cseq=self.dialog.local_cseq)
        other.join(response)
        to = self.reach(other.next_hop())
        ack = other.request("ACK", self.core.via(self.core.branch(), to), number=cseq(self._invite.headers).number)
        self.core.put(to_bytes(ack), to)
        if tag not in self._forks and len(self._forks) < MAX_FORKS:
            self._forks.add(tag)
            bye = self.authorised(other.request("BYE", self.core.via(self.core.branch(), to)))
            machine = self.core.request_other(bye, to, self.trunk, now, lambda r, n: None, lambda n: None)
            self.keep(machine)

    def _silent(self, now: float) -> None:
        self.end(Failed(self.number, 408, None, ""), now)

    def _lost(self, now: float) -> None:
        self.end(Failed(self.number, 503, None, "", unreachable=True), now)

    def _failed(self, response: Response, now: float) -> None:
        q850, text = read_reason(response.headers)
        failed = Failed(
            self.number, response.status, q850, response.reason, reason_text=text,
            contacts=_contacts(response), retry_after=_retry_after(response),
        )  # fmt: skip
        self.end(failed, now)

    def _too_long(self, now: float) -> None:
        """It rings and rings."""
        if not self.confirmed and not self.ended:
            self._silent(now)
            self._cancel(now)

    def _cancel(self, now: float) -> None:
        """CANCEL, once, and only after a provisional (section 9.1)."""
        if self._ringing and not self._cancelled and self._machine.state == "proceeding":
            self._cancelled = True
            self._machine.give_up_at(now + LIFETIME)
            request = cancellation(self._invite, self.farewell)
            machine = self.core.request_other(request, self.peer, self.trunk, now, lambda r, n: None, lambda n: None)
            self.keep(machine)


def _contacts(response: Response) -> tuple[str, ...]:
    """Where a redirect points, as text, in its order."""
    if not 300 <= response.status < 400:
        return ()
    return tuple(str(contact.uri) for contact in name_addrs(response.headers, "Contact")[:MAX_CONTACTS])


def _retry_after(response: Response) -> int | None:
    """Seconds; a comment or parameters behind them are not looked at (section 20.33)."""
    found = _SECONDS.match(response.headers.get("Retry-After") or "")
    return int(found[0]) if found is not None else None
