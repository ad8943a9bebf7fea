"""What a request must be before anybody looks at its meaning (RFC 3261 section 8.2): refusals in the RFC's order.

A Via of our own below the sender's is a loop, whatever the request has become on its way: we have one number's caller
and callee, and a call that comes back to us is answered by nobody. An INVITE whose hops are used up is refused too,
as by the proxy that a switchboard half is (section 16.3).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callactors.sip.core import ACCEPT, ALLOW
from callactors.sip.headers import tokens, vias
from callactors.sip.message import Request
from callactors.sip.multipart import MIXED
from callactors.sip.policy import Policy
from callactors.sip.session_interval import too_small
from callactors.sip.uri import OpaqueUri

NEEDED = ("From", "To", "Call-ID", "CSeq")
METHODS = frozenset(ALLOW.split(", "))
SUPPORTED = ("100rel", "timer", "replaces", "norefersub")  # option tags


class Refusal(msgspec.Struct, frozen=True):
    """A status and the headers that explain it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


def incomplete(request: Request) -> bool:
    """Whether a header without which there is no transaction is missing."""
    return any(request.headers.get(name) is None for name in NEEDED)


def refusal(request: Request, policy: Policy, is_ours: Callable[[str | None], bool]) -> Refusal | None:
    """Why this request goes no further, or None. `is_ours(branch)` tells our own Via."""
    if request.method not in METHODS:
        return Refusal(405, (("Allow", ALLOW),))
    if isinstance(request.uri, OpaqueUri) and not str(request.uri).lower().startswith("urn:service:sos"):
        return Refusal(416)
    if request.method == "INVITE" and (request.headers.get("Max-Forwards") or "").strip() == "0":
        return Refusal(483)
    if any(is_ours(via.branch) for via in vias(request.headers)):
        return Refusal(482)
    return _unmet(request, policy) or (_unfit_offer(request) if request.method in ("INVITE", "UPDATE") else None)


def supported(policy: Policy) -> tuple[str, ...]:
    """The option tags spoken on this trunk."""
    return tuple(tag for tag in SUPPORTED if tag != "100rel" or policy.reliable != "off")


def _unmet(request: Request, policy: Policy) -> Refusal | None:
    """Extensions one side wants and the other has not (section 8.2.2.3, RFC 3262 section 3)."""
    spoken, required = supported(policy), tokens(request.headers, "Require")
    unknown = [tag for tag in required if tag.lower() not in spoken]
    if unknown:
        return Refusal(420, (("Unsupported", ", ".join(unknown[:20])),))
    opening = request.method == "INVITE" and ";tag=" not in (request.headers.get("To") or "").lower()
    offered = {tag.lower() for tag in (*required, *tokens(request.headers, "Supported"))}
    if opening and policy.reliable == "require" and "100rel" not in offered:
        return Refusal(421, (("Require", "100rel"),))
    return _too_small(request, policy) if request.method in ("INVITE", "UPDATE") else None


def _too_small(request: Request, policy: Policy) -> Refusal | None:
    least = too_small(request.headers, policy)
    return None if least is None else Refusal(422, (("Min-SE", least),))


def _unfit_offer(request: Request) -> Refusal | None:
    headers = request.headers
    if headers.get("Contact") is None or headers.get("Contact") == "*":
        return Refusal(400)
    kind = _media_type(headers.get("Content-Type") or "")
    encoding = (headers.get("Content-Encoding") or "identity").strip().lower()
    fit = kind == ACCEPT or (kind == MIXED and request.method == "INVITE")  # a call for help brings its location
    if request.body and (not fit or encoding != "identity"):
        return Refusal(415, (("Accept", ACCEPT), ("Accept-Encoding", "identity")))
    ranges = {_media_type(part) for part in tokens(headers, "Accept")}
    if ranges and not ranges & {ACCEPT, "application/*", "*/*"}:
        return Refusal(406)
    return None


def _media_type(text: str) -> str:
    return text.partition(";")[0].replace(" ", "").replace("\t", "").lower()
