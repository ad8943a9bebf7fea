"""The session description of one leg: what was offered, by whom, and what was agreed (RFC 3264). No I/O.

- Offers in requests of ours are answered in the order in which they were made. A late one, in our response because
  theirs brought none, has its answer in ACK or PRACK, or never; the next one takes its place.
- An answer of ours never claims more than `wanted`: who has put the far end on hold stays so through its re-INVITEs.
- A description that names this machine, its link or our own ports as a receiver is refused, unless the trunk lists it.
"""

from __future__ import annotations

import secrets
from collections import deque

import attrs

from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.net.media_plane import MediaPlane
from callactors.routing.trunk import Trunk
from callactors.rtp.srtp import Security
from callactors.sdp.crypto import Policy, Protection
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Agreement, Direction, accept_answer, answer, live_stream, make_offer
from callactors.sip.address import Address

PLAIN = ("pcmu", "pcma")  # the plainest offer there is


@attrs.define(eq=False)
class Negotiation:
    """Offers and answers for the stream at `media`. `id` is the session's in o= (RFC 4566 section 5.2)."""

    id: int
    media: Address
    trunk: Trunk
    plane: MediaPlane
    advertise: str | None
    plain: bool = False  # G.711 and nothing else in our offers
    clear: bool = False  # no SRTP in them, where the trunk only prefers it
    agreement: Agreement | None = attrs.field(default=None, init=False)
    wanted: Direction = attrs.field(default="sendrecv", init=False)
    rekeying: bool = attrs.field(default=False, init=False)  # our next offer has a new SRTP key
    _offered: deque[Description] = attrs.field(factory=deque, init=False)  # ours, without an answer yet
    _late: Description | None = attrs.field(default=None, init=False)
    _said: Description | None = attrs.field(default=None, init=False)  # our last description
    _first: Description | None = attrs.field(default=None, init=False)  # the offer that an INVITE of ours bore

    @property
    def host(self) -> str:
        return self.advertise if self.advertise and _same_family(self.advertise, self.media.host) else self.media.host

    @property
    def waits(self) -> bool:
        """Whether an offer of ours has no answer yet."""
        return bool(self._offered)

    def offer(self) -> bytes:
        """The offer of our INVITE."""
        return bytes(self._asked(self._make(self.trunk.codecs)))

    def offer_again(self) -> bytes:
        """The offer of our re-INVITE: the codec we speak, so that nothing changes but what is meant to."""
        return bytes(self._asked(self._make(self._spoken)))

    def offer_late(self) -> bytes:
        """An offer for our response to an INVITE without one."""
        self._late = self._make(self._spoken, late=True)
        return bytes(self._late)

    @property
    def _spoken(self) -> tuple[str, ...]:
        return self.trunk.codecs if self.agreement is None else (self.agreement.codec,)

    def _make(self, codecs: tuple[str, ...], *, late: bool = False) -> Description:
        protocol, crypto = self._protection.offer(live_stream(self._said), late=late, renewed=self.rekeying)
        self.rekeying = False
        self._said = make_offer(
            local_host=self.host,
            local_port=self.media.port,
            codecs=PLAIN if self.plain else codecs,
            session_id=self.id,
            direction=self.wanted,
            previous=self._said,
            events=not self.plain,
            protocol=protocol,
            crypto=crypto,
        )
        return self._said

    @property
    def _protection(self) -> Protection:
        """What the trunk asks for. A stream in clear stays so in our offers where it may."""
        policy: Policy = self.trunk.srtp
        if policy == "prefer" and (self.clear if self.agreement is None else self._security is None):
            policy = "off"
        return Protection(policy, secrets.token_bytes, self._security)

    @property
    def _security(self) -> Security | None:
        return None if self.agreement is None else self.agreement.security

    def _asked(self, offer: Description) -> Description:
        self._first = self._first or offer
        self._offered.append(offer)
        return offer

    def answered(self, body: bytes) -> Agreement:
        """What the answer to our offer settles. Raises MalformedDescription, NoCommonFormat: the old one holds then."""
        if not self._offered:
            raise MalformedDescription("an answer to no offer")
        return self._accepted(self._offered.popleft(), body)

    def answered_late(self, body: bytes) -> Agreement:
        """What the answer to our late offer settles. Raises MalformedDescription, NoCommonFormat."""
        offer, self._late = self._late, None
        if offer is None:
            raise MalformedDescription("an answer to no offer")
        return self._accepted(offer, body)

    def again(self, body: bytes) -> Agreement:
        """Another answer to the first offer: of a later 18x, or of the 200 after early media."""
        assert self._first is not None  # we offered
        return self._accepted(self._first, body)

    def _accepted(self, offer: Description, body: bytes) -> Agreement:
        return self._possible(accept_answer(offer, parse(body), clear_too=self.trunk.srtp == "prefer"))

    def withdraw(self) -> None:
        """Our offer was refused: it was never made (RFC 3261 section 14.1)."""
        if self._offered:
            self._offered.popleft()

    def answer(self, body: bytes) -> Agreement:
        """Our answer to their offer, as the `local` of an agreement. Raises MalformedDescription, NoCommonFormat."""
        agreement = self._possible(
            answer(
                parse(body),
                local_host=self.host,
                local_port=self.media.port,
                codecs=self.trunk.codecs,
                session_id=self.id,
                version=1,
                direction=self.wanted,
                previous=self._said,
                protection=Protection(self.trunk.srtp, secrets.token_bytes, self._security),
                ours_first=self.trunk.codec_order == "ours",
            )
        )
        self._said = agreement.local
        return agreement

    def _possible(self, agreement: Agreement) -> Agreement:
        """Refuse to send to ourselves, or to what only this machine can reach: whoever asks for that is no carrier."""
        for remote in (agreement.remote, agreement.remote_rtcp):
            ours = remote._replace(host=self.media.host) if remote.host == self.advertise else remote
            if not _same_family(remote.host, self.media.host):
                raise NoCommonFormat(f"media at {remote} cannot be reached from {self.media.host}")
            if not self.trunk.may_name_for_media(remote.host) or self.plane.listens_at(ours):
                raise MalformedDescription(f"{self.trunk.name} has no media at {remote}")
        return agreement


def wants_ipv6(offer: bytes) -> bool:
    """Whether an offer's media is at an IPv6 address. Raises MalformedDescription."""
    description = parse(offer)
    host = next((media.host for media in description.media if media.host), description.host)
    return host is not None and ":" in host


def _same_family(one: str, other: str) -> bool:
    return (":" in one) == (":" in other)


REFUSED = (MalformedDescription, NoCommonFormat)  # what makes a description unusable: 488
