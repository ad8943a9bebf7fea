"""The phrases said again and again, synthesised once: in memory, and on disk under DATA/phrases for the next start.

- A key is the sha256 of voice, text and format: a new voice never plays an old one's words.
- Only what is asked to be kept (greeting, fixed phrases) reaches the disk: what callers hear of themselves never does.
- A file is written whole or not at all; one that cannot be written or read costs a synthesis, never a call.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import OrderedDict
from pathlib import Path

import attrs

from callactors.audio.format import AudioFormat
from callactors.net.offload import in_thread

KEPT_BYTES = 16 * 2**20  # in memory; the least recently used goes first


@attrs.define(eq=False)
class Phrases:
    """A cache of spoken text. Without a folder it lives in memory only."""

    voice: str  # the voice's sha256
    folder: Path | None = None
    _kept: OrderedDict[str, bytes] = attrs.field(factory=OrderedDict, init=False)
    _size: int = attrs.field(default=0, init=False)

    def key(self, text: str, format: AudioFormat) -> str:
        return hashlib.sha256(f"{self.voice}\0{format}\0{text}".encode()).hexdigest()

    def recall(self, text: str, format: AudioFormat) -> bytes | None:
        """What memory has of it; never blocks."""
        key = self.key(text, format)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    async def load(self, text: str, format: AudioFormat) -> bytes | None:
        """What memory or disk has of it."""
        known = self.recall(text, format)
        if known is None and self.folder is not None:
            known = await in_thread(_read, self.folder / self.key(text, format))
            if known:
                self.remember(text, format, known)
        return known

    def remember(self, text: str, format: AudioFormat, audio: bytes) -> None:
        """Keep it in memory."""
        key = self.key(text, format)
        self._size += len(audio) - len(self._kept.pop(key, b""))
        self._kept[key] = audio
        while self._size > KEPT_BYTES:
            self._size -= len(self._kept.popitem(last=False)[1])

    async def store(self, text: str, format: AudioFormat, audio: bytes) -> None:
        """Keep it in memory and on disk."""
        self.remember(text, format, audio)
        if self.folder is not None:
            await in_thread(_write, self.folder / self.key(text, format), audio)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() or None
    except OSError:
        return None


def _write(path: Path, audio: bytes) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a full or read-only disk costs a synthesis next time, not this call
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(audio)
        draft.replace(path)
