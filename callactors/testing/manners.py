"""How a far end behaves: data for a UserAgent, so that a nasty carrier and a polite phone are the same program."""

from __future__ import annotations

from typing import Literal

import attrs

from callactors.sdp.crypto import Policy
from callactors.sip.headers import cseq
from callactors.sip.message import Request, Response
from callactors.sip.transfer import is_terminated, read_sipfrag


@attrs.frozen
class Manners:
    """What a user agent does with a call that comes in, when asked to transfer, and with its media.

    `invite`: "ring" rings and hands the call to `next_call`; "silence" says nothing at all, to anybody; "trying" stops
    at 100; a number is the final answer, at once or after `rings` seconds of 180 (200 picks up). `reason` is the Reason
    header of such a refusal (RFC 3326), `retry_after` its Retry-After. `early` sends 183 with a description in place of
    180, and its media runs from then on. Without `rtp` it sends no packet, ever.

    `refer` answers a REFER (202 accepts). `final` is the status of the last NOTIFY: "outcome" dials the target and
    reports what came of it, a number reports that without dialling, None sends none. `hold` puts the referrer on hold
    while the REFER is pending. `bye_for_notify` hangs up in place of the last NOTIFY. `moves_after` is the number of
    seconds after the answer at which RTP moves to another port unannounced. `srtp` is a policy as trunks have it.
    """

    invite: Literal["ring", "silence", "trying"] | int = "ring"
    rings: float | None = None
    reason: str | None = None
    retry_after: int | None = None
    early: bool = False
    rtp: bool = True
    refer: int = 202
    final: Literal["outcome"] | int | None = "outcome"
    hold: bool = False
    bye_for_notify: bool = False
    moves_after: float | None = None
    srtp: Policy = "off"


@attrs.frozen
class Logged:
    """One SIP message on the wire; `out` is ours."""

    at: float
    out: bool
    message: Request | Response


@attrs.frozen
class Notify:
    """A NOTIFY as it left us, and the status it was answered with (None: not yet)."""

    status: int | None
    terminated: bool
    answered: int | None


def notifies(log: list[Logged]) -> list[Notify]:
    """Every NOTIFY a user agent sent, once each, with its answer, from its message log."""
    answers = {
        (entry.message.headers.get("Call-ID"), cseq(entry.message.headers).number): entry.message.status
        for entry in log
        if not entry.out and isinstance(entry.message, Response) and cseq(entry.message.headers).method == "NOTIFY"
    }
    found: dict[tuple[str | None, int], Notify] = {}
    for entry in log:
        request = entry.message
        if entry.out and isinstance(request, Request) and request.method == "NOTIFY":
            key = (request.headers.get("Call-ID"), cseq(request.headers).number)
            found[key] = Notify(read_sipfrag(request.body), is_terminated(request.headers), answers.get(key))
    return list(found.values())
