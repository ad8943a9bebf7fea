"""Whisper on ctranslate2: one utterance of telephone speech to text, one thread a decode.

- The window is 8 or 10 s, the smallest that holds the speech with a second to spare: always 30 s costs 3-6 times as
  much, and a window that fits the speech makes the decoder loop. Longer speech is decoded breath by breath.
- A decode yields at most 6 tokens a second, and nothing where Whisper itself thinks there was no speech.
- It blocks for 0.05-0.3 s: call it in a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, cast

import attrs
import numpy as np

from callactors.speech import wave
from callactors.speech.stt.breaths import slices
from callactors.speech.stt.log_mel import RATE, log_mel
from callactors.speech.stt.repeats import without_repeats
from callactors.speech.wave import Samples

WINDOWS = (8, 10)  # seconds
NO_SPEECH = 0.6  # real speech peaked at 0.41
_TOKENS_PER_SECOND = 6
_TELEPHONE = 8_000


class _Tokenizer(Protocol):
    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str: ...
    def token_to_id(self, token: str) -> int | None: ...


def window_for(seconds: float) -> int:
    """The window, in seconds, to decode `seconds` of speech in."""
    return next((window for window in WINDOWS if seconds + 1.0 <= window), WINDOWS[-1])


@attrs.frozen(eq=False)
class Whisper:
    """A loaded model; `transcribe` may run in as many threads at once as it was loaded with workers."""

    _model: Any  # ctranslate2.models.Whisper, which has no annotations
    _tokenizer: _Tokenizer
    _prompt: list[int]

    @classmethod
    def load(cls, folder: Path, workers: int = 2) -> Whisper:
        """Load the model in `folder` (0.3 s, 100 MB): call it in a thread."""
        import ctranslate2
        import tokenizers

        model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
        )
        tokenizer = cast(_Tokenizer, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")))
        words = ["<|startoftranscript|>", *(["<|en|>", "<|transcribe|>"] if model.is_multilingual else [])]
        ids = [tokenizer.token_to_id(word) for word in (*words, "<|notimestamps|>")]
        return cls(model, tokenizer, [token for token in ids if token is not None])

    def transcribe(self, samples: Samples) -> str:
        """The words in `samples` (int16, 8 kHz); empty when there were none."""
        texts = [self._decode(part) for part in slices(samples)]
        return " ".join(text for text in texts if text)

    def _decode(self, samples: Samples) -> str:
        import ctranslate2

        seconds = len(samples) / _TELEPHONE
        sound = wave.resample(wave.to_floats(samples), _TELEPHONE, RATE)
        features = log_mel(sound, window_for(seconds))
        result = self._model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None])),
            [self._prompt],
            beam_size=1,
            max_length=2
            * (8 + int(_TOKENS_PER_SECOND * seconds)),  # ctranslate2 halves it, as Whisper halves its context
            return_no_speech_prob=True,
        )[0]
        if result.no_speech_prob > NO_SPEECH:
            return ""
        return without_repeats(self._tokenizer.decode(list(result.sequences_ids[0]), skip_special_tokens=True).strip())
