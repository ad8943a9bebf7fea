"""The line: the leg a call speaks on now. Everybody who serves the call holds the line, and never notices a swap.

- `adopt` puts another leg in its place: an answered dial, a redial, a transfer's consult leg, a replacing INVITE.
- A leg's facts bear its number; those of a leg that is not the current one are not the conversation's (`concerns`).
- The line starts and ends no leg: the call owns their scopes. Without a leg it is silent, and nothing is heard.
"""

from __future__ import annotations

from typing import Literal

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import AgentCutOff, LegMessage, Message
from callactors.actors.sip_leg import SipLeg
from callactors.audio.format import AudioFormat
from callactors.routing.cause import Cause
from callactors.routing.trunk import Target
from callactors.rtp.utterances import Heard
from callactors.sip.dialog import DialogId

NOBODY = -1  # the number of no leg


@attrs.define(eq=False)
class Line:
    """A Leg (actors/leg.py) whose SIP leg may be replaced. `events` is the call's desk."""

    events: Mailbox[Message]
    current: SipLeg | None = None
    protected: str | None = None  # an utterance that nothing cuts short: a disclosure that the law wants heard
    _private: bool = attrs.field(default=False, init=False)
    legs: list[SipLeg] = attrs.field(factory=list, init=False)  # every one the call ever spoke on, for its record

    def __attrs_post_init__(self) -> None:
        if self.current is not None:
            self.legs.append(self.current)

    def adopt(self, leg: SipLeg) -> SipLeg | None:
        """Speak on this leg from now on, wherever its facts went before. Returns the leg it replaces.

        What the old one had still to play is dropped: ask its `heard` first where that matters.
        """
        old, self.current, self.protected = self.current, leg, None
        leg.keypad.private = self._private
        leg.events = self.events
        if leg not in self.legs:
            self.legs.append(leg)
        if old is not None and old is not leg:
            old.flush()
        return old

    def leave(self) -> Heard:
        """Speak on no leg for a while; what the last one was saying, and how much of it was heard."""
        heard = self.current.flush() if self.current is not None else Heard(None, 0)
        self.current, self.protected = None, None
        return heard

    def concerns(self, message: Message) -> bool:
        """Whether a message is the conversation's: no leg's, or the current leg's."""
        return not isinstance(message, LegMessage) or message.leg == self.number

    @property
    def number(self) -> int:
        """The current leg's number; NOBODY without one."""
        return self.current.number if self.current is not None else NOBODY

    @property
    def private(self) -> bool:
        """Whether what the caller says and keys is kept from model and tape, whichever leg they are on."""
        return self._private

    @private.setter
    def private(self, on: bool) -> None:
        self._private = on
        if self.current is not None:
            self.current.keypad.private = on

    def murmured(self) -> bool:
        """Whether the caller has spoken in private since this was asked last."""
        return self.current is not None and self.current.keypad.murmured()

    @property
    def status(self) -> int | None:
        """The final status of the current leg's INVITE."""
        return self.current.status if self.current is not None else None

    # -- a Leg ---------------------------------------------------------------------------------------------------

    @property
    def clock(self) -> Literal["ours", "theirs"]:
        return self.current.clock if self.current is not None else "ours"

    @property
    def format(self) -> AudioFormat:
        return self.current.format if self.current is not None else AudioFormat.PCMU

    async def answer(self) -> None:
        if self.current is None:
            return await trio.lowlevel.checkpoint()
        await self.current.answer()

    async def reject(self, code: int, reason: str, retry_after: int | None = None) -> None:
        if self.current is None:
            return await trio.lowlevel.checkpoint()
        await self.current.reject(code, reason, retry_after)

    def play(self, utterance: str, audio: bytes) -> None:
        if self.current is not None:
            self.current.play(utterance, audio)

    def end(self, utterance: str) -> None:
        if self.current is not None:
            return self.current.end(utterance)
        now = trio.current_time()  # said to nobody: whoever waits for it is told so
        self.events.offer(AgentCutOff(at=now, utterance=utterance, ms=0, session=NOBODY))

    def flush(self) -> Heard:
        if self.current is None or (self.protected is not None and self.heard().utterance == self.protected):
            return Heard(None, 0)
        return self.current.flush()

    def heard(self) -> Heard:
        return self.current.heard() if self.current is not None else Heard(None, 0)

    async def send_digits(self, digits: str) -> None:
        if self.current is None:
            return await trio.lowlevel.checkpoint()
        await self.current.send_digits(digits)

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None:
        if self.current is None:
            return await trio.lowlevel.checkpoint()
        await self.current.refer(target, replaces)

    def take_back(self) -> None:
        if self.current is not None:
            self.current.take_back()

    def hang_up(self, cause: Cause) -> None:
        if self.current is not None:
            self.current.hang_up(cause)
