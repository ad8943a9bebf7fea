"""WebSocket frames (RFC 6455 section 5), both roles, no I/O: whole messages out of bytes, frames out of messages.

      0                   1                   2                   3
     |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
     |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
     |N|V|V|V|       |S|             |   (if payload len==126/127)   |

- Every call on one lane pays for this file: a frame that comes whole is copied once, one that goes out is masked once,
  four bytes at a time. Masking keys are drawn from the system a thousand at a time (section 10.3).
- No extensions. What the peer may not do raises MalformedFrame, with the close code that answers it (section 7.4.1).
"""

from __future__ import annotations

import os
import struct

import numpy as np

from callactors.errors import MalformedFrame

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL = 0x80
MASKED = 0x80
PROTOCOL, NOT_UTF8, TOO_LARGE = 1002, 1007, 1009
NO_CODE = 1005  # section 7.4.1: a close frame without a code
_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
_KEYS = 1024
KEPT, KEPT_SIZES = 16_384, 256  # bytes, and how many sizes: at most 4 MiB of room

Frame = tuple[int, bytes]


def frame(opcode: int, payload: bytes, *, masked: bool) -> bytes:
    """One whole message, or control frame, as it goes over the line; clients mask."""
    if not masked:
        return _head(len(payload), 0, opcode) + payload
    room = _room_for(len(payload))
    room.frame[0] = FINAL | opcode
    room.fill(payload, _new_key())
    return bytes(room.frame)


def _head(size: int, masked: int, opcode: int = 0) -> bytes:
    if size < 126:
        return struct.pack("!BB", FINAL | opcode, size | masked)
    if size < 1 << 16:
        return struct.pack("!BBH", FINAL | opcode, 126 | masked, size)
    return struct.pack("!BBQ", FINAL | opcode, 127 | masked, size)


class _Room:
    """Where frames with payloads of one size are made: head, key, and what is masked four bytes at a time."""

    def __init__(self, size: int) -> None:
        head = _head(size, MASKED)
        begin = (len(head) + 4 + 3) >> 2  # in words: the payload's first byte is the first of a word
        words = np.zeros(begin + ((size + 3) >> 2), np.uint32)
        octets = words.data.cast("B")
        self._words, self._key = words[begin:], words[begin - 1 : begin]
        self._key_octets = octets[4 * begin - 4 : 4 * begin]
        self.payload = octets[4 * begin : 4 * begin + size]
        self.frame = octets[4 * begin - 4 - len(head) : 4 * begin + size]
        self.frame[: len(head)] = head

    def fill(self, payload: bytes, key: bytes) -> None:
        self._key_octets[:] = key
        self.payload[:] = payload
        np.bitwise_xor(self._words, self._key, self._words)


_rooms: dict[int, _Room] = {}  # by size: a call's batches are of the same few sizes all the time
_keys: list[bytes] = []


def _room_for(size: int) -> _Room:
    room = _rooms.get(size)
    if room is None:
        room = _Room(size)
        if size <= KEPT and len(_rooms) < KEPT_SIZES:
            _rooms[size] = room
    return room


def mask(payload: bytes, key: bytes) -> bytes:
    """`payload` masked or unmasked with a key of four bytes (section 5.3)."""
    room = _room_for(len(payload))
    room.fill(payload, key)
    return bytes(room.payload)


def _new_key() -> bytes:
    if not _keys:
        drawn = os.urandom(4 * _KEYS)
        _keys.extend(drawn[at : at + 4] for at in range(0, len(drawn), 4))
    return _keys.pop()


def closing(code: int, reason: str = "") -> bytes:
    """The payload of a close frame; the reason is cut to what fits."""
    if code == NO_CODE:
        return b""
    return struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode()


def closed(payload: bytes) -> tuple[int, str]:
    """Code and reason of the peer's close frame. Raises MalformedFrame."""
    if not payload:
        return NO_CODE, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not any(code in codes for codes in _CODES):
        raise MalformedFrame(PROTOCOL, "a close frame with a code that may not be sent")
    return code, _text(payload[2:])


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise MalformedFrame(NOT_UTF8, "text that is no UTF-8") from None


class FrameReader:
    """Bytes as they come to messages and control frames. `limit` is bytes of one message."""

    def __init__(self, *, masked: bool, limit: int) -> None:
        self._masked, self._limit = masked, limit
        self._held = bytearray()
        self._wanted = 2  # bytes that must be held before looking again
        self._message = bytearray()  # the fragments so far
        self._opcode = 0  # of the message whose fragments are coming

    def feed(self, data: bytes) -> list[Frame]:
        """What has become whole, in order: (TEXT or BINARY, message), (PING, payload) ... Raises MalformedFrame."""
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held.clear()
        found: list[Frame] = []
        start, size = 0, len(data)
        while size - start >= 2:
            first, head, end = self._header(data, start)
            if end > size:
                break
            payload = data[head:end] if not self._masked else mask(data[head:end], data[head - 4 : head])
            self._framed(first, payload, found)
            start = end
        if start < size:
            self._held += data[start:]
            if size - start < 2:
                self._wanted = 2
        return found

    def _header(self, data: bytes, start: int) -> tuple[int, int, int]:
        """The first byte, and where the payload begins and ends. What is not there yet ends behind the data."""
        first, second = data[start], data[start + 1]
        length, head = second & 0x7F, start + 2
        if length > 125:
            width = 2 if length == 126 else 8
            if len(data) < head + width:
                self._wanted = 2 + width
                return first, head, len(data) + 1
            least, length = (126 if width == 2 else 1 << 16), int.from_bytes(data[head : head + width], "big")
            head += width
            if length < least:
                raise MalformedFrame(PROTOCOL, "a length in more bytes than it needs")
        self._check(first, second, length)
        if self._masked:
            head += 4
        self._wanted = head + length - start
        return first, head, head + length

    def _check(self, first: int, second: int, length: int) -> None:
        opcode = first & 0x0F
        if first & 0x70 or (second > 0x7F) is not self._masked:
            raise MalformedFrame(PROTOCOL, "reserved bits, or a mask on the wrong side")
        if opcode in (CLOSE, PING, PONG):
            if length > 125 or not first & FINAL:
                raise MalformedFrame(PROTOCOL, "a control frame that is long or in pieces")
        elif opcode > BINARY or (opcode == CONTINUATION) is not bool(self._opcode):
            raise MalformedFrame(PROTOCOL, "an opcode that is unknown, or out of its turn")
        elif length + len(self._message) > self._limit:
            raise MalformedFrame(TOO_LARGE, f"a message of more than {self._limit} bytes")

    def _framed(self, first: int, payload: bytes, found: list[Frame]) -> None:
        opcode = first & 0x0F
        if opcode <= BINARY:
            opcode = opcode or self._opcode
            if not first & FINAL:
                self._opcode = opcode
                self._message += payload
                return
            if self._opcode:
                self._message += payload
                payload, self._message, self._opcode = bytes(self._message), bytearray(), 0
            if opcode == TEXT and not payload.isascii():
                _text(payload)
        found.append((opcode, payload))
