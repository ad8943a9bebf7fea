"""Opus (RFC 6716) as it travels in RTP (RFC 7587): the one file that knows opuslib and libopus.

- Audio is mono PCM16 at 24 kHz, straight from and to libopus: no resampler; a stereo packet is mixed down by it.
- libopus is looked for when first asked for: the system's, then one that came inside a wheel. Absent: see `missing`.
- opuslib's `inband_fec` setter and `decode(None)` are broken, its buffers go through Python lists: here its low level
  is called, with controls by `encoder_ctl`, an empty payload for what was lost, and buffers that are kept.
- What the far end wants of our encoder is its a=fmtp (section 6.1): see `Wishes`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from callactors.audio.format import AudioFormat

RATE = 24_000
WIDTH = 6  # bytes a position of 1/8000 s
STEP = 20  # positions: 2.5 ms, what libopus counts in
LONGEST = 960  # positions in a packet: 120 ms (RFC 6716 section 3.2.5)
FRAMES = (20, 40, 80, 160, 320, 480)  # positions that one frame may have
BITRATE = 24_000
LOWEST_BITRATE = 6_000
COMPLEXITY = 2  # of 10: a third of the time of the default, and nobody hears it at this rate
QUIET = 25  # packets of digital silence after which the last one is sent again, without asking libopus
KEEP_ALIVE = 20  # of these, every so many go to who wants none sent: 400 ms, as libopus has it
EXPECTED_LOSS = 10  # percent, for which redundancy is laid in
CONCEALED, FADING = 800, 400  # positions in a row that are made up (100 ms, then silence), the last of them fainter
DTX = 2  # a packet of so few bytes need not be sent
_MOST = 1_275  # bytes of a frame
_GET_LOOKAHEAD = 4027  # opuslib's own name for it leads nowhere
_WHEELS = (("av", "../av.libs/libopus-*.so*"), ("opuslib_next", "_native/libopus.*"))
_BANDS = ((8_000, 1101), (12_000, 1102), (16_000, 1103), (24_000, 1104))  # maxplaybackrate -> OPUS_BANDWIDTH_*


@attrs.frozen
class Wishes:
    """What a far end's a=fmtp asks of what it is sent (RFC 7587 section 6.1); what makes no sense asks for nothing."""

    fec: bool = False
    dtx: bool = False
    constant: bool = False
    bitrate: int = BITRATE
    playback: int = 48_000  # Hz it can play

    @classmethod
    def parse(cls, fmtp: str) -> Wishes:
        """Of the parameters alone, as `useinbandfec=1; stereo=1`."""
        said: dict[str, int] = {}
        for part in fmtp.split(";"):
            name, _, value = part.strip(" ").partition("=")
            if value.isascii() and value.isdigit() and len(value) <= 6:
                said.setdefault(name.strip(" ").lower(), int(value))
        return cls(
            fec=said.get("useinbandfec") == 1,
            dtx=said.get("usedtx") == 1,
            constant=said.get("cbr") == 1,
            bitrate=max(LOWEST_BITRATE, min(BITRATE, said.get("maxaveragebitrate", BITRATE))),
            playback=said.get("maxplaybackrate", 48_000),
        )


# -- the library -----------------------------------------------------------------------------------------------------


def missing() -> str:
    """Why there is no Opus on this machine; empty when there is."""
    return load()[1]


def version() -> str:
    """What libopus says of itself, as "libopus 1.3.1"; empty without it."""
    opus = load()[0]
    return "" if opus is None else str(opus.api.info.get_version_string().decode())


@cache
def load() -> tuple[Any, str]:
    """opuslib on the first libopus that can be loaded; None and the reason, where there is none."""
    tried: list[str] = []
    for path in candidates():
        try:
            ctypes.CDLL(path)
        except OSError as problem:
            tried.append(str(problem))
        else:
            return _import(path)
    return None, "; ".join(tried) or "libopus is not installed"


