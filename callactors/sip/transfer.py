"""REFER (RFC 3515, 4488, 5589): its headers, and the sipfrag that reports how the referred call went (RFC 3420).

The subscription is implicit: a REFER opens it, a NOTIFY with `Subscription-State: terminated` closes it.
"""

from __future__ import annotations

import msgspec

from callactors.errors import MalformedMessage
from callactors.sip.headers import Headers, name_addr, name_addrs
from callactors.sip.scan import WHITE
from callactors.sip.uri import SipUri, TelUri, Uri

SIPFRAG = "message/sipfrag"


class ReferTo(msgspec.Struct, frozen=True):
    """What a REFER asks for: whom to dial, and which dialog that call replaces (RFC 3891), as the header's text."""

    uri: Uri
    replaces: str | None
    referred_by: str | None
    subscribe: bool = True


def refer_headers(refer_to: str, referred_by: str | None) -> list[tuple[str, str]]:
    """The headers of our REFER; `refer_to` is a URI, escaped already where it carries `?Replaces=`."""
    headers = [("Refer-To", f"<{refer_to}>")]
    if referred_by is not None:
        headers.append(("Referred-By", referred_by if "<" in referred_by else f"<{referred_by}>"))
    return headers


def read_refer(headers: Headers) -> ReferTo:
    """The Refer-To of a received REFER, with or without angle brackets.

    Raises MalformedMessage: 400 unless there is exactly one, 416 when it is neither sip, sips nor tel.
    """
    if len(headers.all("Refer-To")) != 1 or len(targets := name_addrs(headers, "Refer-To")) != 1:
        raise MalformedMessage("a REFER needs exactly one Refer-To")
    uri = targets[0].uri
    if not isinstance(uri, SipUri | TelUri):
        raise MalformedMessage("Refer-To is neither a SIP nor a telephone URI", 416)
    replaces = uri.header("Replaces") if isinstance(uri, SipUri) else None
    return ReferTo(uri, replaces, _referred_by(headers), not wants_no_subscription(headers))


def wants_no_subscription(headers: Headers) -> bool:
    """Whether a REFER says `Refer-Sub: false`: dial, and tell me nothing (RFC 4488)."""
    return (headers.get("Refer-Sub") or "").partition(";")[0].strip(WHITE).lower() == "false"


def _referred_by(headers: Headers) -> str | None:
    text = headers.get("Referred-By")
    return None if text is None else str(name_addr(text).uri)


def notify_headers(event: str, terminated: bool) -> list[tuple[str, str]]:
    """The headers of our NOTIFY."""
    state = "terminated;reason=noresource" if terminated else "active;expires=60"
    return [("Event", event), ("Subscription-State", state), ("Content-Type", f"{SIPFRAG};version=2.0")]


def event_of(headers: Headers) -> tuple[str, str | None]:
    """The Event of a NOTIFY: its package in lower case, and its id."""
    package, *parameters = (headers.get("Event") or "").split(";")
    pairs = [part.partition("=") for part in parameters]
    number = next((value.strip(WHITE) for name, _, value in pairs if name.strip(WHITE).lower() == "id"), None)
    return package.strip(WHITE).lower(), number


def is_terminated(headers: Headers) -> bool:
    """Whether this NOTIFY is the last one."""
    return (headers.get("Subscription-State") or "").partition(";")[0].strip(WHITE).lower() == "terminated"


def sipfrag(status: int, reason: str) -> bytes:
    """The body of a NOTIFY: a status line alone."""
    return f"SIP/2.0 {status} {reason}\r\n".encode()


def read_sipfrag(body: bytes) -> int | None:
    """The status of a sipfrag, or None when its first line is no status line."""
    version, _, rest = body[:200].lstrip(b"\r\n").partition(b" ")
    code = rest[:3]
    if version.upper() != b"SIP/2.0" or not code.isdigit() or rest[3:4].isdigit() or not 100 <= int(code) <= 699:
        return None
    return int(code)
