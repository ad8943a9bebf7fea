"""What an Endpoint tells its user. Rules:

- Every event names its session: one INVITE usage, inbound or outbound, by the endpoint's own int.
- No event is repeated by a retransmission.
- A session ends with exactly one of Cancelled, Failed, HungUp, NoAck, Expired or Replied, or none if `finish()` came
  first; `Gone` is always the last: the table has forgotten it.
- A body is a description (SDP). `offers` says that it is an offer, to be answered by `answer_offer`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from callactors.sip.address import Hop
from callactors.sip.headers import Headers
from callactors.sip.message import Request
from callactors.sip.uri import Uri


class Event(msgspec.Struct, frozen=True):
    """Something happened on one session."""

    session: int


class Invited(Event, frozen=True):
    """A new INVITE of a trunk's; 100 Trying has left. Answer with ring, answer, reject or finish.

    `replaces` is the session of ours that its Replaces names (RFC 3891): once this one is answered, finish that one.
    """

    trunk: str
    source: Hop
    request: Request
    replaces: int | None = None


class Acked(Event, frozen=True):
    """The ACK for our 2xx; `body` is the peer's answer when we offered. For a re-INVITE only when there is a body."""

    body: bytes


class Pracked(Event, frozen=True):
    """The PRACK of our reliable provisional response (RFC 3262); `body` is the peer's answer when that one offered.

    `released`: our 200 has waited for it, and leaves.
    """

    body: bytes
    released: bool = False


class NoAck(Event, frozen=True):
    """64*T1 passed without an ACK for our 2xx (RFC 3261 section 13.3.1.4), or a PRACK; BYE, or 504, has left."""


class Expired(Event, frozen=True):
    """Nobody refreshed the session in time (RFC 4028 section 10); the BYE has left."""


class Cancelled(Event, frozen=True):
    """CANCEL before our answer; 200 and 487 have left."""

    q850: int | None = None
    text: str | None = None


class Trying(Event, frozen=True):
    """100 came as the first response to our INVITE: somebody is there. Told once a try."""


class Progressed(Event, frozen=True):
    """A provisional response above 100 to our INVITE; `body` may be early media's description.

    A reliable one has had its PRACK (RFC 3262), unless it `offers`: then the PRACK waits for `answer_offer`.
    """

    status: int
    body: bytes
    reliable: bool = False
    offers: bool = False


class Answered(Event, frozen=True):
    """A 2xx to our INVITE; the ACK has left, unless it `offers`: then the ACK waits for `answer_offer`."""

    body: bytes
    offers: bool = False


class Failed(Event, frozen=True):
    """Our INVITE will not be answered.

    408 when nobody answered at all (Timer B), 503 with `unreachable` when the transport failed.
    `reason` is the status line's; `q850` and `reason_text` are the Reason header's (RFC 3326). `contacts` are a
    redirect's URIs, as text; `retry_after` is seconds.
    """

    status: int
    q850: int | None
    reason: str
    reason_text: str | None = None
    contacts: tuple[str, ...] = ()
    retry_after: int | None = None
    unreachable: bool = False


class Reoffered(Event, frozen=True):
    """A re-INVITE, UPDATE or PRACK wants an answer by `respond`, maybe before the call's; no body asks us to offer."""

    request_id: int
    body: bytes
    method: Literal["INVITE", "UPDATE", "PRACK"] = "INVITE"


class Reanswered(Event, frozen=True):
    """The final answer to our `reinvite` or `update`; a refusal leaves the session as it was (RFC 3261, 14.1)."""

    status: int
    body: bytes
    offers: bool = False


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
    """The peer asks us to dial `refer_to` (RFC 3515); answer by `respond`, then `notify` if it wants to `subscribe`.

    `replaces` is the header's text, unescaped (see sip/replaces.py). Without `subscribe` (Refer-Sub: false, RFC 4488)
    `notify` sends nothing.
    """

    request_id: int
    refer_to: Uri
    replaces: str | None
    referred_by: str | None
    subscribe: bool = True


class InfoReceived(Event, frozen=True):
    """An INFO; answer by `respond`."""

    request_id: int
    content_type: str
    body: bytes


class Replied(Event, frozen=True):
    """The final answer to our `ask`; 408 when none came, 503 with `unreachable` when the transport failed.

    `cseq` is the last number used, challenges included: a refresh that keeps the Call-ID starts above it.
    """

    status: int
    headers: Headers
    cseq: int
    unreachable: bool = False


class Gone(Event, frozen=True):
    """The table entry is removed; the session's number means nothing from here on."""
