"""A session we open: the UAC core of INVITE (RFC 3261 sections 13.2 and 9.1).

    inviting --2xx--> confirmed            --finish--> CANCEL, once a provisional came
             --3xx-6xx, Timer B--> ended   a 2xx that overtakes the CANCEL gets ACK and BYE
A redirect is not followed. A second 2xx of a forked INVITE gets ACK and BYE too.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from callactors.sip.address import Hop
from callactors.sip.client_invite import ClientInvite
from callactors.sip.core import Core, cancellation
from callactors.sip.deadlines import LIFETIME, Timer
from callactors.sip.dialog import Dialog
from callactors.sip.events import Answered, Failed, Progressed, Trying
from callactors.sip.headers import NameAddr, cseq, name_addr
from callactors.sip.message import Request, Response, to_bytes
from callactors.sip.reason import read_reason
from callactors.sip.session import Session, Terms
from callactors.sip.uri import SipUri

PATIENCE = 180.0  # seconds after the last provisional, as a proxy's Timer C
MAX_FORKS = 8


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
        self._forks: set[str] = set()
        self._ringing = self._cancelled = False
        self._patience: Timer | None = None
        self._invite: Request
        self._machine: ClientInvite

    def start(self, now: float) -> None:
        """Send the INVITE, again after a challenge. Raises UnsafeText when a header of ours may not be written."""
        self.dialog.remote_tag, self.dialog.route_set, self.dialog.remote_target = "", (), self._target
        request = self.build("INVITE", [*self.offer_headers(self._body), *self._extra], self._body)
        request = attrs.evolve(request, headers=request.headers.with_("From", str(self._caller)))
        self._invite, self._ringing = request, False
        self._machine = self.core.request_invite(request, self.peer, self.trunk, now, self._got, self._silent)
        self.keep(self._machine)

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
        elif self.may_retry(response, self._tried) and not self.ended:
            self.start(now)
        else:
            self._failed(response.status, response, now)

    def _progressed(self, response: Response, now: float) -> None:
        fresh, self._ringing = not self._ringing, True
        if self.ended:
            self._cancel(now)
            return
        if response.status == 100 and fresh:
            self.tell(Trying(self.number))
        self._patience = self.core.timers.at(now + PATIENCE, self._too_long)
        if response.status > 100:
            if not self.dialog.remote_tag and name_addr(response.headers.get("To") or "").tag:
                self.dialog.join(response)
            news = response.status, response.body
            if news not in self._progress and len(self._progress) < 32:
                self._progress.add(news)
                self.tell(Progressed(self.number, *news))

    def _answered(self, response: Response, now: float) -> None:
        tag = name_addr(response.headers.get("To") or "").tag or ""
        if self.confirmed:
            if tag == self.dialog.remote_tag:
                self.acknowledge(self._invite)
            else:
                self._drop_fork(tag, response, now)
            return
        self.dialog.join(response)
        self.confirmed = True
        self.acknowledge(self._invite)
        if self.ended:
            self.bye(now)
        else:
            self.tell(Answered(self.number, response.body))

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
        self._failed(408, None, now)

    def _failed(self, status: int, response: Response | None, now: float) -> None:
        q850 = read_reason(response.headers)[0] if response is not None else None
        self.end(Failed(self.number, status, q850, response.reason if response is not None else ""), now)

    def _too_long(self, now: float) -> None:
        """It rings and rings."""
        if not self.confirmed and not self.ended:
            self._failed(408, None, now)
            self._cancel(now)

    def _cancel(self, now: float) -> None:
        """CANCEL, once, and only after a provisional (section 9.1)."""
        if self._ringing and not self._cancelled and self._machine.state == "proceeding":
            self._cancelled = True
            self._machine.give_up_at(now + LIFETIME)
            request = cancellation(self._invite, self.farewell)
            machine = self.core.request_other(request, self.peer, self.trunk, now, lambda r, n: None, lambda n: None)
            self.keep(machine)
