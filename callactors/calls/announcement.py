"""A call that is answered, told one sentence, and ended: how a limit refuses somebody who was always welcome.

No model, no tools, no agent: the sentence comes from the cache, and the record says why nothing more did.
"""

from __future__ import annotations

import attrs
import trio

from callactors.actors.messages import AgentSpoke, By, LegEnded
from callactors.actors.sip_leg import SipLeg
from callactors.calls.record import CallRecord
from callactors.errors import DialogGone, LedgerBroken
from callactors.routing.cause import Cause

UTTERANCE = "local:1"
LONGEST = 20.0  # seconds a sentence may take, with the caller's ACK before it


@attrs.define(eq=False)
class Announcement:
    """One sentence to one caller. `leg` has taken the offer; nobody else reads its `events`."""

    leg: SipLeg
    record: CallRecord
    audio: bytes
    cause: Cause
    by: By = "us"

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.leg.run)
                self.by = await self._told()
                self.leg.hang_up(self.cause)  # here: cancelled, the leg would end for a reason of its own
                nursery.cancel_scope.cancel()
        finally:
            self.leg.hang_up(self.cause)
            close_record(self.record, self.leg, self.cause, self.by)

    async def _told(self) -> By:
        try:
            await self.record.answering(self.leg.trunk.name, self.leg.facts)
        except (LedgerBroken, DialogGone):
            return "us"  # refused, by hang_up
        await self.leg.answer()
        return "us" if await speak(self.leg, self.audio) else "far_end"


async def speak(leg: SipLeg, audio: bytes) -> bool:
    """Say it on an answered leg, and wait until it was heard; whether the far end stayed for it."""
    leg.play(UTTERANCE, audio)
    leg.end(UTTERANCE)
    with trio.move_on_after(LONGEST):
        async for message in leg.events:
            if isinstance(message, LegEnded):
                return False
            if isinstance(message, AgentSpoke) and message.utterance == UTTERANCE:
                break
    return True


def close_record(record: CallRecord, leg: SipLeg, cause: Cause, by: By) -> None:
    """The last rows of a call that was its caller's leg and little else."""
    leg.close_media()
    for quality in leg.quality:
        record.quality(leg.number, quality)
    record.closed(cause, by, answered=leg.status == 200, sip_code=leg.status, q850=None)
