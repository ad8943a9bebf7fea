"""A bound UDP socket: datagrams in by batches, datagrams out at once or not at all. Rules of this file:

- `send` never waits and never raises: a full buffer, an ICMP refusal or an impossible address is counted, and the
  protocol above repeats what matters. It never looks a name up: a destination is a numeric address.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from typing import Protocol

import trio

from callactors.sip.address import Address, Hop

BATCH = 64  # datagrams taken per wake-up before others get their turn
LARGEST = 65_535  # bytes
BUFFER = 1 << 20  # bytes of kernel buffer: a burst of INVITEs waits there


class Wire(Protocol):
    """What carries datagrams for a SipEndpoint: a UdpSocket, or a pool of them."""

    address: Address
    counters: Counter[str]

    def send(self, data: bytes, destination: Hop) -> None: ...

    async def receive(self) -> list[tuple[bytes, Hop]]: ...

    def close(self) -> None: ...


class UdpSocket:
    """One socket; `address` is where it is really bound (port 0 becomes a port). Raises OSError when it cannot be."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.address = Address(*self._socket.getsockname()[:2])
        self.counters: Counter[str] = Counter()

    def send(self, data: bytes, destination: Hop) -> None:
        """Hand it to the kernel, or count why not: dropped, refused, unroutable."""
        if not _is_numeric(destination.host):
            self.counters["unroutable"] += 1
            return
        try:
            self._socket.sendto(data, destination.address)
        except BlockingIOError:
            self.counters["dropped"] += 1
        except ConnectionRefusedError:
            self.counters["refused"] += 1
        except (OSError, OverflowError):
            self.counters["unroutable"] += 1

    async def receive(self) -> list[tuple[bytes, Hop]]:
        """Wait for datagrams and take up to BATCH of them; may be empty. Raises ClosedResourceError once closed."""
        await trio.lowlevel.wait_readable(self._socket)
        taken: list[tuple[bytes, Hop]] = []
        while len(taken) < BATCH:
            try:
                data, source = self._socket.recvfrom(LARGEST)
            except BlockingIOError:
                break
            except ConnectionRefusedError:
                self.counters["refused"] += 1
                continue
            taken.append((data, Hop(*source[:2])))
        return taken

    def close(self) -> None:
        """Give the port back; idempotent."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
