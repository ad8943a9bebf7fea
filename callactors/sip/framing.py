"""Messages out of a byte stream (RFC 3261 section 18.3), sans-IO. Rules of this file:

- Content-Length alone says where a message ends. Where it cannot be trusted (absent, twice, not a number, too large)
  nothing behind it is read: the head is handed out for the parser to refuse, and the stream is over. So no second
  message is ever taken out of a body.
- A bare CR or LF, a start line without SIP, or a head that never ends is no SIP: the stream is over, without a word.
- CRLFs between messages are keep-alives; two in a row are a ping that wants one CRLF back (RFC 5626 section 3.5.1).
"""

from __future__ import annotations

import re

import msgspec

from callactors.sip.message import MAX_BODY, MAX_HEAD

END = b"\r\n\r\n"
PING = b"\r\n\r\n"
PONG = b"\r\n"
MAX_START = 4_096  # bytes in which the start line ends
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:([^\r]*(?:\r\n[ \t][^\r]*)*)", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,10}")


class Framed(msgspec.Struct, frozen=True):
    """What some bytes completed. `pings` want a PONG each; after `over` the stream is to be closed."""

    messages: tuple[bytes, ...] = ()
    pings: int = 0
    over: bool = False


class Framer:
    """One direction of one connection. `since` is when the incomplete message began to come, None between messages."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._buffer = bytearray()
        self._searched = 0  # bytes of the head already looked at
        self._whole = 0  # bytes of the message whose head is here, 0 for none
        self._feeds = 0  # line ends in a row since the last message
        self._over = False

    def receive(self, data: bytes, now: float) -> Framed:
        """Bytes as they came, however they were cut."""
        if self._over:
            return Framed(over=True)
        self._buffer += data
        messages: list[bytes] = []
        pings = 0
        while not self._over:
            pings += self._keepalives()
            message = self._next()
            if message is None:
                break
            messages.append(message)
            self.since = None
        if not self._buffer:
            self.since = None
        elif self.since is None:
            self.since = now
        return Framed(tuple(messages), pings, self._over)

    def _keepalives(self) -> int:
        """Line ends in front of the next message; how many of them were pings."""
        if self._searched or not self._buffer:
            return 0
        rest = self._buffer.lstrip(b"\r\n")
        blank = len(self._buffer) - len(rest)
        if rest:
            del self._buffer[:blank]
            pings, self._feeds = (self._feeds + blank) // len(PING), 0
            return pings
        pings, self._feeds = divmod(self._feeds + blank, len(PING))
        self._buffer.clear()
        return pings

    def _next(self) -> bytes | None:
        """The next whole message; what cannot be framed is the last one, as far as it goes."""
        if not self._whole:
            head = self._head()
            if head is None:
                return None
            length = _length(head)
            self._whole = len(head) + 2 + (length or 0)
            self._over = length is None or length > MAX_BODY
            if self._over:
                return bytes(self._buffer[: len(head) + 2])
        if len(self._buffer) < self._whole:
            return None
        message = bytes(self._buffer[: self._whole])
        del self._buffer[: self._whole]
        self._searched = self._whole = 0
        return message

    def _head(self) -> bytes | None:
        """The head with its last line end but without the empty line, once it is here."""
        end = self._buffer.find(END, max(0, self._searched - len(END)))
        head = bytes(self._buffer[: end + 2] if end >= 0 else self._buffer)
        self._over = not _is_sip(head) or len(head) > MAX_HEAD or (end >= 0 and not _has_clean_lines(head))
        self._searched = len(self._buffer)
        return head if end >= 0 and not self._over else None


def _is_sip(head: bytes) -> bool:
    """Whether this is, or may yet become, a SIP message. An empty buffer may."""
    line, ends, _ = head.partition(b"\r\n")
    if b"\n" in line:
        return False
    if ends or len(line) > MAX_START:
        return b"SIP/" in line[:MAX_START].upper()
    return not line or 0x20 < line[0] < 0x7F


def _has_clean_lines(head: bytes) -> bool:
    return head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r")


def _length(head: bytes) -> int | None:
    """The one Content-Length of a head; None when it cannot be trusted."""
    given = {b" ".join(value.split()) for value in _LENGTH.findall(head)}
    value = given.pop() if len(given) == 1 else b""
    return int(value) if _DIGITS.fullmatch(value) else None
