"""The codecs a stream can speak, by the name its agreement has: a new one is a line in each of these tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from callactors.audio import g722, opus
from callactors.audio.codec import Codec
from callactors.audio.format import AudioFormat
from callactors.audio.g711_codec import G711

FORMATS = {
    "pcmu": AudioFormat.PCMU,
    "pcma": AudioFormat.PCMA,
    "opus": AudioFormat.PCM16,
    "g722": AudioFormat.PCM16_16K,
}  # the audio of each
_MADE: dict[str, Callable[[str], Codec]] = {
    "pcmu": lambda fmtp: G711(AudioFormat.PCMU),
    "pcma": lambda fmtp: G711(AudioFormat.PCMA),
    "opus": opus.Opus,
    "g722": lambda fmtp: g722.G722(),
}
_MISSING: dict[str, Callable[[], str]] = {"opus": opus.missing, "g722": lambda: g722.MISSING}
REMEDIES = {
    "opus": "install libopus (Debian: apt install libopus0; or pip install 'callactors[opus]')",
    "g722": "pip install G722",
}


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
