"""The session description of one leg: what was offered, by whom, and what was agreed (RFC 3264). No I/O.

- Offers in requests of ours are answered in the order in which they were made. A late one, in our response because
  theirs brought none, has its answer in ACK or PRACK, or never; the next one takes its place.
- An answer of ours never claims more than `wanted`: who has put the far end on hold stays so through its re-INVITEs.
- A description that names this machine, its link or our own ports as a receiver is refused, unless the trunk lists it.
"""

from __future__ import annotations

from collections import deque

import attrs

from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.net.media_plane import MediaPlane
from callactors.routing.trunk import Trunk
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Agreement, Direction, accept_answer, answer, make_offer
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
    agreement: Agreement | None = attrs.field(default=None, init=False)
    wanted: Direction = attrs.field(default="sendrecv", init=False)
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
        self._late = self._make(self._spoken)
        return bytes(self._late)

    @property
    def _spoken(self) -> tuple[str, ...]:
        return self.trunk.codecs if self.agreement is None else (self.agreement.codec,)

    def _make(self, codecs: tuple[str, ...]) -> Description:
        self._said = make_offer(
            local_host=self.host,
            local_port=self.media.port,
            codecs=PLAIN if self.plain else codecs,
            session_id=self.id,
            direction=self.wanted,
            previous=self._said,
            events=not self.plain,
        )
        return self._said

    def _asked(self, offer: Description) -> Description:
        self._first = self._first or offer
        self._offered.append(offer)
        return offer

    def answered(self, body: bytes) -> Agreement:
        """What the answer to our offer settles. Raises MalformedDescription, NoCommonFormat: the old one holds then."""
        if not self._offered:
            raise MalformedDescription("an answer to no offer")
        return self._possible(accept_answer(self._offered.popleft(), parse(body)))

    def answered_late(self, body: bytes) -> Agreement:
        """What the answer to our late offer settles. Raises MalformedDescription, NoCommonFormat."""
        offer, self._late = self._late, None
        if offer is None:
            raise MalformedDescription("an answer to no offer")
        return self._possible(accept_answer(offer, parse(body)))

    def again(self, body: bytes) -> Agreement:
        """Another answer to the first offer: of a later 18x, or of the 200 after early media."""
        assert self._first is not None  # we offered
        return self._possible(accept_answer(self._first, parse(body)))

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
