"""A file that only the holder of a key can read, written as it grows: AES-256-GCM in chunks. Bytes in, bytes out.

    header  "CALLREC1", log2 N, r, p (scrypt), salt (16), file salt (16), check (8), length of the id (1), the call's id
    chunk   kind (1), length (4, big endian), ciphertext with its tag;      any number, then exactly one of kind END

- The key of a file is HKDF-SHA256 over scrypt(the configured key, salt) with the file's own salt; `check` is of it too,
  so that a wrong key is told from a damaged file.
- A chunk's nonce is its number and its kind; the header is authenticated with every chunk. So a chunk that is changed,
  moved, left out or from another file is noticed, and so is an end that is missing.
- HOLE holds eight bytes: how many zeros belong here (an hour on hold is no hour of disk).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from callactors.errors import RecordingUnreadable

MAGIC = b"CALLREC1"
DATA, HOLE, END = range(3)
LONGEST = 16 * 1024 * 1024  # bytes of one chunk
PIECE = 1024 * 1024  # bytes of zeros given out at once
_FORM = struct.Struct(">8sBBB16s16s8sB")
_CHUNK = struct.Struct(">BI")
_SCRYPT = (14, 8, 1)  # 16 MiB and some 50 ms, once a process
_TAG = 16


@attrs.frozen
class MasterKey:
    """The configured key, stretched once for a process; every file derives its own from it."""

    salt: bytes
    cost: tuple[int, int, int]
    _bits: bytes = attrs.field(repr=False)

    @classmethod
    def derive(cls, key: str, salt: bytes, cost: tuple[int, int, int] = _SCRYPT) -> MasterKey:
        """Takes some 50 ms of CPU. `salt` is 16 random bytes, or those of a file to be read."""
        log_n, r, p = cost
        return cls(salt, cost, Scrypt(salt, 32, 2**log_n, r, p).derive(key.encode()))

    def of_file(self, salt: bytes) -> tuple[AESGCM, bytes]:
        """The cipher of the file with this salt, and what tells that the key is right."""
        made = HKDF(SHA256(), 40, salt, b"callactors recording").derive(self._bits)
        return AESGCM(made[:32]), made[32:]


class Sealer:
    """Writes one file: `header`, then what `data`, `hole` and finally `end` return, in that order."""

    def __init__(self, master: MasterKey, call: str, salt: bytes) -> None:
        """`salt`: 16 random bytes of this file's own."""
        self._cipher, check = master.of_file(salt)
        name = call.encode()
        self.header = _FORM.pack(MAGIC, *master.cost, master.salt, salt, check, len(name)) + name
        self._number = 0

    def data(self, plain: bytes) -> bytes:
        return self._chunk(DATA, plain)

    def hole(self, zeros: int) -> bytes:
        return self._chunk(HOLE, struct.pack(">Q", zeros))

    def end(self) -> bytes:
        return self._chunk(END, b"")

    def _chunk(self, kind: int, plain: bytes) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, kind), plain, self.header)
        self._number += 1
        return _CHUNK.pack(kind, len(sealed)) + sealed


def _nonce(number: int, kind: int) -> bytes:
    return struct.pack(">QxxxB", number, kind)


@attrs.define(eq=False)
class Unsealer:
    """Reads one file. What is wrong with it is RecordingUnreadable, with words for whoever wants to hear it."""

    file: BinaryIO
    key: str = attrs.field(repr=False)
    call: str = attrs.field(default="", init=False)
    _header: bytes = attrs.field(default=b"", init=False)
    _cipher: AESGCM = attrs.field(init=False)

    def open(self) -> None:
        """Read the header and check the key. Derives it: some 50 ms of CPU."""
        self.file.seek(0)
        form = self.file.read(_FORM.size)
        if len(form) < _FORM.size or form[:8] != MAGIC:
            raise RecordingUnreadable("is no encrypted recording of ours")
        _, *cost, salt, own, check, length = _FORM.unpack(form)
        name = self.file.read(length)
        if len(name) < length:
            raise RecordingUnreadable("was cut off in its beginning: nothing of it is left")
        if not (0 < cost[0] <= 16 and 0 < cost[1] <= 8 and 0 < cost[2] <= 4):
            raise RecordingUnreadable("asks for a key derivation that we never wrote; its beginning is damaged")
        master = MasterKey.derive(self.key, salt, (cost[0], cost[1], cost[2]))
        self._cipher, ours = master.of_file(own)
        if ours != check:
            raise RecordingUnreadable("was encrypted with another recording.key, or its beginning was changed")
        self._header, self.call = form + name, name.decode(errors="replace")

    def plain(self, partial: bool = False) -> Iterator[bytes]:
        """Everything in it, piece by piece, each checked before it is given out.

        `partial`: a file that ends too soon is read up to there. Raises RecordingUnreadable.
        """
        for kind, data in self._chunks(partial):
            if kind == DATA:
                yield data
            elif kind == HOLE:
                yield from _zeros(struct.unpack(">Q", data)[0])

    def size(self, partial: bool = False) -> int:
        """How many bytes `plain` would give. Reads the whole file."""
        return sum(
            len(data) if kind == DATA else struct.unpack(">Q", data)[0]
            for kind, data in self._chunks(partial)
            if kind != END
        )

    def _chunks(self, partial: bool) -> Iterator[tuple[int, bytes]]:
        self.file.seek(len(self._header))
        number, kind = 0, DATA
        while kind != END:
            chunk = self._chunk(number)
            if chunk is None:
                if partial:
                    return
                why = "its process was killed, or it was cut off; --partial gives what is there"
                raise RecordingUnreadable(f"ends too soon, after {number} chunks: {why}")
            kind = chunk[0]
            yield chunk
            number += 1
        if self.file.read(1):
            raise RecordingUnreadable("goes on after its end: something was added to it")

    def _chunk(self, number: int) -> tuple[int, bytes] | None:
        """The next chunk; None where the file ends before it does."""
        form = self.file.read(_CHUNK.size)
        if len(form) < _CHUNK.size:
            return None
        kind, length = _CHUNK.unpack(form)
        if kind > END or not _TAG <= length <= LONGEST:
            raise RecordingUnreadable(f"was changed: chunk {number} is none")
        sealed = self.file.read(length)
        if len(sealed) < length:
            return None
        try:
            return kind, self._cipher.decrypt(_nonce(number, kind), sealed, self._header)
        except InvalidTag:
            raise RecordingUnreadable(f"was changed: chunk {number} is not what was written") from None


def _zeros(count: int) -> Iterator[bytes]:
    for _ in range(count // PIECE):
        yield bytes(PIECE)
    if count % PIECE:
        yield bytes(count % PIECE)
