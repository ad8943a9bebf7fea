"""Digits by INFO (RFC 6086): `application/dtmf-relay` (Signal=5) and `application/dtmf` (5); no RFC wrote them down.

10 to 15 are codes, as in RFC 4733: 10 is `*`, 11 is `#`.
"""

from __future__ import annotations

from callactors.rtp.telephone_event import KEYS, TONE

RELAY = "application/dtmf-relay"
_CODED = {str(code): key for code, key in enumerate(KEYS) if code > 9}


def info_digit(content_type: str, body: bytes) -> str | None:
    """The digit of an INFO; None when it is none."""
    text, kind = body[:128].decode("latin-1"), content_type.partition(";")[0].strip().lower()
    if kind == RELAY:
        fields: dict[str, str] = {}
        for line in text.splitlines():
            name, found, value = line.partition("=")
            if found:
                fields[name.strip().lower()] = value.strip()
        text = fields.get("signal", "")
    elif kind != "application/dtmf":
        return None
    signal = text.strip().upper()
    return signal if len(signal) == 1 and signal in KEYS else _CODED.get(signal)


def info_bodies(digits: str) -> list[bytes]:
    """Digits as the bodies of our INFOs, one each. Raises ValueError for what is no key."""
    digits = digits.upper()
    if any(digit not in KEYS for digit in digits):
        raise ValueError(f"{digits!r} has what is no key; use 0-9 * # A-D")
    return [f"Signal={digit}\r\nDuration={TONE}\r\n".encode() for digit in digits]
