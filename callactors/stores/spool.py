"""The file of a recording while it grows: a WAV, plain or sealed. Blocking: for threads (actors/deck). Rules:

- A plain WAV's header is true after every `append`: a process that is killed leaves a file that any player plays.
- A sealed file is only ever added to; its WAV header says `until the end of the file`, and is mended when it is read.
- The file is locked while it is written (flock), so that nobody converts or deletes it; a dead process holds no lock.
- Readable by the owner alone.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import attrs

from callactors.audio.wav import HEADER, OPEN_END, header
from callactors.stores.sealed import Sealer


@attrs.define(eq=False)
class Spool:
    """One recording: stereo, 16 bit. `size` is how many bytes of audio it has."""

    path: Path
    rate: int
    sealer: Sealer | None = None
    size: int = attrs.field(default=0, init=False)
    _file: int = attrs.field(default=-1, init=False)

    @property
    def facts(self) -> dict[str, object]:
        """For the record."""
        return {"path": str(self.path), "format": "wav", "rate": self.rate, "encrypted": self.sealer is not None}

    def open(self) -> None:
        """Make the file and its folder. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if self.sealer is None:
            self._write(self._header(0))
        else:
            self._write(self.sealer.header + self.sealer.data(self._header(OPEN_END)))

    def append(self, audio: bytes) -> None:
        """The next interleaved samples. Raises OSError."""
        self.size += len(audio)
        if self.sealer is not None:
            self._write(self.sealer.data(audio))
        else:
            self._write(audio)
            os.pwrite(self._file, self._header(self.size), 0)

    def hole(self, count: int) -> None:
        """`count` bytes of silence, which take no room. Raises OSError."""
        self.size += count
        if self.sealer is not None:
            self._write(self.sealer.hole(count))
        else:
            os.lseek(self._file, count, os.SEEK_CUR)

    def finish(self) -> None:
        """The recording is whole; `close` follows in any case. Raises OSError."""
        if self.sealer is not None:
            self._write(self.sealer.end())
        else:
            os.ftruncate(self._file, HEADER + self.size)
            os.pwrite(self._file, self._header(self.size), 0)

    def close(self) -> None:
        """Idempotent; nothing is lost of what was appended. Raises OSError where the disk only says it now."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def _header(self, size: int) -> bytes:
        return header(size, channels=2, rate=self.rate)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
