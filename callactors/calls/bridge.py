"""Two answered legs as one conversation: media goes from stream to stream in the plane, digits as digits.

- Nothing of it passes through an actor: what one leg hears the other says 40 to 70 ms later (rtp/relay.py).
- Each keeps its own dialog: hold, re-offers and session timers of one side are answered on that side.
- Whoever hangs up ends both. Silence of one side ends nothing: people may be quiet, or on hold.
"""

from __future__ import annotations

import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import DigitPressed, LegEnded, Message
from callactors.actors.sip_leg import SipLeg
from callactors.routing.cause import Cause


def join(a: SipLeg, b: SipLeg) -> None:
    """Let both hear each other, until `part` or the end of one of them."""
    a.stream.relay_to(b.stream)
    b.stream.relay_to(a.stream)


def part(a: SipLeg, b: SipLeg) -> None:
    """Both are with us again."""
    a.stream.relay_to(None)
    b.stream.relay_to(None)


async def bridge(a: SipLeg, b: SipLeg) -> LegEnded:
    """Join two answered legs until one of them has ended, then hang up the other; what ended first.

    Both legs are run by somebody else. Nobody else reads their `events`, which may be one mailbox or two.
    """
    last = LegEnded(at=trio.current_time(), leg=a.number, cause=Cause.DESK_CLOSED, by="us")
    join(a, b)
    try:
        last = await _first_end(a, b) or last
    finally:
        part(a, b)
        a.hang_up(last.cause)
        b.hang_up(last.cause)
    return last


async def _first_end(a: SipLeg, b: SipLeg) -> LegEnded | None:
    ends: list[LegEnded] = []
    async with trio.open_nursery() as both:

        async def listen(box: Mailbox[Message]) -> None:
            async for message in box:
                if isinstance(message, DigitPressed) and not message.audible:
                    await (b if message.leg == a.number else a).send_digits(message.digit)
                if isinstance(message, LegEnded):
                    ends.append(message)
                    break
            both.cancel_scope.cancel()

        for box in {id(leg.events): leg.events for leg in (a, b)}.values():
            both.start_soon(listen, box)
    return ends[0] if ends else None
