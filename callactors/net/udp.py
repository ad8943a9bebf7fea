"""A bound UDP socket: datagrams in by batches, datagrams out at once or not at all. Rules of this file:

- `send` never waits and never raises: a full buffer, an ICMP refusal or an impossible address is counted, and the
  protocol above repeats what matters. It never looks a name up: a destination is a numeric address.
- Where Linux tells (IP_RECVERR), an ICMP refusal names the neighbour that cannot be reached: `on_lost` hears it.
  Anybody can forge ICMP: whatever the kernel reports for it is a count, and never an end of reading.
- A request over 1300 bytes goes as it is, fragmented if need be: a switch to TCP (RFC 3261 section 18.1.1) would send
  it where no trunk is configured to listen.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import trio

from callactors.sip.address import Address, Hop, is_numeric

BATCH = 64  # datagrams taken per wake-up before others get their turn
LARGEST = 65_535  # bytes
BUFFER = 1 << 20  # bytes of kernel buffer: a burst of INVITEs waits there
REFUSALS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH})
_IP_RECVERR, _IPV6_RECVERR, _MSG_ERRQUEUE = 11, 25, 0x2000  # linux/in.h, in6.h, socket.h; Python names one of three
_EXTENDED = struct.Struct("=IBBBBII")  # struct sock_extended_err: errno, origin, type, code, ...
_FROM_ICMP = (2, 3)  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6

OnLost = Callable[[Hop, bool], None]
"""Told of a neighbour that cannot be reached; True when a connection to it was cut, not refused or closed."""


def ignore_lost(hop: Hop, broken: bool) -> None:
    """Nobody wants to know."""


class Wire(Protocol):
    """What carries messages for a SipEndpoint: a UdpSocket, a pool of them, or Wires over every transport."""

    address: Address
    counters: Counter[str]
    on_lost: OnLost

    def local(self, to: Hop) -> Address:
        """The address of ours that this neighbour answers to."""

    def send(self, data: bytes, destination: Hop) -> None: ...

    async def receive(self) -> list[tuple[bytes, Hop]]: ...

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None: ...

    def close(self) -> None: ...


class UdpSocket:
    """One socket; `address` is where it is really bound (port 0 becomes a port). Raises OSError when it cannot be.

    `flow` stands in every Hop it makes: 0, unless several sockets of one family make up the wire.
    """

    def __init__(self, host: str, port: int, *, flow: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        if family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _report_icmp(self._socket)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.address = Address(*self._socket.getsockname()[:2])
        self.counters: Counter[str] = Counter()
        self.on_lost: OnLost = ignore_lost
        self.flow = flow

    def local(self, to: Hop) -> Address:
        """The address bound to."""
        return self.address

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing runs for one socket."""
        task_status.started()

    def send(self, data: bytes, destination: Hop) -> None:
        """Hand it to the kernel, or count why not: dropped, refused, unroutable."""
        if not is_numeric(destination.host):
            self.counters["unroutable"] += 1
            return
        try:
            self._send_past_refusals(data, destination)
        except BlockingIOError:
            self.counters["dropped"] += 1
        except (OSError, OverflowError):
            self.counters["unroutable"] += 1

    def _send_past_refusals(self, data: bytes, destination: Hop) -> None:
        """What ICMP said of an earlier datagram may be reported in place of sending this one, which has not left."""
        try:
            self._socket.sendto(data, destination.address)
        except BlockingIOError:
            raise
        except OSError:
            self._socket.sendto(data, destination.address)

    async def receive(self) -> list[tuple[bytes, Hop]]:
        """Wait for datagrams and take up to BATCH of them; may be empty. Raises ClosedResourceError once closed."""
        await trio.lowlevel.wait_readable(self._socket)
        taken: list[tuple[bytes, Hop]] = []
        for _ in range(BATCH):
            try:
                data, source = self._socket.recvfrom(LARGEST)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.EBADF:  # closed under us
                    raise
                self.counters["reported"] += 1
                continue
            taken.append((data, Hop(source[0], source[1], flow=self.flow)))
        self._take_refusals()
        return taken

    def _take_refusals(self) -> None:
        """What ICMP has said of datagrams that left here."""
        for _ in range(BATCH if sys.platform == "linux" else 0):
            try:
                _, ancillary, _, destination = self._socket.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:
                break  # none left
            for _, _, data in ancillary:
                number, origin, *_ = _EXTENDED.unpack_from(data)
                if number in REFUSALS and origin in _FROM_ICMP and destination:
                    self.counters["refused"] += 1
                    self.on_lost(Hop(destination[0], destination[1], flow=self.flow), False)

    def close(self) -> None:
        """Give the port back; idempotent."""
        if self._socket.fileno() >= 0:
            if trio.lowlevel.in_trio_run():
                trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


def _report_icmp(bound: socket.socket) -> None:
    """Have the kernel keep ICMP errors for us."""
    if sys.platform == "linux":
        bound.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
