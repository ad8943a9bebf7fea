"""What the plane tells of one leg, in the plane's own step: audio goes on at once, anything else waits for the leg.

- The tape gets what the keypad lets through; those who listen get it while the leg is up and does not hold the far end,
  or before it is up, where that was asked for (`early`).
- Some twenty times a second and leg: what seldom changes is not worked out anew.
"""

from __future__ import annotations

from collections.abc import Callable

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import CallerAudio
from callactors.actors.parts.exchange import Exchange
from callactors.actors.parts.keypad import Keypad
from callactors.actors.parts.leg_audio import agent_heard, caller_audio
from callactors.actors.parts.tape import TakesSound
from callactors.rtp.events import AudioArrived, AudioSent, DigitArrived, MediaEvent
from callactors.sdp.offer import Agreement


class Hearing:
    """One leg's. `later` takes what waits for the leg; nothing is told before there is an `exchange`."""

    def __init__(
        self,
        leg: int,
        keypad: Keypad,
        tape: TakesSound,
        audio: Mailbox[CallerAudio],
        later: Callable[[MediaEvent], object],
    ) -> None:
        self.exchange: Exchange | None = None
        self.early: Callable[[], object] | None = None  # told that somebody listens to early media
        self._leg, self._keypad, self._tape, self._audio, self._later = leg, keypad, tape, audio, later
        self._agreement: Agreement | None = None  # whose `tones` these are
        self._tones: bool | None = None

    def sounded(self, event: MediaEvent) -> None:
        """The plane's delivery."""
        if isinstance(event, AudioArrived):
            self._hear(caller_audio(event, self._leg))
        elif isinstance(event, AudioSent):
            self._tape.offer(agent_heard(event, self._leg))
        elif not isinstance(event, DigitArrived) or self._keypad.pressed(event.digit, "event", event.at):
            self._later(event)  # a digit that came by another way too is told already

    def _hear(self, batch: CallerAudio) -> None:
        exchange = self.exchange
        assert exchange is not None
        batch, tones = self._keypad.hear(batch, tones=self._digits_are_tones(exchange))
        for digit in tones:
            self._later(DigitArrived(at=batch.at, digit=digit, tone=True))
        self._tape.offer(batch)
        if exchange.holding:
            return
        if exchange.up:
            self._audio.offer(batch)
        elif self.early is not None:
            self._audio.offer(batch)
            self.early()

    def _digits_are_tones(self, exchange: Exchange) -> bool:
        agreement = exchange.sdp.agreement
        if self._tones is None or agreement is not self._agreement:
            self._agreement, self._tones = agreement, exchange.tones
        return self._tones
