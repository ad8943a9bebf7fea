"""TNAuthList, the extension that says for which numbers a certificate may sign (RFC 8226 section 9).

    TNAuthorizationList ::= SEQUENCE SIZE (1..MAX) OF TNEntry       -- explicit tags
    TNEntry ::= CHOICE { spc [0] IA5String, range [1] SEQUENCE { start IA5String, count INTEGER }, one [2] IA5String }

Only as much DER is read here as this needs; every length is checked, nothing recurses.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from callactors.errors import BadIdentity

OID = "1.3.6.1.5.5.7.1.26"
MAX_ENTRIES = 10_000
_SEQUENCE, _IA5, _INTEGER = 0x30, 0x16, 0x02
_SPC, _RANGE, _ONE = 0xA0, 0xA1, 0xA2


class TnAuthList(msgspec.Struct, frozen=True):
    """Service provider codes (they sign for any number), and numbers: first and how many from it."""

    codes: tuple[str, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()

    def covers(self, number: str) -> bool:
        """Whether its holder may sign for this number (digits)."""
        if self.codes:
            return True
        return any(_within(number, start, count) for start, count in self.numbers)


def read(der: bytes) -> TnAuthList:
    """The value of the extension. Raises BadIdentity(437)."""
    [(tag, body)] = _elements(der, 1)
    if tag != _SEQUENCE:
        raise _bad()
    codes, numbers = list[str](), list[tuple[str, int]]()
    for kind, entry in _elements(body, MAX_ENTRIES):
        [(inner, value)] = _elements(entry, 1)
        if kind == _SPC and inner == _IA5:
            codes.append(_text(value))
        elif kind == _ONE and inner == _IA5:
            numbers.append((_text(value), 1))
        elif kind == _RANGE and inner == _SEQUENCE:
            numbers.append(_range(value))
        else:
            raise _bad()
    if not codes and not numbers:
        raise _bad()
    return TnAuthList(tuple(codes), tuple(numbers))


def write(entries: TnAuthList) -> bytes:
    """The DER of these entries, for certificates of our own."""
    parts = [_der(_SPC, _der(_IA5, code.encode())) for code in entries.codes]
    for start, count in entries.numbers:
        first = _der(_IA5, start.encode())
        if count == 1:
            parts.append(_der(_ONE, first))
        else:
            size = count.to_bytes(count.bit_length() // 8 + 1, "big")
            parts.append(_der(_RANGE, _der(_SEQUENCE, first + _der(_INTEGER, size))))
    return _der(_SEQUENCE, b"".join(parts))


def _range(value: bytes) -> tuple[str, int]:
    parts = list(_elements(value, 2))
    if [tag for tag, _ in parts] != [_IA5, _INTEGER] or len(parts[1][1]) > 8:
        raise _bad()
    return _text(parts[0][1]), int.from_bytes(parts[1][1], "big", signed=True)


def _within(number: str, start: str, count: int) -> bool:
    if count == 1 or not (number.isdecimal() and start.isdecimal()):
        return number == start
    return len(number) == len(start) and 0 <= int(number) - int(start) < count


def _text(value: bytes) -> str:
    if not value or len(value) > 64 or not value.isascii():
        raise _bad()
    return value.decode("ascii")


def _elements(der: bytes, most: int) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element; one that must be alone is alone."""
    at = found = 0
    while at < len(der):
        tag, length, body = _head(der, at)
        at, found = body + length, found + 1
        if at > len(der) or found > most:
            raise _bad()
        yield tag, der[body:at]
    if not found:
        raise _bad()


def _head(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, length of the content, and where it begins."""
    if at + 2 > len(der):
        raise _bad()
    tag, length = der[at], der[at + 1]
    if length < 0x80:
        return tag, length, at + 2
    size = length - 0x80
    if not 1 <= size <= 3 or at + 2 + size > len(der):
        raise _bad()
    return tag, int.from_bytes(der[at + 2 : at + 2 + size], "big"), at + 2 + size


def _der(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(size)]) + size + body


def _bad() -> BadIdentity:
    return BadIdentity(437, "unreadable TNAuthList")