def candidates() -> Iterator[str]:
    """Where a libopus may be: the system's, then those inside wheels that may be installed."""
    yield "libopus.so.0"
    if found := ctypes.util.find_library("opus"):
        yield found
    for package, pattern in _WHEELS:
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield from (str(path) for path in sorted(Path(spec.origin).parent.glob(pattern)))


def _import(path: str) -> tuple[Any, str]:
    """opuslib looks for its library while it is imported, by ctypes.util.find_library: it is told this one."""
    names = vars(ctypes.util)
    look, names["find_library"] = ctypes.util.find_library, lambda name: path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # `is not` with a literal in its decoder
            import opuslib
            import opuslib.api.ctl
            import opuslib.api.decoder
            import opuslib.api.encoder
            import opuslib.api.info
    except (ImportError, AttributeError) as problem:
        return None, f"opuslib is not there ({problem})"
    finally:
        names["find_library"] = look
    return opuslib, ""


# -- packets ---------------------------------------------------------------------------------------------------------


def _frame(toc: int) -> int:
    """Positions of one frame, by the configuration in a packet's first byte (RFC 6716 section 3.1)."""
    config = toc >> 3
    if config < 12:
        return (80, 160, 320, 480)[config & 3]
    return (80, 160)[config & 1] if config < 16 else (20, 40, 80, 160)[config & 3]


_FRAME = tuple(_frame(toc) for toc in range(256))


def duration(payload: bytes) -> int:
    """Positions a packet lasts; 0 when it is none (RFC 6716 section 3.2 and its rules R1, R2, R5)."""
    if not payload:
        return 0
    count = (1, 2, 2, 0)[payload[0] & 3]
    if not count:
        count = payload[1] & 0x3F if len(payload) > 1 else 0
    length = count * _FRAME[payload[0]]
    return length if length <= LONGEST else 0


# -- the codec -------------------------------------------------------------------------------------------------------


