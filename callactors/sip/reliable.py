"""Reliable provisional responses (RFC 3262): RSeq and RAck, and the server's side of their delivery.

- One at a time: the next leaves when the one before has its PRACK. Each is repeated at doubling gaps until then,
  whatever the transport; without one in 64*T1 the INVITE has failed.
"""

from __future__ import annotations

from collections import deque

import msgspec

from callactors.errors import MalformedMessage
from callactors.sip.core import Core, Served
from callactors.sip.deadlines import LIFETIME, Action, Repeater, Timer, nothing
from callactors.sip.headers import Headers, cseq, tokens
from callactors.sip.scan import WHITE

OPTION = "100rel"
MAX_WAITING = 8
LAST_FIRST_RSEQ = 2**31 - 2**16  # so that none of a call's is too large


class RAck(msgspec.Struct, frozen=True):
    """Which response a PRACK is for."""

    rseq: int
    cseq: int
    method: str


class ReliableResponses:
    """What one received INVITE has been told provisionally, and must hear."""

    def __init__(self, core: Core, served: Served, tag: str, failed: Action) -> None:
        self._core, self._served, self._tag, self._failed = core, served, tag, failed
        self._rseq = core.random.randint(1, LAST_FIRST_RSEQ)
        self._waiting: deque[tuple[int, list[tuple[str, str]], bytes]] = deque()
        self._current: tuple[Repeater, Timer] | None = None
        self._body = b""

    @property
    def pending(self) -> bool:
        """Whether one is on its way."""
        return self._current is not None

    @property
    def more(self) -> bool:
        """Whether others wait for the one on its way."""
        return bool(self._waiting)

    def send(self, status: int, headers: list[tuple[str, str]], body: bytes, now: float) -> None:
        """This one next."""
        if self.pending:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append((status, headers, body))
            return
        self._rseq += 1
        items = [*headers, ("Require", OPTION), ("RSeq", str(self._rseq))]
        data = self._served.respond(status, now, *items, tag=self._tag, body=body)
        self._body = body
        repeater = Repeater(self._core.timers, now, lambda: self._served.transmit(data), cap=LIFETIME)
        self._current = repeater, self._core.timers.at(now + LIFETIME, self._give_up)

    def acknowledged(self, headers: Headers, now: float) -> bytes | None:
        """The body of the response that this PRACK is for, or None; the next one leaves."""
        number = cseq(self._served.request.headers).number
        if not self.pending or read_rack(headers) != RAck(self._rseq, number, "INVITE"):
            return None
        self._stop()
        return self._body

    def next(self, now: float) -> None:
        """Send what has waited for the PRACK."""
        if self._waiting and not self.pending:
            self.send(*self._waiting.popleft(), now)

    def stop(self) -> None:
        """The INVITE has its final response."""
        self._waiting.clear()
        self._stop()

    def close(self) -> None:
        """The session is over: nobody is told of anything."""
        self.stop()
        self._failed = nothing

    def _stop(self) -> None:
        if self._current is not None:
            repeater, timer = self._current
            repeater.stop()
            timer.cancel()
        self._current = None

    def _give_up(self, now: float) -> None:
        self.stop()
        self._failed(now)


def read_rack(headers: Headers) -> RAck | None:
    """The RAck, or None where there is none that can be read."""
    parts = (headers.get("RAck") or "").replace("\t", " ").split()
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts[:2]):
        return None
    return RAck(int(parts[0]), int(parts[1]), parts[2])


def read_rseq(headers: Headers) -> int | None:
    """The RSeq of a response that must have its PRACK; None of any other."""
    text = (headers.get("RSeq") or "").strip(WHITE)
    if not requires(headers) or not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return int(text)


def requires(headers: Headers) -> bool:
    """Whether the message says `Require: 100rel`."""
    return _names(headers, "Require")


def supports(headers: Headers) -> bool:
    """Whether its sender takes reliable provisional responses."""
    return _names(headers, "Require") or _names(headers, "Supported")


def _names(headers: Headers, name: str) -> bool:
    try:
        return OPTION in (tag.lower() for tag in tokens(headers, name))
    except MalformedMessage:
        return False
