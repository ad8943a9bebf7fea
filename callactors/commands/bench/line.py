"""One call of the generator: its SIP as text, its socket, its packets. Knows nothing of callactors' own SIP.

An INVITE with one audio stream, an ACK, a BYE; whatever else is asked gets a 200.
"""

from __future__ import annotations

import re
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Literal

import attrs

from callactors.commands.bench.ear import Ear
from callactors.commands.bench.facts import Marked

HOST = "127.0.0.1"
AGAIN = 0.5  # seconds until an unanswered request is repeated
PATIENCE = 20.0  # seconds an INVITE may take
AROUND = 3  # packets remembered on each side of a loud one
EVERY = 50  # a loud packet in so many
LOUD = 25
EVENTS = 101  # the payload type of digits, which every phone offers
_HEADER = struct.Struct("!BBHII")
_COPIED = re.compile(rb"^(?:via|v|from|f|to|t|call-id|i|cseq|record-route)\s*:.*$", re.I | re.M)
State = Literal["idle", "invited", "up", "leaving", "over"]


@attrs.define(eq=False)
class Line:
    """One call. `key` is the SDP's crypto line where SRTP is offered; `payloads` are the packets it says, in turn."""

    number: int
    media: socket.socket
    target: int  # the far end's SIP port
    port: int  # ours
    ear: Ear
    payloads: list[bytes]
    key: str = ""
    state: State = "idle"
    status: int = 0
    asked_at: float = 0.0
    again_at: float = 0.0
    setup: float | None = None
    agreed: Callable[[str], None] = lambda description: None
    protect: Callable[[bytes], bytes] | None = None
    unprotect: Callable[[bytes], bytes] | None = None
    sent: int = 0
    marked: list[Marked] = attrs.field(factory=list)
    _to: str = ""
    _contact: str = ""
    _answered: bool = False  # anything at all came
    _times: deque[float] = attrs.field(factory=lambda: deque(maxlen=2 * AROUND + 1))

    @property
    def call_id(self) -> str:
        return f"{self.number}-{self.port}-{self.media.getsockname()[1]}@{HOST}"

    # -- requests --------------------------------------------------------------------------------------------------

    def invite(self, now: float) -> bytes:
        self.state, self.asked_at, self.again_at = "invited", self.asked_at or now, now + AGAIN
        return self._request("INVITE", 1, "i", self._offer())

    def bye(self, now: float) -> bytes:
        self.state, self.again_at = "leaving", now + AGAIN
        return self._request("BYE", 2, "b")

    def overdue(self, now: float) -> bytes | None:
        """What must be repeated at `now`, if anything."""
        if now < self.again_at or self.state not in ("invited", "leaving"):
            return None
        if self.state == "leaving":
            return self.bye(now)
        if now > self.asked_at + PATIENCE:
            self.state, self.status = "over", 408
            return None
        self.again_at = now + AGAIN
        return None if self._answered else self.invite(now)

    def _request(self, method: str, number: int, branch: str, body: str = "") -> bytes:
        to = self._to or f"<sip:bench@{HOST}:{self.target}>"
        local = self.media.getsockname()[1]
        target = self._contact or f"sip:bench@{HOST}:{self.target}"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{branch}{self.number}-{local};rport",
            f"From: <sip:load{self.number}@{HOST}>;tag={self.number}",
            f"To: {to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:load{self.number}@{HOST}:{self.port}>",
            "Max-Forwards: 70",
            f"Content-Length: {len(body)}",
            *(["Content-Type: application/sdp"] if body else []),
        ]
        return "\r\n".join([*lines, "", body]).encode()

    def _offer(self) -> str:
        rtpmap = "opus/48000/2" if self.ear.payload_type else "PCMU/8000"
        profile, pt = "RTP/SAVP" if self.key else "RTP/AVP", self.ear.payload_type
        lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
        lines += [f"m=audio {self.media.getsockname()[1]} {profile} {pt} {EVENTS}", f"a=rtpmap:{pt} {rtpmap}"]
        lines += [f"a=rtpmap:{EVENTS} telephone-event/{rtpmap.split('/')[1]}", "a=ptime:20"]
        return "".join(f"{line}\r\n" for line in [*lines, *([self.key] if self.key else [])])

    # -- what comes ------------------------------------------------------------------------------------------------

    def response(self, status: int, text: str, now: float) -> bytes | None:
        """A response to one of ours; returns the ACK it needs."""
        self._answered = True
        if " INVITE" not in header(text, "CSeq"):
            if self.state == "leaving" and status >= 200:
                self.state = "over"
            return None
        if status < 200:
            return None
        self._to = header(text, "To")
        if status >= 300:
            if self.state == "invited":
                self.state, self.status = "over", status
            return self._request("ACK", 1, "i")
        found = re.search(r"<([^>]+)>", header(text, "Contact"))
        self._contact = found.group(1) if found else ""
        if self.state == "invited":
            self._connect(text, now)
        return self._request("ACK", 1, "a")

    def _connect(self, text: str, now: float) -> None:
        port = re.search(r"^m=audio (\d+)", text, re.M)
        if port is None:
            self.state, self.status = "over", 488
            return
        self.agreed(text)
        self.media.connect((HOST, int(port.group(1))))
        self.state, self.status, self.setup = "up", 200, now - self.asked_at

    # -- media -----------------------------------------------------------------------------------------------------

    def speak(self, now: float) -> None:
        """The next packet."""
        count = self.sent
        place, turn = count % len(self.payloads), count % EVERY
        packet = _head(self.ear.payload_type, count, self.ear.step, self.number) + self.payloads[place]
        self.sent = count + 1
        try:
            self.media.send(packet if self.protect is None else self.protect(packet))
        except (BlockingIOError, ConnectionRefusedError):
            return  # the far end will count it missing
        if LOUD - AROUND <= turn <= LOUD + AROUND:
            self._times.append(now)
            if turn == LOUD + AROUND and len(self._times) == 2 * AROUND + 1:
                self.marked.append(Marked(tuple(self._times)))


def _head(payload_type: int, count: int, step: int, ssrc: int) -> bytes:
    """The first packet bears the marker bit."""
    second = payload_type | (0 if count else 0x80)
    timestamp = count * step & 0xFFFFFFFF
    return _HEADER.pack(0x80, second, count & 0xFFFF, timestamp, ssrc + 1)


def header(text: str, name: str) -> str:
    """The value of a header; empty when it is not there."""
    found = re.search(rf"^{name}\s*:\s*(.*?)\s*$", text, re.M | re.I)
    return found.group(1) if found else ""


def ok(request: bytes) -> bytes:
    """200 to any request."""
    copied = [line.strip() for line in _COPIED.findall(request.partition(b"\r\n\r\n")[0])]
    return b"\r\n".join([b"SIP/2.0 200 OK", *copied, b"Content-Length: 0", b"", b""])
