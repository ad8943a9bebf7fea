"""Offers and answers of one leg, carried out: what is agreed on sounds at once (RFC 3264, 3311, 6337).

- A refused offer, theirs or ours, leaves everything as it was.
- Hold is two things: `held` by the peer (we may not be heard), `holding` the peer (it is not listened to).
- The watch for silence rests before the answer, on hold, and while a REFER is under way.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from callactors.actors.messages import HeldByPeer
from callactors.actors.parts.negotiation import REFUSED, Negotiation
from callactors.audio.codecs import FORMATS
from callactors.audio.format import AudioFormat
from callactors.audio.melody import melody
from callactors.net.media_plane import MediaStream
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.trunk import Trunk
from callactors.sdp.offer import Agreement
from callactors.sip import events as sip

HOLD_PATIENCE = 4.0  # seconds a hold waits to be agreed to


@attrs.define(eq=False)
class Exchange:
    """What leg `number` has agreed on, and how it changes."""

    number: int
    session: int
    trunk: Trunk
    endpoint: SipEndpoint
    stream: MediaStream
    sdp: Negotiation
    changed: Callable[[Agreement], object] = lambda agreement: None  # another codec, or other protection, mid-call
    up: bool = attrs.field(default=False, init=False)  # answered: the far end is listened to
    confirmed: bool = attrs.field(default=False, init=False)  # and acknowledged: we may offer anew
    ended: bool = attrs.field(default=False, init=False)  # no dialog from here on
    holding: bool = attrs.field(default=False, init=False)
    referring: bool = attrs.field(default=False, init=False)
    moved_early: bool = attrs.field(default=False, init=False)  # described anew before the answer: the 200 says nothing
    _reoffer_over: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def agreement(self) -> Agreement | None:
        return self.sdp.agreement

    @property
    def format(self) -> AudioFormat:
        """What is spoken; before that is agreed on, what we would like best."""
        return FORMATS[self.trunk.codecs[0] if self.agreement is None else self.agreement.codec]

    @property
    def held(self) -> bool:
        """Whether the peer has put us on hold."""
        agreement = self.agreement
        return agreement is not None and agreement.direction in ("recvonly", "inactive")

    @property
    def tones(self) -> bool:
        """Whether the far end's digits may come as tones: its trunk says so, or no telephone event was agreed on."""
        return self.trunk.dtmf == "inband" or (self.agreement is not None and self.agreement.telephone_event is None)

    def live(self, agreement: Agreement) -> None:
        """Media by this agreement; the same one again disturbs nothing."""
        if agreement != self.sdp.agreement or not self.stream.started:
            self.sdp.agreement = agreement
            if self.trunk.dtmf == "inband":
                agreement = attrs.evolve(agreement, remote_telephone_event=None)  # so that our digits are tones
            self.stream.start(agreement, allowed=self.trunk.takes_media_from)
        self.watch()

    def watch(self) -> None:
        """Have the plane look out for silence, or rest."""
        self.stream.pause_watch(self.held or self.referring or not self.up)

    def agreed(self, agreement: Agreement) -> HeldByPeer | None:
        """Live by a new agreement; a change of hold is told."""
        was_held, before = self.held, self.agreement
        self.live(agreement)
        if self.up and before is not None and (before.codec, before.srtp) != (agreement.codec, agreement.srtp):
            self.changed(agreement)
        if self.held == was_held:
            return None
        return HeldByPeer(at=trio.current_time(), leg=self.number, held=self.held)

    # -- theirs --------------------------------------------------------------------------------------------------

    def reoffered(self, event: sip.Reoffered) -> HeldByPeer | None:
        """Answer a new offer, refuse it with 488, or make the one that is asked for."""
        if not event.body:
            self.endpoint.respond(self.session, event.request_id, 200, self.sdp.offer_late())
            return None
        if self.agreement is None:  # our own offer still waits (RFC 3311 section 5.2)
            self.endpoint.respond(self.session, event.request_id, 491)
            return None
        try:
            agreement = self.sdp.answer(event.body)
        except REFUSED:
            self.endpoint.respond(self.session, event.request_id, 488)
            return None
        self.moved_early = self.moved_early or not self.up
        self.endpoint.respond(self.session, event.request_id, 200, bytes(agreement.local))
        return self.agreed(agreement)

    def late_answer(self, body: bytes) -> HeldByPeer | None:
        """An ACK or PRACK with the answer to an offer that was left to us."""
        try:
            return self.agreed(self.sdp.answered_late(body)) if body else None
        except REFUSED:
            return None

    def final(self) -> bytes:
        """What our 200 to their INVITE describes: the answer, our offer, or nothing where that was said before."""
        if self.agreement is None:
            return self.sdp.offer_late()
        return b"" if self.moved_early else bytes(self.agreement.local)

    # -- ours ----------------------------------------------------------------------------------------------------

    def response(self, body: bytes) -> Agreement:
        """What a response to our INVITE settles; a 200 without a body means what the early media agreed on.

        Raises MalformedDescription, NoCommonFormat.
        """
        if self.agreement is not None and (not body or self.moved_early):
            return self.agreement
        return self.sdp.answered(body) if self.sdp.waits else self.sdp.again(body)

    def reanswered(self, event: sip.Reanswered) -> HeldByPeer | None:
        """The answer to our re-INVITE."""
        self._reoffer_over.set()
        if event.status >= 300 or not event.body:
            self.sdp.withdraw()
            return None
        try:
            return self.agreed(self.sdp.answered(event.body))
        except REFUSED:
            return None

    async def hold(self, on: bool) -> bool:
        """Put the far end on hold, or take it back; whether it agreed, within HOLD_PATIENCE.

        Whatever it says to that: while it is held it hears what its trunk's `hold` says, and nobody hears it.
        """
        self.holding, self.sdp.wanted = on, "sendonly" if on else "sendrecv"
        self.stream.fill_with(melody() if on and self.trunk.hold == "music" else None)
        if not self.confirmed:
            await trio.lowlevel.checkpoint()
            return False
        self._reoffer_over = trio.Event()
        self.reoffer()
        with trio.move_on_after(HOLD_PATIENCE):
            await self._reoffer_over.wait()
        return self.agreement is not None and on == (self.agreement.direction in ("sendonly", "inactive"))

    def reoffer(self) -> None:
        """Say again what we want; what the peer held is resumed by it where it agrees."""
        self.endpoint.reinvite(self.session, self.sdp.offer_again())

    def rekey(self) -> None:
        """Offer new SRTP keys by re-INVITE; with a peer in clear nothing changes."""
        self.sdp.rekeying = True
        self.reoffer()

    def over(self) -> None:
        """The dialog has ended: nobody waits for an answer any more."""
        self.ended, self.confirmed = True, False
        self.changed = lambda agreement: None
        self._reoffer_over.set()
