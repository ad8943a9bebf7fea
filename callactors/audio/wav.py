"""WAV as bytes: a 44 byte header to write, chunks to read. Sizes are checked against what is there, never trusted.

Format tags (Microsoft RIFF): 1 linear, 6 A-law, 7 u-law; 0xFFFE (extensible) carries its tag in the sub-format.
"""

from __future__ import annotations

import struct

import attrs
import numpy as np

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.errors import Theirs

HEADER = 44
_TAGS = {AudioFormat.PCMA: 6, AudioFormat.PCMU: 7}
OPEN_END = 0xFFFFFFFF - HEADER  # a size nobody knew yet: the audio goes on to the end of the file


class MalformedWav(Theirs):
    """A file that is no WAV, or of a kind we do not read."""


@attrs.frozen
class Wav:
    """What was read: int16 samples, one column per channel."""

    rate: int
    samples: Samples

    @property
    def channels(self) -> int:
        return int(self.samples.shape[1])

    @property
    def ms(self) -> int:
        return len(self.samples) * 1000 // self.rate


def header(size: int, *, encoding: AudioFormat = AudioFormat.PCM16_8K, channels: int = 1, rate: int = 0) -> bytes:
    """The header before `size` bytes of audio; write it again when the size is known. `rate` 0 is the encoding's."""
    width, rate, size = encoding.width, rate or encoding.rate, min(size, OPEN_END)
    form = (_TAGS.get(encoding, 1), channels, rate, rate * channels * width, channels * width, 8 * width)
    riff = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", size + HEADER - 8, b"WAVE", b"fmt ", 16, *form)
    return riff + struct.pack("<4sI", b"data", size)


def mended(head: bytes, size: int) -> bytes:
    """A header of ours as it is; where it was written before the size was known, with `size`."""
    if head[40:44] != struct.pack("<I", OPEN_END):
        return head
    size = min(size, OPEN_END)
    return head[:4] + struct.pack("<I", size + HEADER - 8) + head[8:40] + struct.pack("<I", size)


def write(samples: Samples, rate: int) -> bytes:
    """A whole file of linear samples: one channel, or one column per channel."""
    channels = 1 if samples.ndim == 1 else int(samples.shape[1])
    audio = samples.astype("<i2", copy=False).tobytes()
    return header(len(audio), channels=channels, rate=rate) + audio


def read(data: bytes) -> Wav:
    """Parse a WAV of 8 kHz or any other rate: linear 16 bit, A-law or u-law. Raises MalformedWav."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise MalformedWav("no RIFF/WAVE header")
    chunks = _chunks(data)
    if len(chunks.get(b"fmt ", b"")) < 16 or b"data" not in chunks:
        raise MalformedWav("no fmt or data chunk")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    if tag == 0xFFFE and len(chunks[b"fmt "]) >= 26:
        tag = struct.unpack_from("<H", chunks[b"fmt "], 24)[0]
    if not channels or not rate:
        raise MalformedWav("no channel, or a rate of 0")
    flat = _samples(tag, bits, chunks[b"data"])
    whole = len(flat) // channels * channels
    return Wav(rate, flat[:whole].reshape(-1, channels))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        chunks.setdefault(name, data[at + 8 : at + 8 + size])
        at += 8 + size + (size & 1)
    return chunks


def _samples(tag: int, bits: int, audio: bytes) -> Samples:
    if tag == 1 and bits == 16:
        return np.frombuffer(audio[: len(audio) & ~1], dtype="<i2").astype(np.int16, copy=False)
    if tag == 6:
        return g711.pcma_decode(audio)
    if tag == 7:
        return g711.pcmu_decode(audio)
    raise MalformedWav(f"format {tag} with {bits} bits is not read; use linear 16 bit, A-law or u-law")
