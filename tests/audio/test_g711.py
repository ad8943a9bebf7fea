"""G.711 against the vectors of ITU-T G.191."""

from __future__ import annotations

import numpy as np
import pytest

from callactors.audio import g711
from callactors.audio.format import AudioFormat

SAMPLES = np.array([0, 1, -1, 100, -100, 1000, -1000, 8000, -8000, 32124, -32124, 32767, -32768], dtype=np.int16)
ULAW = bytes.fromhex("ffff7ff273ce4ea02080008000")
ALAW = bytes.fromhex("d5d555d353fa7a8a0aaa2aaa2a")


def _ulaw_compress(linear: int) -> int:
    """G.191 ulaw_compress, statement by statement."""
    magnitude = min((((~linear) if linear < 0 else linear) >> 2) + 33, 0x1FFF)
    rest, segment = magnitude >> 6, 1
    while rest:
        rest, segment = rest >> 1, segment + 1
    code = ((8 - segment) << 4) | (0xF - ((magnitude >> segment) & 0xF))
    return code | 0x80 if linear >= 0 else code


def _alaw_compress(linear: int) -> int:
    """G.191 alaw_compress, statement by statement."""
    code = ((~linear) if linear < 0 else linear) >> 4
    if code > 15:
        exponent = 1
        while code > 31:
            code, exponent = code >> 1, exponent + 1
        code += (exponent << 4) - 16
    return (code | 0x80 if linear >= 0 else code) ^ 0x55


def _ulaw_expand(code: int) -> int:
    """G.191 ulaw_expand, statement by statement."""
    sign = -1 if code < 0x80 else 1
    mantissa = ~code & 0xFF
    exponent = (mantissa >> 4) & 0x7
    mantissa &= 0xF
    step = 4 << (exponent + 1)
    return sign * ((0x80 << exponent) + step * mantissa + step // 2 - 4 * 33)


def _alaw_expand(code: int) -> int:
    """G.191 alaw_expand, statement by statement."""
    rest = (code ^ 0x55) & 0x7F
    exponent, mantissa = rest >> 4, rest & 0xF
    if exponent > 0:
        mantissa += 16
    mantissa = (mantissa << 4) + 8
    if exponent > 1:
        mantissa <<= exponent - 1
    return mantissa if code > 127 else -mantissa


def test_every_code_is_decoded_as_the_reference_does() -> None:
    assert g711.pcmu_decode(bytes(range(256))).tolist() == [_ulaw_expand(code) for code in range(256)]
    assert g711.pcma_decode(bytes(range(256))).tolist() == [_alaw_expand(code) for code in range(256)]


def test_ulaw_encodes_the_vector() -> None:
    assert g711.pcmu_encode(SAMPLES) == ULAW


def test_alaw_encodes_the_vector() -> None:
    assert g711.pcma_encode(SAMPLES.tobytes()) == ALAW


def test_ulaw_decodes_the_vector() -> None:
    heard = [0, 0, 0, 104, -96, 988, -988, 7932, -7932, 32124, -32124, 32124, -32124]
    assert g711.pcmu_decode(ULAW).tolist() == heard


def test_alaw_decodes_the_vector() -> None:
    heard = [8, 8, -8, 104, -104, 1008, -1008, 8064, -8064, 32256, -32256, 32256, -32256]
    assert g711.pcma_decode(ALAW).tolist() == heard


def test_every_sample_is_encoded_as_the_reference_does() -> None:
    every = np.arange(-32768, 32768, dtype=np.int32)
    assert g711.pcmu_encode(every.astype(np.int16)) == bytes(_ulaw_compress(int(s)) for s in every)
    assert g711.pcma_encode(every.astype(np.int16)) == bytes(_alaw_compress(int(s)) for s in every)


@pytest.mark.parametrize("law", [AudioFormat.PCMU, AudioFormat.PCMA])
def test_every_code_survives_decoding_and_encoding(law: AudioFormat) -> None:
    every = bytes(range(256))
    back = g711.encode(g711.decode(every, law), law)
    assert back.replace(b"\xff", b"\x7f") == every.replace(b"\xff", b"\x7f")  # u-law has two zeros


def test_from_law_to_law_keeps_the_sound() -> None:
    tone = g711.pcmu_encode((8000 * np.sin(np.arange(800) / 5)).astype(np.int16))
    alaw = g711.transcode(tone, AudioFormat.PCMU, AudioFormat.PCMA)
    difference = g711.pcma_decode(alaw).astype(int) - g711.pcmu_decode(tone)
    assert abs(difference).max() <= 256