class Opus:
    """One stream's decoder and encoder. Raises RuntimeError where libopus is missing: see `missing`."""

    name = "opus"
    format = AudioFormat.PCM16
    clock_rate = 48_000
    width = WIDTH
    plain = False

    def __init__(self, fmtp: str = "") -> None:
        opus, why_not = load()
        if opus is None:
            raise RuntimeError(why_not)
        self._opus, self.wishes = opus, Wishes.parse(fmtp)
        self._decoder: Any = opus.Decoder(RATE, 1)  # these two free what libopus made
        self._encoder: Any = opus.Encoder(RATE, 1, opus.APPLICATION_VOIP)
        self._decode, self._encode = opus.api.decoder.libopus_decode, opus.api.encoder.libopus_encode
        self._heard = (ctypes.c_int16 * (LONGEST * 3))()
        self._said = ctypes.create_string_buffer(_MOST)
        self._missed = CONCEALED  # nothing has been heard that could be gone on with
        self._quiet = self._length = 0
        self._silent = b""
        self._set_up()

    def _set_up(self) -> None:
        wishes, ctl = self.wishes, self._opus.api.ctl
        band = next((band for rate, band in _BANDS if wishes.playback <= rate), None)
        self._control(ctl.set_bitrate, wishes.bitrate)
        self._control(ctl.set_complexity, COMPLEXITY)
        self._control(ctl.set_vbr, not wishes.constant)
        self._control(ctl.set_dtx, wishes.dtx)
        self._control(ctl.set_inband_fec, wishes.fec)
        self._control(ctl.set_packet_loss_perc, EXPECTED_LOSS if wishes.fec else 0)
        if band is not None:
            self._control(ctl.set_max_bandwidth, band)

    def _control(self, request: Callable[..., None], value: int) -> None:
        self._opus.api.encoder.encoder_ctl(self._encoder.encoder_state, request, int(value))

    # -- what is heard -------------------------------------------------------------------------------------------

    def duration(self, payload: bytes) -> int:
        return duration(payload)

    def decode(self, payload: bytes) -> bytes:
        """A packet that libopus refuses sounds like a lost one."""
        positions = duration(payload)
        audio = self._run(payload, positions)
        if audio is None:
            return self.conceal(positions, None)
        self._missed = 0
        return audio

    def conceal(self, positions: int, following: bytes | None) -> bytes:
        """The redundancy in the packet behind the gap (RFC 6716 section 2.1.7), what libopus makes up, then silence."""
        made = min(positions, max(0, CONCEALED - self._missed))
        if following and duration(following) and made == positions:
            audio = self._run(following, made, fec=True)
        else:
            audio = self._run(b"", made)
        faded = _faded(audio or b"", self._missed)
        self._missed += positions
        return _exactly(faded, positions * WIDTH)

    def silence(self, positions: int) -> bytes:
        return bytes(positions * WIDTH)

    def _run(self, payload: bytes, positions: int, *, fec: bool = False) -> bytes | None:
        """libopus, for whole steps of its own; None when it refuses."""
        if not positions:
            return b""
        samples = -(-positions // STEP) * STEP * 3
        count = self._decode(self._decoder.decoder_state, payload, len(payload), self._heard, samples, int(fec))
        return ctypes.string_at(self._heard, count * 2) if count >= 0 else None

    # -- what is said --------------------------------------------------------------------------------------------

    def encode(self, audio: bytes) -> bytes:
        """One frame: what has no length of one is padded with silence to the next (60 ms are the most)."""
        self._quiet = self._quiet + 1 if audio.count(0) == len(audio) == self._length else 0
        self._length = len(audio)
        if self._quiet > QUIET:
            return self._silent if not self.wishes.dtx or self._quiet % KEEP_ALIVE == 0 else b""
        payload = self._encoded(audio)
        self._silent = payload or self._silent
        return payload

    def _encoded(self, audio: bytes) -> bytes:
        positions = len(audio) // WIDTH
        frame = next((frame for frame in FRAMES if frame >= positions), FRAMES[-1])
        audio = _exactly(audio, frame * WIDTH)
        sound = ctypes.cast(ctypes.c_char_p(audio), self._opus.api.c_int16_pointer)
        count = self._encode(self._encoder.encoder_state, sound, frame * 3, self._said, _MOST)
        if count <= DTX and self.wishes.dtx:
            return b""
        return ctypes.string_at(self._said, max(0, count))


# -- files -----------------------------------------------------------------------------------------------------------


class FileEncoder:
    """One side of a recording, mono at `rate` (8, 16, 24 or 48 kHz): every frame has a packet. Raises as Opus does."""

    def __init__(self, rate: int, bitrate: int) -> None:
        opus, why_not = load()
        if opus is None:
            raise RuntimeError(why_not)
        self._opus = opus
        self._encoder: Any = opus.Encoder(rate, 1, opus.APPLICATION_VOIP)
        self._said = ctypes.create_string_buffer(_MOST)
        state, control, ctl = self._encoder.encoder_state, opus.api.encoder.encoder_ctl, opus.api.ctl
        control(state, ctl.set_bitrate, bitrate)
        control(state, ctl.set_complexity, COMPLEXITY)
        self.lookahead = int(control(state, ctl.get(_GET_LOOKAHEAD, ctypes.c_int)))  # samples that come out late

    def encode(self, samples: bytes) -> bytes:
        """The packet of one frame of s16le."""
        sound = ctypes.cast(ctypes.c_char_p(samples), self._opus.api.c_int16_pointer)
        encode = self._opus.api.encoder.libopus_encode
        count = encode(self._encoder.encoder_state, sound, len(samples) // 2, self._said, _MOST)
        return ctypes.string_at(self._said, max(0, count))


def _faded(audio: bytes, missed: int) -> bytes:
    """Made-up audio, `missed` positions into a gap, as loud as it may still be there."""
    if not audio or missed + len(audio) // WIDTH <= CONCEALED - FADING:
        return audio
    samples = np.frombuffer(audio, np.int16)
    left = CONCEALED - missed - np.arange(len(samples)) / 3
    return np.asarray(np.rint(samples * np.clip(left / FADING, 0, 1)), np.int16).tobytes()


def _exactly(audio: bytes, size: int) -> bytes:
    return audio[:size] if len(audio) >= size else audio + bytes(size - len(audio))
