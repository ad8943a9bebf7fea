"""A stereo recording as Ogg/Opus: int16 in, bytes of the file out, frame by frame (RFC 7845).

Both sides are mono streams of their own (audio/ogg). The rate stays what it was; 20 ms a packet. It costs CPU: for a
thread, after the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from callactors.audio.ogg import GRANULES, OpusWriter
from callactors.audio.opus import FileEncoder
from callactors.audio.reel import SIDES, WIDTH

FRAMES = 50  # a second
BITRATE = {8_000: 14_000, 16_000: 20_000, 24_000: 24_000}  # bits a second and side
_AT_MOST = 32_000


def encoded(pieces: Iterable[bytes], rate: int, serial: int, comments: tuple[str, ...] = ()) -> Iterator[bytes]:
    """The file, piece by piece. `pieces` are interleaved s16le of any length; `serial` is any 32 bits.

    Raises RuntimeError where libopus is missing.
    """
    encoders = [FileEncoder(rate, BITRATE.get(rate, _AT_MOST)) for _ in range(SIDES)]
    scale, size = GRANULES // rate, rate // FRAMES * WIDTH
    writer = OpusWriter(serial, SIDES, encoders[0].lookahead * scale, rate)
    yield writer.begin("callactors", comments)
    held, count = bytearray(), 0
    for piece in pieces:
        held += piece
        count += len(piece)
        for frame in _frames(held, size):
            yield from _packet(writer, encoders, frame)
    late = encoders[0].lookahead * WIDTH  # what the encoder still holds back
    held += bytes(-(len(held) + late) % size + late)
    for frame in _frames(held, size):
        yield from _packet(writer, encoders, frame)
    yield writer.end(count // WIDTH * scale)


def _frames(held: bytearray, size: int) -> Iterator[bytes]:
    """Every whole frame that is held; it is held no longer."""
    whole = len(held) // size * size
    for at in range(0, whole, size):
        yield bytes(held[at : at + size])
    del held[:whole]


def _packet(writer: OpusWriter, encoders: list[FileEncoder], frame: bytes) -> Iterator[bytes]:
    sides = np.frombuffer(frame, "<i2").reshape(-1, SIDES)
    parts = [encoder.encode(sides[:, side].tobytes()) for side, encoder in enumerate(encoders)]
    if made := writer.packet(parts, GRANULES // FRAMES):
        yield made
