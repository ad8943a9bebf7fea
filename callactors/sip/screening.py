"""What a request must be before anybody looks at its meaning (RFC 3261 section 8.2): refusals in the RFC's order."""

from __future__ import annotations

import msgspec

from callactors.sip.core import ACCEPT, ALLOW
from callactors.sip.headers import tokens
from callactors.sip.message import Request
from callactors.sip.uri import OpaqueUri

NEEDED = ("From", "To", "Call-ID", "CSeq")
METHODS = frozenset(ALLOW.split(", "))
SUPPORTED: frozenset[str] = frozenset()  # option tags


class Refusal(msgspec.Struct, frozen=True):
    """A status and the headers that explain it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


def incomplete(request: Request) -> bool:
    """Whether a header without which there is no transaction is missing."""
    return any(request.headers.get(name) is None for name in NEEDED)


def refusal(request: Request) -> Refusal | None:
    """Why this request goes no further, or None."""
    if request.method not in METHODS:
        return Refusal(405, (("Allow", ALLOW),))
    if isinstance(request.uri, OpaqueUri) and not str(request.uri).lower().startswith("urn:service:sos"):
        return Refusal(416)
    unknown = [tag for tag in tokens(request.headers, "Require") if tag.lower() not in SUPPORTED]
    if unknown and request.method not in ("ACK", "CANCEL"):
        return Refusal(420, (("Unsupported", ", ".join(unknown[:20])),))
    return _unfit_offer(request) if request.method in ("INVITE", "UPDATE") else None


def _unfit_offer(request: Request) -> Refusal | None:
    headers = request.headers
    if headers.get("Contact") is None or headers.get("Contact") == "*":
        return Refusal(400)
    kind = _media_type(headers.get("Content-Type") or "")
    encoding = (headers.get("Content-Encoding") or "identity").strip().lower()
    if request.body and (kind != ACCEPT or encoding != "identity"):
        return Refusal(415, (("Accept", ACCEPT), ("Accept-Encoding", "identity")))
    ranges = {_media_type(part) for part in tokens(headers, "Accept")}
    if ranges and not ranges & {ACCEPT, "application/*", "*/*"}:
        return Refusal(406)
    return None


def _media_type(text: str) -> str:
    return text.partition(";")[0].replace(" ", "").replace("\t", "").lower()
