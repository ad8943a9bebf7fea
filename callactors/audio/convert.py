"""From one AudioFormat to another, streaming, by the cheapest path.

G.711 to the other law is a table; to 8 kHz linear a table; only another rate costs a filter, and one filter, whatever
the two rates. One Converter per stream and direction: it keeps the filter's history and a sample that was split between
two feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.linear import to_bytes, to_samples
from callactors.audio.resample import Resampler, feed_all


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

    def _alike(self, other: Converter) -> bool:
        """Whether the next feed of both may be one."""
        ours, theirs = self._resampler, other._resampler
        if ours is None or theirs is None or self._rest or other._rest:
            return False
        return self.source is other.source and self.target is other.target and ours.alike(theirs)


def feed_together(feeds: Sequence[tuple[Converter, bytes]]) -> list[bytes]:
    """What each converter's `feed` would return, of which none may be there twice: those alike in one go."""
    made = [b""] * len(feeds)
    left = list(range(len(feeds)))
    while left:
        converter, audio = feeds[left[0]]
        whole = len(audio) % converter.source.width == 0
        alike = [n for n in left if whole and len(feeds[n][1]) == len(audio) and converter._alike(feeds[n][0])]
        if len(alike) < 2:
            made[left.pop(0)] = converter.feed(audio)
            continue
        left = [n for n in left if n not in alike]
        for n, one in zip(alike, _fed([feeds[n] for n in alike]), strict=True):
            made[n] = one
    return made


def _fed(feeds: Sequence[tuple[Converter, bytes]]) -> list[bytes]:
    """Those that are alike."""
    first = feeds[0][0]
    samples = to_samples(b"".join(audio for _, audio in feeds), first.source).reshape(len(feeds), -1)
    resamplers = [one._resampler for one, _ in feeds if one._resampler is not None]
    audio = to_bytes(feed_all(resamplers, samples), first.target)
    size = len(audio) // len(feeds)
    return [audio[n * size : (n + 1) * size] for n in range(len(feeds))]


class Together:
    """Conversions that are put off until all calls have brought theirs; whoever gathers says from when until when.

    One numpy operation on one batch costs almost what it costs on twenty: most of it is finding the way there.
    """

    def __init__(self) -> None:
        self._gathering = False
        self._feeds: dict[Converter, tuple[bytes, Callable[[bytes], None]]] = {}

    def convert(self, converter: Converter, audio: bytes, then: Callable[[bytes], None]) -> None:
        """Call `then` with what `feed` returns: at once, or when the gathering ends. `then` must not raise."""
        if not self._gathering:
            then(converter.feed(audio))
            return
        if converter in self._feeds:
            self._convert_all()  # a stream's pieces are converted in their order
        self._feeds[converter] = audio, then

    def gather(self) -> None:
        """From now on conversions wait."""
        self._gathering = True

    def finish(self) -> None:
        """All that wait are done now."""
        self._gathering = False
        self._convert_all()

    def _convert_all(self) -> None:
        feeds, self._feeds = self._feeds, {}
        if not feeds:
            return
        made = feed_together([(converter, audio) for converter, (audio, _) in feeds.items()])
        for (_, then), one in zip(feeds.values(), made, strict=True):
            then(one)


def convert(audio: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    """A whole clip at once."""
    return Converter(source, target).feed(audio)
