"""The codecs a stream can speak, by the name its agreement has: a new one is a line in each of these tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from callactors.audio import g722, opus
from callactors.audio.codec import Codec
from callactors.audio.fade import STEPS, faded
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import LAWS


class G711:
    """PCMU or PCMA: a payload is its own audio. A lost frame is the last one again, fainter each time, then silence."""

    clock_rate = 8_000
    width = 1

    def __init__(self, law: AudioFormat) -> None:
        self.name, self.format = law.value, law
        self._last = b""
        self._missed = 0

    def duration(self, payload: bytes) -> int:
        return len(payload)

    def decode(self, payload: bytes) -> bytes:
        self._last, self._missed = payload, 0
        return payload

    def conceal(self, positions: int, following: bytes | None) -> bytes:
        """In pieces of the last packet's length."""
        made = b""
        while len(made) < positions:
            made += self._faded(positions - len(made))
        return made

    def _faded(self, most: int) -> bytes:
        if self._missed >= STEPS or not self._last:
            return self.format.silence * most
        frame = faded(self._last[-most:], self.format, self._missed)
        self._missed += 1
        return frame

    def silence(self, positions: int) -> bytes:
        return self.format.silence * positions

    def encode(self, audio: bytes) -> bytes:
        return audio


FORMATS = {
    "pcmu": AudioFormat.PCMU,
    "pcma": AudioFormat.PCMA,
    "opus": AudioFormat.PCM16,
    "g722": AudioFormat.PCM16_16K,
}  # the audio of each
_MADE: dict[str, Callable[[str], Codec]] = {
    "pcmu": lambda fmtp: G711(LAWS["pcmu"].format),
    "pcma": lambda fmtp: G711(LAWS["pcma"].format),
    "opus": opus.Opus,
    "g722": lambda fmtp: g722.G722(),
}
_MISSING: dict[str, Callable[[], str]] = {"opus": opus.missing, "g722": lambda: g722.MISSING}


def make_codec(name: str, fmtp: str = "") -> Codec:
    """The codec an agreement names, with the parameters the far end gave (`a=fmtp`).

    Raises KeyError for none of ours, RuntimeError for one this machine cannot speak (see `missing`).
    """
    return _MADE[name](fmtp)


def missing(name: str) -> str:
    """Why this machine cannot speak a codec of ours; empty when it can."""
    return _MISSING[name]() if name in _MISSING else ""


def speakable(names: Iterable[str]) -> tuple[str, ...]:
    """Those of them that this machine can speak, in their order."""
    return tuple(name for name in names if name in _MADE and not missing(name))
