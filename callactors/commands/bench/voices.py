"""What the generator's callers say, and how they protect it: packets made once, said again and again.

A second of near silence with one loud packet in it (line.LOUD), which the model peer finds again in an append.
"""

from __future__ import annotations

import base64
import os
import re

import numpy as np

from callactors.audio.opus import Opus
from callactors.commands.bench.line import EVERY, LOUD, Line

OPUS = 107  # payload type
_SUITE = "AES_CM_128_HMAC_SHA1_80"


def pcmu() -> tuple[list[bytes], int, int]:
    """Payloads, payload type, timestamp units a packet."""
    tone = bytes(0x90 if at // 4 % 2 else 0x10 for at in range(160))  # 1 kHz, square
    return [tone if turn == LOUD else b"\xff" * 160 for turn in range(EVERY)], 0, 160


def opus() -> tuple[list[bytes], int, int]:
    """The same by libopus, 24 kbit/s: noise of speech's level, for quiet costs a codec nothing."""
    encoder = Opus()
    noise = np.random.default_rng(1).normal(0, 1_500, 480 * EVERY).astype(np.int16)
    return [encoder.encode(noise[480 * turn : 480 * (turn + 1)].tobytes()) for turn in range(EVERY)], OPUS, 960


def secure(line: Line) -> None:
    """Offer SRTP (RFC 4568) on this line, with a key of its own."""
    ours = os.urandom(30)
    line.key = f"a=crypto:1 {_SUITE} inline:{base64.b64encode(ours).decode()}"
    line.agreed = lambda description: _agree(line, ours, description)


def _agree(line: Line, ours: bytes, description: str) -> None:
    import pylibsrtp

    found = re.search(r"^a=crypto:\d+ \S+ inline:([\w+/=]+)", description, re.M)
    if found is None:
        line.state, line.status = "over", 488
        return
    kinds = pylibsrtp.Policy
    theirs = base64.b64decode(found.group(1))
    line.protect = pylibsrtp.Session(kinds(key=ours, ssrc_type=kinds.SSRC_ANY_OUTBOUND)).protect
    line.unprotect = pylibsrtp.Session(kinds(key=theirs, ssrc_type=kinds.SSRC_ANY_INBOUND)).unprotect
