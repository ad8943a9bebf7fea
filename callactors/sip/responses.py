"""Building responses and knowing where they go: RFC 3261 sections 8.2.6 and 18.2, RFC 3581.

A response never goes to a Via host that is not the packet's source, whatever the Via or its maddr says.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import attrs

from callactors.errors import MalformedMessage
from callactors.sip.address import Hop
from callactors.sip.headers import Headers, name_addr, vias
from callactors.sip.message import Request, Response

REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 413: "Request Entity Too Large",
    414: "Request-URI Too Long", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief",
    428: "Use Identity Header", 436: "Bad Identity Info", 437: "Unsupported Credential", 438: "Invalid Identity Header",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    489: "Bad Event", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 606: "Not Acceptable",
}  # fmt: skip

_COPIED = ("From", "Call-ID", "CSeq")


def note_source(request: Request, source: Hop) -> Request:
    """The request with `received` and `rport` filled into its top Via (RFC 3581 section 4)."""
    top, *below = vias(request.headers)
    if top.wants_rport:
        top = top.with_parameter("rport", str(source.port))
    if top.wants_rport or top.host != source.host:
        top = top.with_parameter("received", source.host)
    return attrs.evolve(request, headers=request.headers.with_("Via", str(top), *map(str, below)))


def destination(request: Request, source: Hop, policy: str) -> Hop:
    """Where responses to `request` go; `policy` is the trunk's: "rfc3581" or "source"."""
    top = vias(request.headers)[0]
    if source.reliable:  # the connection it came by; when that is gone, a new one to the sent-by port (18.2.2)
        return source._replace(port=top.port or (5061 if source.transport == "tls" else 5060))
    if policy == "source" or top.wants_rport:
        return source
    return source._replace(port=top.port or 5060)


def response(
    request: Request,
    status: int,
    *,
    tag: str,
    reason: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """The response to `request`; `tag` goes into a To that has none, except on 100."""
    got = request.headers
    items = [("Via", value) for value in got.all("Via")]
    items += [(name, value) for name in _COPIED for value in got.all(name)[:1]]
    items += [("To", _tagged(to, tag if status > 100 else "")) for to in got.all("To")[:1]]
    if request.method == "INVITE" and 100 < status < 300:
        items += [("Record-Route", value) for value in got.all("Record-Route")]
    items += headers
    return Response(status, reason or REASONS.get(status, "Unknown"), Headers(tuple(items)), body)


def stateless_tag(node: str, request: Request) -> str:
    """A To tag that a retransmission gets again without anything being remembered (section 8.2.7)."""
    seed = "\n".join(v for name in ("Via", "Call-ID", "CSeq", "From") for v in request.headers.all(name)[:1])
    return f"{node}-{zlib.crc32(seed.encode('utf-8', 'surrogateescape')):08x}"


def _tagged(to: str, tag: str) -> str:
    """The peer's own text with our tag behind it: whatever its form, what follows a `;` at the end is the header's."""
    return to if not tag or _has_tag(to) else f"{to};tag={tag}"


def _has_tag(to: str) -> bool:
    if "tag" not in to.lower():
        return False
    try:
        return name_addr(to).tag is not None
    except MalformedMessage:
        return True
