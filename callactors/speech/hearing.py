"""What one caller has said so far: the input audio buffer, its voice activity, and the audio of each turn.

- Offsets are milliseconds of audio written to the buffer since the session began, as Realtime counts them.
- Between turns only the prefix is kept; a turn keeps at most LONGEST_MS, then its beginning is forgotten.
- Synchronous: it hears and says what happened; decoding is somebody else's.
"""

from __future__ import annotations

import attrs
import numpy as np

from callactors.speech.endpointing import Endpoint, Endpointer, SpeechStarted
from callactors.speech.session import Turns
from callactors.speech.vad import Vad
from callactors.speech.wave import Samples

LONGEST_MS = 120_000
_PER_MS = 8  # samples at 8 kHz
_TAIL_MS = 120  # of what follows the last speech is decoded too: final consonants are quiet


@attrs.define(eq=False)
class Hearing:
    """One caller's input buffer, in int16 at 8 kHz."""

    _vad: Vad
    _turns: Turns | None
    _endpointer: Endpointer = attrs.field(init=False)
    _audio: Samples = attrs.field(factory=lambda: np.zeros(0, np.int16), init=False)
    _start_ms: int = attrs.field(default=0, init=False)  # where _audio begins
    _speech_from_ms: int = attrs.field(default=0, init=False)
    _total: int = attrs.field(default=0, init=False)  # samples ever written

    def __attrs_post_init__(self) -> None:
        self.configure(self._turns)

    def configure(self, turns: Turns | None) -> None:
        """New turn detection: a turn in hand goes on only when the detection is the same."""
        self._turns = turns
        chosen = turns or Turns()
        self._endpointer = Endpointer(chosen.threshold, chosen.hang_over_ms)
        self._endpointer.start_at(self.now_ms)

    @property
    def now_ms(self) -> int:
        return self._total // _PER_MS

    @property
    def buffered_ms(self) -> int:
        """How much a commit would commit."""
        return len(self._audio) // _PER_MS

    @property
    def speaking(self) -> bool:
        return self._endpointer.speaking

    def append(self, samples: Samples) -> list[Endpoint]:
        """Write `samples`; say where turns began, paused and ended in them (nothing in push-to-talk)."""
        self._audio = np.concatenate((self._audio, samples))
        self._total += len(samples)
        found: list[Endpoint] = []
        if self._turns is not None:
            for probability in self._vad.feed(samples):
                found += self._endpointer.feed(probability)
        for event in found:
            if isinstance(event, SpeechStarted):
                self._speech_from_ms = max(0, event.at_ms - self._turns.prefix_ms if self._turns else 0)
        self._forget()
        return found

    def speech_start_ms(self) -> int:
        """Where the turn in hand begins, prefix included."""
        return self._speech_from_ms

    def turn(self, end_ms: int) -> Samples:
        """The audio of the turn in hand up to a little after `end_ms`."""
        first = max(0, self._speech_from_ms - self._start_ms) * _PER_MS
        last = max(0, end_ms + _TAIL_MS - self._start_ms) * _PER_MS
        return self._audio[first:last]

    def wait_longer(self, patience_ms: int) -> None:
        """The words so far sound unfinished: end the turn in hand only after this much silence."""
        self._endpointer.patience_ms = patience_ms

    def take(self) -> Samples:
        """Everything in the buffer, which is empty afterwards (commit)."""
        taken = self._audio
        self.clear()
        return taken

    def clear(self) -> None:
        self._audio = self._audio[:0]
        self._start_ms = self.now_ms
        self._endpointer.reset()

    def forget_before(self, end_ms: int) -> None:
        """A turn ended there: what follows may be the prefix of the next."""
        self._audio = self._audio[max(0, end_ms - self._start_ms) * _PER_MS :]
        self._start_ms = max(self._start_ms, end_ms)

    def _forget(self) -> None:
        keep_ms = LONGEST_MS
        if self._turns is not None and not self._endpointer.speaking:
            keep_ms = self._turns.prefix_ms + 1_000
        surplus = len(self._audio) - keep_ms * _PER_MS
        if surplus > keep_ms * _PER_MS // 4:  # in strides, so that appending stays cheap
            self._audio = self._audio[surplus:]
            self._start_ms = self.now_ms - len(self._audio) // _PER_MS
