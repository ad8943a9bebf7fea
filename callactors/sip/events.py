"""What an Endpoint tells its user. Rules:

- Every event names its session: one INVITE usage, inbound or outbound, by the endpoint's own int.
- No event is repeated by a retransmission.
- A session ends with exactly one of Cancelled, Failed, HungUp or NoAck, or none if `finish()` came first;
  `Gone` is always the last: the table has forgotten it.
"""

from __future__ import annotations

import msgspec

from callactors.sip.address import Hop
from callactors.sip.message import Request
from callactors.sip.uri import Uri


class Event(msgspec.Struct, frozen=True):
    """Something happened on one session."""

    session: int


class Invited(Event, frozen=True):
    """A new INVITE from a listed source; 100 Trying has left. Answer with ring, answer, reject or finish."""

    trunk: str
    source: Hop
    request: Request


class Acked(Event, frozen=True):
    """The ACK for our 2xx; `body` is the peer's answer when we offered. For a re-INVITE only when there is a body."""

    body: bytes


class NoAck(Event, frozen=True):
    """64*T1 passed without an ACK for our 2xx; the BYE has left (RFC 3261 section 13.3.1.4)."""


class Cancelled(Event, frozen=True):
    """CANCEL before our answer; 200 and 487 have left."""

    q850: int | None = None
    text: str | None = None


class Progressed(Event, frozen=True):
    """A provisional response above 100 to our INVITE; `body` may be early media's description."""

    status: int
    body: bytes


class Answered(Event, frozen=True):
    """A 2xx to our INVITE; the ACK has left."""

    body: bytes


class Failed(Event, frozen=True):
    """Our INVITE will not be answered; 408 when nobody answered at all (Timer B)."""

    status: int
    q850: int | None
    reason: str


class Reoffered(Event, frozen=True):
    """A re-INVITE or UPDATE wants an answer by `respond`; an empty body asks us to offer."""

    request_id: int
    body: bytes


class Reanswered(Event, frozen=True):
    """The final answer to our `reinvite`; a refusal leaves the session as it was (RFC 3261 section 14.1)."""

    status: int
    body: bytes


class HungUp(Event, frozen=True):
    """The far end ended it: BYE (with its Reason, RFC 3326), or a 481 that says it knows no such dialog."""

    q850: int | None
    text: str | None


class ReferAnswered(Event, frozen=True):
    """The final answer to our `refer`; 202 means NOTIFYs follow, 408 that none came."""

    status: int


class Notified(Event, frozen=True):
    """A NOTIFY of our REFER: the status line of its sipfrag (None when unreadable) and whether it was the last."""

    status: int | None
    terminated: bool


class ReferReceived(Event, frozen=True):
    """The peer asks us to dial `refer_to` (RFC 3515); answer by `respond`, then `notify`."""

    request_id: int
    refer_to: Uri
    replaces: str | None
    referred_by: str | None


class InfoReceived(Event, frozen=True):
    """An INFO; answer by `respond`."""

    request_id: int
    content_type: str
    body: bytes


class Gone(Event, frozen=True):
    """The table entry is removed; the session's number means nothing from here on."""
