"""Packets made before their slots come: MOST at a time, of which one leaves each slot. Rules of this file:

- To make ten costs little more than to make one: it is the walk from object to object that takes the time.
- Only where the next slots are known: in the middle of an utterance, or while nothing is queued; and only where a
  payload is its own audio, so that one which was not sent leaves no trace in a codec.
- Whoever changes what is said next takes back first what has not left (`take_back`): it was not sent, not heard.
"""

from __future__ import annotations

from callactors.net.media_fill import Fill
from callactors.rtp.playout import Playout
from callactors.rtp.sender import Sender

MOST = 10  # packets; what is heard is told in pieces of as many frames


class Ahead:
    """One stream's. `datagrams` are a run, sent or not, till it is taken back; `audio` is what it says, if anything."""

    __slots__ = ("_fill", "_playout", "_sender", "audio", "datagrams", "position")

    def __init__(self, playout: Playout, fill: Fill, sender: Sender) -> None:
        self._playout, self._fill, self._sender = playout, fill, sender
        self.datagrams: list[bytes] = []
        self.audio = b""
        self.position = 0  # of the first frame of `audio`, on the stream's timeline

    def make(self, at: int, position: int) -> bool:
        """The packets of this slot and the next ones; False where they are not known. `at` is for the timestamps."""
        if not self._sender.steady:
            return False
        audio = self._playout.take_several(MOST)
        if not audio and not (self._playout.empty and self._fill.silent):
            return False
        self.audio, self.position = audio, position
        self.datagrams = self._sender.several(audio or self._fill.take() * MOST, at)
        return True

    def take_back(self, unsent: int) -> bytes:
        """So many of the run have not left, and do not. Returns the audio of it that has left, to be told."""
        datagrams, audio = self.datagrams, self.audio
        self.datagrams, self.audio = [], b""
        if not unsent:
            return audio
        self._sender.take_back(datagrams[-unsent:])
        left = len(audio) // len(datagrams) * (len(datagrams) - unsent)
        if audio:
            self._playout.give_back(audio[left:])
        return audio[:left]
