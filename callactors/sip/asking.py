"""Requests of ours outside any call: REGISTER, OPTIONS (RFC 3261 sections 10.2 and 11.1). One question, one answer.

A challenge is answered as in a call (sip/login.py); the answer counts up the CSeq, and Replied tells where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from callactors.sip.address import Hop
from callactors.sip.core import ALLOW, Core, Machine
from callactors.sip.events import Gone, Replied
from callactors.sip.headers import Headers, NameAddr
from callactors.sip.login import ANSWERS, Login
from callactors.sip.message import Request, Response
from callactors.sip.uri import SipUri


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What `ask` asks, and of whom. `call_id` is empty for a fresh one."""

    method: str
    uri: SipUri
    to: Hop
    trunk: str
    caller: NameAddr
    callee: NameAddr
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    call_id: str = ""
    cseq: int = 1


class Asking:
    """One question under way. Raises UnsafeText when something of it may not be written."""

    def __init__(
        self,
        core: Core,
        question: Question,
        now: float,
        *,
        login: Login | None,
        forget: Callable[[Asking], None],
    ) -> None:
        self.number, self._core, self._question = core.number(), core, question
        self._login, self._forget, self._tried = login, forget, dict[str, int]()
        self._call_id, self._cseq = question.call_id or core.call_id(), question.cseq - 1
        self._machine: Machine
        self._tag = core.tag()
        self._start(now)

    @property
    def trunk(self) -> str:
        return self._question.trunk

    @property
    def host(self) -> str:
        return self._question.to.host

    def finish(self, now: float) -> None:
        """The answer does not matter any more."""
        self._machine.abandon()
        self._over(None)

    def _start(self, now: float) -> None:
        self._cseq += 1
        asked = self._question
        self._machine = self._core.request_other(
            self._request(),
            asked.to,
            asked.trunk,
            now,
            self._got,
            lambda now: self._failed(408),
            lambda now: self._failed(503, unreachable=True),
        )

    def _request(self) -> Request:
        asked, core = self._question, self._core
        items: Iterable[tuple[str, str]] = [
            ("Via", core.via(core.branch(), asked.to)),
            ("Max-Forwards", "70"),
            ("From", str(asked.caller.with_tag(self._tag))),
            ("To", str(asked.callee)),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} {asked.method}"),
            *asked.headers,
            ("Allow", ALLOW),
            ("User-Agent", core.user_agent),
            *(self._login.headers(asked.method, asked.uri, core.random) if self._login is not None else ()),
        ]
        return Request(asked.method, asked.uri, Headers(tuple(items)), asked.body)

    def _got(self, response: Response, now: float) -> None:
        again = response.status in ANSWERS and self._login is not None and self._login.challenged(response, self._tried)
        if again:
            self._start(now)
        else:
            self._over(Replied(self.number, response.status, response.headers, self._cseq))

    def _failed(self, status: int, unreachable: bool = False) -> None:
        self._over(Replied(self.number, status, Headers(), self._cseq, unreachable))

    def _over(self, event: Replied | None) -> None:
        if event is not None:
            self._core.told.append(event)
        self._core.told.append(Gone(self.number))
        self._forget(self)
