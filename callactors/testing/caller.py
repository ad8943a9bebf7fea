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
from callactors.testing import ears
from callactors.testing.rtp_line import RtpLine
from callactors.testing.user_agent import PhoneCall

Voice = Callable[[str], Awaitable[Samples]]  # words to int16 at 8 kHz
Ears = Callable[[Samples], Awaitable[str]]  # and back
Unfinished = Callable[[str], bool]  # whether words sound as if more were to come

QUIET = 0.8  # seconds of silence after which the other side has finished
MORE = 2.0  # seconds of silence granted to who has not finished
LEAD = 0.1  # seconds heard before the first loud packet: words begin softly
GAP = 0.45  # seconds of silence that part two utterances
LONG = 7.0  # seconds of speech after which a breath is pause enough
BREATH = 0.2  # seconds
AFTER = 0.001  # seconds: later than a packet already heard; less is no time at all


@attrs.frozen
class Answer:
    """What came back: the words heard, when the first loud packet came, and how long after our last loud sample.

    Times are trio.current_time(); without anything said before there is nothing to measure from.
    """

    text: str
    began_at: float
    asked_at: float | None
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

    async def listen(self, patience: float, unfinished: Unfinished = lambda text: False) -> Answer | None:
        """The next thing said to us, to its end; None when `patience` seconds pass in silence, or the call ends.

        While what was heard is `unfinished`, MORE seconds of silence are waited out before it is taken as it is.
        """
        line, asked = self.line, self.spoke_until
        began = await _loud_within(line, self.began if asked is None else asked, patience)
        if began is None:
            return None
        while True:
            last = await self._wait_quiet(line)
            text = await self._words(line.samples(began - LEAD))
            if not unfinished(text) or await _loud_within(line, last + AFTER, MORE) is None:
                return Answer(text, began, asked, None if asked is None else round((began - asked) * 1000))

    async def _words(self, samples: Samples) -> str:
        """Utterance by utterance: ears that expect one lose what follows a pause."""
        lead = round(LEAD * ears.RATE)
        parts = [
            part
            for whole in ears.stretches(samples, GAP)
            for part in ([whole] if whole.end - whole.start < LONG * ears.RATE else _cut(samples, whole))
        ]
        found = [await self.ears(samples[max(0, part.start - lead) : part.end + lead]) for part in parts]
        return " ".join(text for text in found if text)

    async def _wait_quiet(self, line: RtpLine) -> float:
        """Until nothing loud has come for `quiet` seconds; when the last of it came."""
        while True:
            last = line.last_loud() or 0.0
            rest = self.quiet - (trio.current_time() - last)
            if rest <= AFTER or line.closed or self.line is not line:
                return last
            await trio.sleep(rest)


def _cut(samples: Samples, whole: ears.Stretch) -> list[ears.Stretch]:
    """A long stretch at every breath."""
    pieces = ears.stretches(samples[whole.start : whole.end], BREATH)
    return [ears.Stretch(whole.start + piece.start, whole.start + piece.end) for piece in pieces]


async def _loud_within(line: RtpLine, since: float, patience: float) -> float | None:
    """When the first speech since then came, if it came in time."""
    with trio.move_on_after(patience):
        return await line.wait_loud(since)
    return None
