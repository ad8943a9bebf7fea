"""Is that speech? Silero's network at its native 8 kHz: one probability for every 32 ms of a caller's audio.

- The session is the process's, the state the caller's: 2x1x128 numbers and the last 32 samples.
- A chunk costs about 0.07 ms, so this runs on the event loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np

from callactors.speech.wave import Floats, Samples, to_floats

CHUNK = 256  # samples at 8 kHz
CHUNK_MS = 32
_CONTEXT = 32
_RATE = np.array(8_000, np.int64)


@attrs.frozen(eq=False)
class Silero:
    """The loaded network, shared by all callers."""

    _session: Any  # onnxruntime.InferenceSession, which has no annotations

    @classmethod
    def load(cls, onnx: Path) -> Silero:
        """Load the network from `onnx` (50 ms)."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return cls(onnxruntime.InferenceSession(str(onnx), sess_options=options, providers=["CPUExecutionProvider"]))

    def listen(self) -> Vad:
        """A fresh state for one caller."""
        return Vad(self)

    def step(self, window: Floats, state: Floats) -> tuple[float, Floats]:
        """The probability of speech in context + chunk (288 samples), and the next state."""
        found, following = self._session.run(None, {"input": window[None], "state": state, "sr": _RATE})
        return float(found[0, 0]), following


@attrs.define(eq=False)
class Vad:
    """One caller's ear. `feed` takes any number of samples and holds back what does not fill a chunk."""

    _network: Silero
    _state: Floats = attrs.field(factory=lambda: np.zeros((2, 1, 128), np.float32), init=False)
    _context: Floats = attrs.field(factory=lambda: np.zeros(_CONTEXT, np.float32), init=False)
    _held: Samples = attrs.field(factory=lambda: np.zeros(0, np.int16), init=False)

    def feed(self, samples: Samples) -> list[float]:
        """The probability of speech, 0.0 to 1.0, for each further 32 ms that `samples` (int16, 8 kHz) completes."""
        sound = np.concatenate((self._held, samples))
        whole = len(sound) // CHUNK * CHUNK
        self._held = sound[whole:]
        return [self._chunk(to_floats(sound[start : start + CHUNK])) for start in range(0, whole, CHUNK)]

    def _chunk(self, chunk: Floats) -> float:
        window = np.concatenate((self._context, chunk))
        self._context = chunk[-_CONTEXT:]
        probability, self._state = self._network.step(window, self._state)
        return probability
