"""What the media plane tells a leg about one stream. Rules of this file:

- Facts, past participles, frozen. `at` is the plane's clock (trio.current_time()).
- `position` counts 1/8000 s since the stream was opened, in every codec and for both directions on one scale: it is
  wall-clock time, so caller and agent can be laid side by side within 20 ms.
- Audio is in the `format` of the agreed codec: G.711 as it came, anything else as linear samples.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from callactors.audio.format import AudioFormat


class MediaEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """The root of every fact below."""

    at: float


class AudioArrived(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """About 60 ms from the far end, gap-free: the next one's position is this one's plus its length.

    `lost_ms` of it are concealment; `first_rtp_at` is when its first packet came, 0.0 when all of it is filled silence.
    """

    format: AudioFormat
    audio: bytes
    position: int
    lost_ms: int
    first_rtp_at: float


class AudioSent(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """What left as RTP while an utterance sounded; idle silence is not told."""

    format: AudioFormat
    audio: bytes
    position: int


class UtteranceStarted(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """The first packet of an utterance left, at `at`."""

    utterance: str


class UtteranceHeard(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """The last frame of an ended utterance left; `ms` is all of it that was heard, from `first_rtp_at` on."""

    utterance: str
    ms: int
    first_rtp_at: float


class DigitArrived(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """A telephone-event (RFC 4733), or a `tone`: one of 0-9 * # A-D."""

    digit: str
    tone: bool = False


class WentSilent(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """No RTP since `since`: either none at all after the start, or none for the silence limit.

    What came all the same, since the stream was opened: `malformed` datagrams (under another SRTP key, most often), and
    those of `strangers`.
    """

    since: float
    malformed: int = 0
    strangers: int = 0


class CameBack(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """RTP again after WentSilent."""


class OneWay(MediaEvent, frozen=True, gc=False, kw_only=True, tag=True):
    """One side cannot be heard since `since`, or (`over`) can be heard again. `out`: they do not hear us."""

    direction: Literal["in", "out"]
    since: float
    over: bool
