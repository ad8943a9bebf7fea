"""The load, a process of its own: many calls by SIP over UDP, 50 packets a second each way, by absolute deadlines.

One thread, one epoll. Packets are timed by the kernel (SO_TIMESTAMPNS), so that our own lateness is not taken for the
far end's; how late our own packets left is part of the report. Order on argv, report on stdout, both JSON (facts.py).
"""

from __future__ import annotations

import random
import resource
import select
import socket
import struct
import sys
import time
from array import array
from collections import Counter

import attrs
import msgspec

from callactors.commands.bench import voices
from callactors.commands.bench.ear import Ear
from callactors.commands.bench.facts import CallHeard, Loaded, Order, spread
from callactors.commands.bench.line import HOST, Line, header, ok
from callactors.commands.bench.programs import cpu_seconds, memory_kb

TURN = 0.020  # seconds between two packets of a call
SAMPLED = 64  # calls whose latencies are reported
SETTLE = 15.0  # seconds the last calls may take to be answered
LEAVE = 4.0  # seconds for the BYEs
_STAMPS = 35  # SO_TIMESTAMPNS; Python has no name for it
_STAMP = struct.Struct("qq")


@attrs.define(eq=False)
class Generator:
    """Runs one order."""

    order: Order
    lines: list[Line] = attrs.field(factory=list)
    gaps: array[float] = attrs.field(factory=lambda: array("d"))
    lateness: array[float] = attrs.field(factory=lambda: array("d"))
    gone: int = 0
    _sip: socket.socket = attrs.field(factory=lambda: _socket(8 << 20))
    _epoll: select.epoll = attrs.field(factory=select.epoll)
    _by_descriptor: dict[int, Line] = attrs.field(factory=dict)
    _offset: float = attrs.field(factory=lambda: time.monotonic() - time.time())
    _next: int = 0  # packets that were due so far, over all calls
    _measuring: bool = False
    _began: float = 0.0  # when the first packet would have been due
    _swept: int = -1  # the last tenth of a second looked for requests to repeat

    def run(self) -> Loaded:
        """Ramp, warm-up, window, BYEs."""
        order = self.order
        self._open()
        self._ramp()
        self._until(time.monotonic() + order.warm)
        since = time.monotonic()
        for line in self.lines:
            line.ear.since, line.ear.until = since, since + order.seconds
        self._measuring = True
        up = sum(line.state == "up" for line in self.lines)
        cpu = _cpu(order.pids)
        self._until(since + order.seconds)
        until = time.monotonic()
        cpu = _cpu(order.pids) - cpu
        memory = memory_kb(order.pids) - order.empty_kb
        self._measuring = False
        self._leave()
        return self._report(up, (since, until), cpu, memory)

    # -- phases ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        payloads, payload_type, step = voices.opus() if self.order.opus else voices.pcmu()
        self._epoll.register(self._sip.fileno(), select.EPOLLIN)
        for number in range(self.order.calls):
            media = _socket(1 << 18)
            media.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
            ear = Ear(self.gaps, payload_type, step)
            line = Line(number, media, self.order.port, self._sip.getsockname()[1], ear, payloads)
            if self.order.srtp:
                voices.secure(line)
            line.sent = random.randrange(len(payloads)) if payload_type == 0 else 0
            self.lines.append(line)
            self._by_descriptor[media.fileno()] = line
            self._epoll.register(media.fileno(), select.EPOLLIN)

    def _ramp(self) -> None:
        """`rate` calls a second, until each has its answer."""
        began = time.monotonic()
        self._began = began
        for number, line in enumerate(self.lines):
            self._until(began + number / self.order.rate)
            self._say(line.invite(time.monotonic()))
        settled = time.monotonic() + SETTLE
        while time.monotonic() < settled and any(line.state == "invited" for line in self.lines):
            self._until(time.monotonic() + 0.1)

    def _leave(self) -> None:
        for line in self.lines:
            if line.state == "up":
                self._say(line.bye(time.monotonic()))
        patience = time.monotonic() + LEAVE
        while time.monotonic() < patience and any(line.state == "leaving" for line in self.lines):
            self._until(time.monotonic() + 0.05)

    # -- the loop --------------------------------------------------------------------------------------------------

    def _until(self, end: float) -> None:
        """Send what is due and hear what comes, until `end`."""
        while (now := time.monotonic()) < end:
            due = self._speak(now)
            self._repeat(now)
            # epoll alone counts whole milliseconds; select on its descriptor does not
            select.select([self._epoll.fileno()], [], [], max(0.0, min(due, end) - time.monotonic()))
            self._hear()

    def _speak(self, now: float) -> float:
        """Every packet that is due; returns when the next one is."""
        lines, count = self.lines, len(self.lines)
        spacing = TURN / count
        due = self._began + self._next * spacing
        while due <= now:
            line = lines[self._next % count]
            if line.state == "up":
                at = time.monotonic()
                line.speak(at)
                if self._measuring:
                    self.lateness.append(at - due)
            self._next += 1
            due = self._began + self._next * spacing
        return due

    def _repeat(self, now: float) -> None:
        if int(now * 10) == self._swept:
            return
        self._swept = int(now * 10)
        for line in self.lines:
            if again := line.overdue(now):
                self._say(again)

    def _hear(self) -> None:
        for descriptor, _ in self._epoll.poll(0, 512):
            line = self._by_descriptor.get(descriptor)
            if line is None:
                self._hear_sip()
            else:
                self._hear_media(line)

    def _hear_media(self, line: Line) -> None:
        """One packet; epoll says again when there is another."""
        try:
            packet, ancillary, _, _ = line.media.recvmsg(2048, 64)
        except (BlockingIOError, ConnectionRefusedError):
            return
        seconds, nanoseconds = _STAMP.unpack_from(ancillary[0][2]) if ancillary else (0, 0)
        at = seconds + nanoseconds / 1e9 + self._offset if seconds else time.monotonic()
        line.ear.hears(packet if line.unprotect is None else line.unprotect(packet), at)

    def _hear_sip(self) -> None:
        while True:
            try:
                data = self._sip.recv(65_536)
            except BlockingIOError:
                return
            text = data.decode(errors="replace")
            number = header(text, "Call-ID").partition("-")[0]
            line = self.lines[int(number)] if number.isdecimal() and int(number) < len(self.lines) else None
            if line is None:
                continue
            if text.startswith("SIP/2.0 "):
                if ack := line.response(int(text[8:11]), text, time.monotonic()):
                    self._say(ack)
            elif not text.startswith("ACK "):
                self._say(ok(data))
                if text.startswith("BYE ") and line.state == "up":
                    line.state, self.gone = "over", self.gone + 1

    def _say(self, message: bytes) -> None:
        self._sip.sendto(message, (HOST, self.order.port))

    # -- afterwards ------------------------------------------------------------------------------------------------

    def _report(self, up: int, window: tuple[float, float], cpu: float, memory: int) -> Loaded:
        lines, stride = self.lines, max(1, len(self.lines) // SAMPLED)
        refused = Counter(str(line.status) for line in lines if line.status not in (0, 200))
        return Loaded(
            offered=len(lines),
            up=up,
            refused=dict(refused),
            gone=self.gone,
            window=window,
            cpu_s=cpu,
            rss_kb=memory,
            received=sum(line.ear.received for line in lines),
            expected=round(up * (window[1] - window[0]) / TURN),
            late=sum(line.ear.late for line in lines),
            gap_ms=spread(self.gaps.tolist()),
            setup_ms=spread([line.setup for line in lines if line.setup is not None]),
            sender_ms=spread(self.lateness.tolist()),
            heard=tuple(CallHeard(tuple(line.ear.sounded), tuple(line.marked)) for line in lines[::stride]),
        )


def _socket(buffer: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.bind((HOST, 0))
    return made


def _cpu(pids: tuple[int, ...]) -> float:
    return sum(cpu_seconds(pid) for pid in pids)


def main() -> None:
    """Entry of the process."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    sys.stdout.write(msgspec.json.encode(Generator(order).run()).decode() + "\n")


if __name__ == "__main__":
    main()
