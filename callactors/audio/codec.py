"""What a stream needs of a codec. G.711 is a table, Opus has a memory; the stream does not care which. Rules:

- Lengths and places are *positions*: 1/8000 s in every codec, so that timelines of different codecs can be laid side by
  side. `width` is how many bytes of `format` sound for one position.
- One codec object per stream: decoder and encoder may have state. `decode` and `conceal` are called in the order in
  which the audio is heard, `encode` once for every packet sent.
"""

from __future__ import annotations

from typing import Protocol

from callactors.audio.format import AudioFormat

POSITIONS = 8_000  # a second


class Codec(Protocol):
    """Payloads to audio and back. Nothing raises: a payload that makes no sense sounds like a lost one."""

    @property
    def name(self) -> str:
        """As in an agreement: pcmu, pcma, opus, g722."""

    @property
    def format(self) -> AudioFormat:
        """The audio that is played and heard."""

    @property
    def clock_rate(self) -> int:
        """RTP timestamp ticks a second."""

    @property
    def width(self) -> int:
        """Bytes of audio a position."""

    @property
    def plain(self) -> bool:
        """Whether a payload is its own audio: packets may be made early and not sent, and nobody remembers them."""

    def duration(self, payload: bytes) -> int:
        """Positions a payload lasts; 0 when it is none of this codec."""

    def decode(self, payload: bytes) -> bytes:
        """The audio of the next payload."""

    def conceal(self, positions: int, following: bytes | None) -> bytes:
        """What is heard in place of what was lost. `following` is the payload behind the gap, where it has come."""

    def silence(self, positions: int) -> bytes:
        """What is heard while nothing is said."""

    def encode(self, audio: bytes) -> bytes:
        """The payload of the next packet (its ptime of audio); empty when nothing need be sent (DTX)."""
