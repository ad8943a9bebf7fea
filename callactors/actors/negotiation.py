"""The session description of one leg: what was offered, by whom, and what was agreed (RFC 3264). No I/O.

- One offer of ours may wait for its answer, wherever that comes (200, 18x, PRACK, ACK); a newer one takes its place.
- An answer of ours never claims more than `wanted`: who has put the far end on hold stays so through its re-INVITEs.
- A description that names this machine, its link or our own ports as a receiver is refused, unless the trunk lists it.
"""

from __future__ import annotations

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
    _offered: Description | None = attrs.field(default=None, init=False)  # ours, without an answer yet
    _said: Description | None = attrs.field(default=None, init=False)  # our last description
    _first: Description | None = attrs.field(default=None, init=False)  # the offer that an INVITE of ours bore

    @property
    def host(self) -> str:
        return self.advertise or self.media.host

    @property
    def waits(self) -> bool:
        """Whether an offer of ours has no answer yet."""
        return self._offered is not None

    def offer(self, codecs: tuple[str, ...] | None = None) -> bytes:
        """An offer of ours; without `codecs` it has those of the trunk."""
        self._offered = self._said = make_offer(
            local_host=self.host,
            local_port=self.media.port,
            codecs=PLAIN if self.plain else codecs or self.trunk.codecs,
            session_id=self.id,
            direction=self.wanted,
            previous=self._said,
            events=not self.plain and self.trunk.dtmf != "inband",
        )
        self._first = self._first or self._offered
        return bytes(self._offered)

    def offer_again(self) -> bytes:
        """An offer in mid-call: the codec we speak, so that nothing changes but what is meant to."""
        return self.offer(None if self.agreement is None else (self.agreement.codec,))

    def answered(self, body: bytes) -> Agreement:
        """What the answer to our offer settles. Raises MalformedDescription, NoCommonFormat: the old one holds then."""
        offered, self._offered = self._offered, None
        if offered is None:
            raise MalformedDescription("an answer to no offer")
        return self._possible(accept_answer(offered, parse(body)))

    def again(self, body: bytes) -> Agreement:
        """Another answer to the first offer: of a later 18x, or of the 200 after early media."""
        assert self._first is not None  # we offered
        return self._possible(accept_answer(self._first, parse(body)))

    def withdraw(self) -> None:
        """Our offer was refused: it was never made (RFC 3261 section 14.1)."""
        self._offered = None

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
            if not self.trunk.may_name_for_media(remote.host) or self.plane.listens_at(ours):
                raise MalformedDescription(f"{self.trunk.name} has no media at {remote}")
        return agreement


REFUSED = (MalformedDescription, NoCommonFormat)  # what makes a description unusable: 488
