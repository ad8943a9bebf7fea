"""Digits of ours on their way out, slot by slot: telephone events (RFC 4733), or tones where none were agreed on.

A slot is 20 ms and may be empty (the pause behind a digit). What is keyed faster than it can be sent is dropped.
"""

from __future__ import annotations

from collections import deque

from callactors.audio import tone
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.rtp import telephone_event
from callactors.rtp.playout import FRAME
from callactors.rtp.telephone_event import EventPacket

MOST = 125  # digits that may wait: half a minute


class Keying:
    """The digits of one stream; `slots` are those of the digit that is being said."""

    def __init__(self) -> None:
        self.dropped = 0  # digits
        self.slots: deque[EventPacket | bytes | None] = deque()
        self._digits: deque[str] = deque()
        self._tones: AudioFormat | None = None

    def __bool__(self) -> bool:
        return bool(self.slots)

    def speak(self, tones: AudioFormat | None) -> None:
        """From here on they are tones in a format, or (None) events. A digit that has begun otherwise is cut short."""
        if tones is not self._tones:
            self._tones = tones
            self.slots.clear()
            self._begin()

    def press(self, digits: str) -> None:
        """Queue digits. Raises ValueError for what is no key."""
        digits = digits.upper()
        if any(digit not in telephone_event.KEYS for digit in digits):
            raise ValueError(f"{digits!r} has what is no key; use 0-9 * # A-D")
        taken = digits[: max(0, MOST - len(self._digits))]
        self.dropped += len(digits) - len(taken)
        self._digits.extend(taken)
        self._begin()

    def take(self) -> EventPacket | bytes | None:
        """What the next slot says."""
        slot = self.slots.popleft()
        self._begin()
        return slot

    def _begin(self) -> None:
        """The next digit, if none is being said."""
        if self.slots or not self._digits:
            return
        digit = self._digits.popleft()
        if self._tones is None:
            self.slots.extend(telephone_event.event_packets(digit))
        else:
            self.slots.extend(_tone_frames(digit, self._tones))


def _tone_frames(digit: str, format: AudioFormat) -> list[bytes]:
    audio = convert(tone.dtmf(digit, telephone_event.TONE).astype("<i2").tobytes(), AudioFormat.PCM16_8K, format)
    audio += format.silence * (telephone_event.PAUSE * format.bytes_per_ms)
    size = FRAME // 8 * format.bytes_per_ms
    return [audio[at : at + size] for at in range(0, len(audio), size)]
