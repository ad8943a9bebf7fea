"""Replaces (RFC 3891): naming a dialog in a header, from the side that writes it and from the side that finds it.

The tags are the recipient's: `to-tag` is its local tag, `from-tag` its remote one.
"""

from __future__ import annotations

import msgspec

from callactors.errors import MalformedMessage
from callactors.sip.dialog import DialogId
from callactors.sip.headers import Headers
from callactors.sip.scan import WHITE, find_parameter, parameters
from callactors.sip.uri import escape_header


class Replaces(msgspec.Struct, frozen=True):
    """A Replaces as its recipient reads it: `local_tag` is the recipient's."""

    call_id: str
    local_tag: str
    remote_tag: str
    early_only: bool = False


def replaces_text(dialog: DialogId) -> str:
    """The Replaces that names a dialog of ours to the peer at its other end."""
    return f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}"


def refer_to_replacing(uri: str, dialog: DialogId) -> str:
    """`uri` with an escaped `?Replaces=`, for the Refer-To of an attended transfer (RFC 5589 section 7.3)."""
    mark = "&" if "?" in uri else "?"
    return f"{uri}{mark}Replaces={escape_header(replaces_text(dialog))}"


def read_replaces(headers: Headers) -> Replaces | None:
    """The Replaces of a request, or None. Raises MalformedMessage(400) when there are several, or it cannot be read."""
    values = headers.all("Replaces")
    if not values:
        return None
    if len(values) > 1:
        raise MalformedMessage("more than one Replaces")
    return parse_replaces(values[0])


def parse_replaces(text: str) -> Replaces:
    """One Replaces as text, unescaped. Raises MalformedMessage(400)."""
    call_id, semicolon, rest = text.partition(";")
    given = parameters(semicolon + rest)
    local, remote = find_parameter(given, "to-tag"), find_parameter(given, "from-tag")
    if not call_id.strip(WHITE) or not local or not remote:
        raise MalformedMessage(f"a Replaces without Call-ID, to-tag or from-tag: {text[:80]!r}")
    return Replaces(call_id.strip(WHITE), local, remote, find_parameter(given, "early-only") is not None)
