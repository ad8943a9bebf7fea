"""An INVITE as admission sees it: who calls, what was dialled, what is offered. What headers say is a claim, no more.

- A listed trunk's P-Asserted-Identity is believed before From (RFC 3325 section 9.1); nobody else's comes this far.
- Whoever asks for privacy (RFC 3323) is nobody in the record, unless the trunk says otherwise.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

import attrs

from callactors.errors import MalformedMessage
from callactors.routing.number import without_parameters
from callactors.routing.trunk import Trunk
from callactors.sip.events import Invited
from callactors.sip.headers import Headers, name_addr, split_commas
from callactors.sip.multipart import PIDF, SDP, part_of
from callactors.sip.uri import OpaqueUri, SipUri, TelUri, Uri

_PRIVATE = frozenset({"id", "user", "header", "session"})  # `none` and `critical` ask for nothing


@attrs.frozen
class Vouched:
    """What the call's Identity was found to be worth (calls/vouching.py): facts for the record.

    `status` is what would refuse it where that is `required` (RFC 8224 section 6.2.2); 0 when it passed.
    """

    verstat: Literal["passed", "failed", "none"]
    attest: str | None = None
    origid: str | None = None
    problem: str = ""
    status: int = 0
    required: bool = False

    def facts(self) -> dict[str, str]:
        """What the record keeps of it."""
        known = {"verstat": self.verstat, "attest": self.attest, "origid": self.origid, "problem": self.problem}
        return {name: value for name, value in known.items() if value}


@attrs.frozen
class Offered:
    """One INVITE of a trunk. `caller` is "" for somebody who shows no number, `vouched` None where nobody looked."""

    invite: Invited
    trunk: Trunk
    caller: str
    called: str
    vouched: Vouched | None = None

    @classmethod
    def of(cls, invite: Invited, trunk: Trunk, vouched: Vouched | None = None) -> Offered:
        own = with_own_media(trunk, invite.source.host)
        return cls(invite, own, caller_of(invite.request.headers, trunk), user_of(invite.request.uri), vouched)

    @property
    def dialled(self) -> str:
        """What was dialled, a service's URN too."""
        return dialled_of(self.invite.request.uri)

    @property
    def offer(self) -> bytes:
        """The description; b"" when it is ours to make."""
        return self._part(SDP)

    @property
    def location(self) -> str:
        """The PIDF-LO document the caller's side sent along; "" for none."""
        return self._part(PIDF).decode("utf-8", "replace")

    def _part(self, kind: str) -> bytes:
        request = self.invite.request
        return part_of(kind, request.headers.get("Content-Type") or SDP, request.body)


def with_own_media(trunk: Trunk, host: str) -> Trunk:
    """Who is known by a digest or a certificate, wherever they are, may have their media where they call from."""
    if trunk.sources:
        return trunk
    return attrs.evolve(trunk, media_sources=(*trunk.media_sources, ip_network(host.partition("%")[0])))


def caller_of(headers: Headers, trunk: Trunk) -> str:
    """The caller's number or name, from the first header that shows one."""
    if trunk.privacy and _asks_for_privacy(headers):
        return ""
    shown = [_user(text) for text in (*asserted(headers), headers.get("From") or "")]
    return next((user for user in shown if user and user.lower() != "anonymous"), "")


def asserted(headers: Headers) -> list[str]:
    """Each P-Asserted-Identity, as text; one that cannot be read is not there."""
    return [part for value in headers.all("P-Asserted-Identity") for part in _two(value)]


def user_of(uri: Uri) -> str:
    """The number or name a URI calls; a number without its parameters (`+1312...;npdi`, RFC 3261 section 19.1.6)."""
    if isinstance(uri, SipUri):
        return without_parameters(uri.user_decoded)
    return uri.number if isinstance(uri, TelUri) else ""


def dialled_of(uri: Uri) -> str:
    """What was dialled: a number, a name, or a service's URN whole."""
    return str(uri) if isinstance(uri, OpaqueUri) else user_of(uri)


def _asks_for_privacy(headers: Headers) -> bool:
    words = {word.strip().lower() for value in headers.all("Privacy") for word in value.split(";")}
    return bool(words & _PRIVATE)


def _two(value: str) -> tuple[str, ...]:
    """A SIP and a telephone URI, at most (RFC 3325 section 9.1)."""
    try:
        return split_commas(value)[:2]
    except MalformedMessage:
        return ()


def _user(text: str) -> str:
    try:
        return user_of(name_addr(text).uri)
    except MalformedMessage:
        return ""
