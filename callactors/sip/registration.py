"""A registration of ours at a registrar, sans-IO: what REGISTER says and what its answer means (RFC 3261 section 10.2).

    idle --request--> asking --2xx--> held, until it is time to refresh --request--> asking ...
                             --423--> asked again at once, for longer
                             --else--> failed: the next hop, or later; each round of failures waits longer

One Call-ID for all of them, a CSeq that grows. Times are seconds; `now` and the dice are arguments.
"""

from __future__ import annotations

from random import Random
from typing import Literal

import attrs

from callactors.errors import MalformedMessage
from callactors.sip.headers import Headers, NameAddr, name_addr, name_addrs
from callactors.sip.uri import SipUri, escape_user

REFRESH = 0.75  # of what was granted
SHORTEST = 5.0  # seconds between two refreshes, whatever a registrar grants
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # after every hop has failed
LONGEST_OUTAGE = 30.0  # between two tries of a registrar that is away: it is back at any moment, and calls wait for us
REFUSALS = frozenset({401, 403, 404, 407})  # asking again changes nothing before somebody mends something
LONGEST = 86_400  # no 423 makes us ask for more

State = Literal["idle", "held", "failed", "ended"]


@attrs.define
class Registration:
    """One address-of-record at one registrar."""

    registrar: SipUri
    user: str
    expires: int
    call_id: str
    cseq: int = 0
    state: State = "idle"
    granted: int = 0
    failures: int = 0
    status: int = 0  # the last answer's
    _asked: int = attrs.field(default=0, init=False)

    @property
    def uri(self) -> SipUri:
        """The Request-URI: the domain alone (section 10.2)."""
        return attrs.evolve(self.registrar, user=None, password=None, headers=())

    @property
    def party(self) -> NameAddr:
        """From and To: the address-of-record."""
        return NameAddr("", SipUri("sip", escape_user(self.user), None, self.registrar.host))

    def headers(self, contact: str, expires: int | None = None) -> tuple[tuple[str, str], ...]:
        """Contact and Expires of the next request; `expires` 0 takes it back. Raises MalformedMessage."""
        where = name_addr(contact)
        if isinstance(where.uri, SipUri):
            where = attrs.evolve(where, uri=attrs.evolve(where.uri, user=escape_user(self.user)))
        self._asked = self.expires if expires is None else expires
        return ("Contact", str(where)), ("Expires", str(self._asked))

    def replied(self, status: int, headers: Headers, cseq: int) -> bool:
        """Take an answer; True when the same registrar should be asked again at once (423)."""
        self.cseq, self.status = max(self.cseq, cseq), status
        if 200 <= status < 300:
            self.granted, self.failures = self._granted(headers), 0
            self.state = "held"
            return False
        self.state = "failed"
        if status == 423:
            shortest = _seconds(headers.get("Min-Expires"))
            if shortest is not None and self.expires < shortest <= LONGEST:
                self.expires = shortest
                return True
        return False

    def refresh_in(self) -> float:
        """How long it may be left alone."""
        return max(SHORTEST, self.granted * REFRESH)

    def pause(self, random: Random) -> float:
        """How long to wait after every hop has failed: longer each time, never two of us in step."""
        self.failures += 1
        most = LONGEST_PAUSE if self.status in REFUSALS else LONGEST_OUTAGE
        longest = min(most, FIRST_PAUSE * 2.0 ** min(self.failures - 1, 10))
        return longest * (0.5 + random.random() / 2)

    def _granted(self, headers: Headers) -> int:
        """Our binding's own expiry, else the header's, else what we asked for."""
        for contact in _contacts(headers):
            ours = isinstance(contact.uri, SipUri) and contact.uri.user == escape_user(self.user)
            seconds = _seconds(contact.parameter("expires"))
            if ours and seconds is not None:
                return seconds
        seconds = _seconds(headers.get("Expires"))
        return self._asked if seconds is None else seconds


def _contacts(headers: Headers) -> tuple[NameAddr, ...]:
    try:
        return name_addrs(headers, "Contact")
    except MalformedMessage:
        return ()


def _seconds(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
