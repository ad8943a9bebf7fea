"""A caller who speaks and listens: says a sentence at real pace, hears the answer out, measures the time between.

- `response_ms` is from the packet with the caller's last loud sample to the first loud packet that came after it.
- Voice and ears are functions, so a tone will do where no words are needed. A transfer is followed: `line` is always
  the call that is up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from callactors.audio.g711 import Samples
from callactors.testing.rtp_line import RtpLine
from callactors.testing.user_agent import PhoneCall

Voice = Callable[[str], Awaitable[Samples]]  # words to int16 at 8 kHz
Ears = Callable[[Samples], Awaitable[str]]  # and back

QUIET = 0.8  # seconds of silence after which the other side has finished


@attrs.frozen
class Answer:
    """What came back: the words heard, when the first loud packet came, and how long after our last sample."""

    text: str
    began_at: float
    response_ms: int | None


@attrs.define(eq=False)
class Caller:
    """A person on a call."""

    call: PhoneCall
    voice: Voice
    ears: Ears
    quiet: float = QUIET
    spoke_until: float | None = None
    began: float = attrs.field(factory=trio.current_time)

    @property
    def line(self) -> RtpLine:
        return self.on.line

    @property
    def on(self) -> PhoneCall:
        """The call that is up: after a transfer, the one it led to."""
        call = self.call
        while call.successor is not None:
            call = call.successor
        return call

    async def say(self, text: str) -> None:
        """Speak; returns when the last loud sample has left."""
        saying = self.line.say(await self.voice(text))
        await saying.spoken.wait()
        self.spoke_until = saying.last_sample_at

    def press(self, digits: str) -> None:
        """Press keys (RFC 4733)."""
        self.line.press(digits)

    async def listen(self, patience: float) -> Answer | None:
        """The next thing said to us, to its end; None when `patience` seconds pass in silence, or the call ends."""
        line, asked = self.line, self.spoke_until
        began: float | None = None
        with trio.move_on_after(patience):
            began = await line.wait_loud(self.began if asked is None else asked)
        if began is None:
            return None
        await self._wait_quiet(line)
        text = await self.ears(line.samples(began))
        return Answer(text, began, None if asked is None else round((began - asked) * 1000))

    async def _wait_quiet(self, line: RtpLine) -> None:
        """Until nothing loud has come for `quiet` seconds."""
        while not line.closed and self.line is line:
            last = line.last_loud()
            rest = self.quiet - (trio.current_time() - (last or 0.0))
            if rest <= 0:
                return
            await trio.sleep(rest)
