"""The folder of recordings: what they are called, how they are read, converted, found and deleted. Blocking.

    <call>.wav  <call>.opus        as they are
    <call>.wav.sealed ...          encrypted (stores/sealed)
    <call>.opus[.sealed].part      a conversion under way; one that a dead process left is deleted

- A recording grows as WAV (stores/spool); where Opus is wanted it is converted once the call has ended, also that of a
  call whose process was killed.
- A file that is being written is locked, and left alone by everybody else.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import attrs

from callactors.audio.opus_file import encoded
from callactors.audio.wav import HEADER, mended
from callactors.errors import RecordingUnreadable
from callactors.stores.sealed import MasterKey, Sealer, Unsealer
from callactors.stores.spool import Spool

RATES = (8_000, 16_000, 24_000)
SEALED, PART = ".sealed", ".part"
DAY = 86_400
PIECE = 256 * 1024
_NAME = re.compile(r"([0-9a-f-]{8,64})\.(wav|opus)(\.sealed)?")


@attrs.frozen
class Kept:
    """One recording in the folder."""

    path: Path
    call: str
    format: str
    encrypted: bool

    @classmethod
    def of(cls, path: Path) -> Kept | None:
        """None for a file that is none of ours."""
        match = _NAME.fullmatch(path.name)
        return cls(path, match[1], match[2], match[3] is not None) if match else None


@attrs.frozen
class Recordings:
    """The recordings of one data folder. `random(n)` is n random bytes."""

    folder: Path
    random: Callable[[int], bytes] = os.urandom
    master: MasterKey | None = None
    key: str | None = attrs.field(default=None, repr=False)

    def spool(self, call: str, rate: int) -> Spool:
        """A file for this call, not yet opened."""
        sealer = Sealer(self.master, call, self.random(16)) if self.master is not None else None
        return Spool(self.folder / f"{call}.wav{SEALED if sealer is not None else ''}", rate, sealer)

    def find(self, call: str) -> Kept | None:
        """This call's recording, if there is one: the converted one before the one it was made of."""
        for suffix in (".opus", f".opus{SEALED}", ".wav", f".wav{SEALED}"):
            path = self.folder / f"{call}{suffix}"
            if path.is_file():
                return Kept.of(path)
        return None

    def all(self) -> Iterator[Kept]:
        for path in sorted(self.folder.glob("*")) if self.folder.is_dir() else ():
            kept = Kept.of(path)
            if kept is not None:
                yield kept

    # -- reading -------------------------------------------------------------------------------------------------

    def pieces(self, kept: Kept, *, partial: bool = False) -> Iterator[bytes]:
        """A recording as any player takes it. `partial`: also one that ends too soon, as far as it goes.

        Raises RecordingUnreadable, OSError. Nothing is given out before it was checked, piece by piece.
        """
        with kept.path.open("rb") as file:
            if not kept.encrypted:
                yield from iter(lambda: file.read(PIECE), b"")
                return
            if self.key is None:
                raise RecordingUnreadable("is encrypted, and the configuration has no recording.key")
            unsealer = Unsealer(file, self.key)
            unsealer.open()
            if unsealer.call != kept.call:
                raise RecordingUnreadable(f"is not of this call: it was recorded as {unsealer.call[:80]!r}")
            yield from _headed(unsealer, kept, partial)

    # -- converting ----------------------------------------------------------------------------------------------

    def convert(self, kept: Kept) -> Kept | None:
        """Make the Opus file of a finished WAV, and delete that. None while it is still being written.

        What a killed process left is converted as far as it goes. Raises RecordingUnreadable, OSError, RuntimeError.
        """
        with _unused(kept.path) as free:
            if not free or not kept.path.exists():
                return None
            target = kept.path.with_name(f"{kept.call}.opus{SEALED if kept.encrypted else ''}")
            part = target.with_name(target.name + PART)
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    self._encode(kept, file)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            kept.path.unlink()
        return Kept.of(target)

    def _encode(self, kept: Kept, file: BinaryIO) -> None:
        """Sealed again under a salt of its own, if it was sealed."""
        pieces = self.pieces(kept, partial=True)
        head = next(pieces, b"")
        while len(head) < HEADER and (more := next(pieces, b"")):
            head += more
        rate = int.from_bytes(head[24:28], "little")
        if head[:4] != b"RIFF" or rate not in RATES:
            raise RecordingUnreadable("is no recording of ours")
        sealer = Sealer(self._own_master(), kept.call, self.random(16)) if kept.encrypted else None
        if sealer is not None:
            file.write(sealer.header)
        opus = encoded(_audio(head[HEADER:], pieces), rate, int.from_bytes(self.random(4)), (f"TITLE={kept.call}",))
        for piece in opus:
            file.write(sealer.data(piece) if sealer is not None else piece)
        if sealer is not None:
            file.write(sealer.end())

    def _own_master(self) -> MasterKey:
        if self.master is None:
            raise RecordingUnreadable("is encrypted, and the configuration has no recording.key")
        return self.master

    # -- deleting ------------------------------------------------------------------------------------------------

    def expired(self, days: int, now: float) -> Iterator[Kept]:
        """Delete what was last written more than `days` days before `now` (UTC seconds); tells each one it deleted."""
        for kept in self.all():
            try:
                old = kept.path.stat().st_mtime < now - days * DAY
                if old:
                    kept.path.unlink()
            except FileNotFoundError:
                continue
            if old:
                yield kept

    def sweep_parts(self) -> None:
        """Delete conversions that a dead process left half done."""
        for part in self.folder.glob(f"*{PART}") if self.folder.is_dir() else ():
            with _unused(part) as free:
                if free:
                    part.unlink(missing_ok=True)


def _audio(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _headed(unsealer: Unsealer, kept: Kept, partial: bool) -> Iterator[bytes]:
    """A sealed WAV was written before its length was known: its header is mended with what there is."""
    size = unsealer.size(partial) if kept.format == "wav" else 0
    for number, piece in enumerate(unsealer.plain(partial)):
        yield mended(piece, size - HEADER) if number == 0 and kept.format == "wav" else piece


@contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Whether nobody writes this file; while inside, nobody begins to."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
