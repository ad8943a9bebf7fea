"""From one AudioFormat to another, streaming, by the cheapest path.

G.711 to the other law is a table; to 8 kHz linear a table; only another rate costs a filter, and one filter, whatever
the two rates. One Converter per stream and direction: it keeps the filter's history and a sample that was split between
two feeds.
"""

from __future__ import annotations

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.linear import to_bytes, to_samples
from callactors.audio.resample import Resampler


class Converter:
    """Bytes of `source` in, bytes of `target` out."""

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source, self.target = source, target
        self._resampler = None if source.rate == target.rate else Resampler(source.rate, target.rate)
        self._rest = b""

    def feed(self, audio: bytes) -> bytes:
        """Convert the next piece of the stream; what it makes is returned at once."""
        if self.source is self.target:
            return audio
        if self.source in g711.LAWS and self.target in g711.LAWS:
            return g711.transcode(audio, self.source, self.target)
        samples = self._decode(audio)
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        return to_bytes(samples, self.target)

    def _decode(self, audio: bytes) -> Samples:
        if self.source in g711.LAWS:
            return g711.decode(audio, self.source)
        audio = self._rest + audio
        self._rest = audio[len(audio) & ~1 :]
        return to_samples(audio, self.source)


def convert(audio: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    """A whole clip at once."""
    return Converter(source, target).feed(audio)
