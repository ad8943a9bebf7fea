"""A carrier's SIP addresses as one wire: several hosts, one port, and the bad manners real pools have.

- Every member listens on the same port; whatever any of them gets is the carrier's.
- Without `rport` the responses come to the source's host and the Via's port (RFC 3261 section 18.2.2), so requests may
  leave from a random port.
- A wandering pool sends BYE and re-INVITE from another member than the one that placed the call.
"""

from __future__ import annotations

import re
import selectors
import socket
from collections import Counter
from collections.abc import Sequence

import trio

from callactors.net.udp import OnLost, ignore_lost
from callactors.sip.address import Address, Hop

LARGEST = 65_535
BATCH = 64
TRIES = 20  # ports tried until one is free on every host
_RPORT = re.compile(rb"(\r\nVia:[^\r\n]*?);rport(?=[;,\r])", re.IGNORECASE)
_IN_DIALOG = re.compile(rb"\r\nTo:[^\r\n]*;tag=", re.IGNORECASE)


class PoolWire:
    """Raises OSError when the hosts have no port in common that is free."""

    def __init__(
        self, hosts: Sequence[str], *, rport: bool = False, random_ports: bool = True, wanders: bool = True
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.on_lost: OnLost = ignore_lost
        self._rport, self._random_ports, self._wanders = rport, random_ports, wanders
        self._members = _bound(hosts)
        self._ports = [_socket(host, 0) for host in hosts] if random_ports else self._members
        self.address = Address(*self._members[0].getsockname()[:2])
        self._selector = selectors.DefaultSelector()
        for member in {*self._members, *self._ports}:
            self._selector.register(member, selectors.EVENT_READ)
        self._turn = 0

    def local(self, to: Hop) -> Address:
        """The first member's address."""
        return self.address

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Nothing runs for a pool."""
        task_status.started()

    def send(self, data: bytes, destination: Hop) -> None:
        """A response from the member asked, a request as the pool's manners have it. Never raises."""
        if data.startswith(b"SIP/2.0"):
            out = self._members[0]
        else:
            out = self._ports[self._member(data)]
            data = data if self._rport else _RPORT.sub(rb"\1", data)
        try:
            out.sendto(data, destination.address)
        except OSError:
            self.counters["unroutable"] += 1

    def _member(self, request: bytes) -> int:
        """Which member speaks: the first one, unless the pool wanders and this is in the middle of a call."""
        wandering = request.startswith((b"BYE ", b"INVITE ")) and _IN_DIALOG.search(request)
        if not self._wanders or not wandering or len(self._members) < 2:
            return 0
        self._turn = self._turn % (len(self._members) - 1) + 1
        self.counters["wandered"] += 1
        return self._turn

    async def receive(self) -> list[tuple[bytes, Hop]]:
        """Wait for datagrams at any member. Raises ClosedResourceError once closed."""
        await trio.lowlevel.wait_readable(self._selector)
        taken: list[tuple[bytes, Hop]] = []
        for key, _ in self._selector.select(0):
            member = key.fileobj
            assert isinstance(member, socket.socket)  # nothing else was registered
            taken += self._drain(member)
        return taken

    def _drain(self, member: socket.socket) -> list[tuple[bytes, Hop]]:
        taken: list[tuple[bytes, Hop]] = []
        while len(taken) < BATCH:
            try:
                data, source = member.recvfrom(LARGEST)
            except BlockingIOError:
                break
            except OSError:
                self.counters["refused"] += 1
                break
            taken.append((data, Hop(*source[:2])))
        return taken

    def close(self) -> None:
        """Give all ports back; idempotent."""
        if self._selector.get_map() is None:
            return
        trio.lowlevel.notify_closing(self._selector)
        self._selector.close()
        for member in {*self._members, *self._ports}:
            member.close()


def _socket(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _bound(hosts: Sequence[str]) -> list[socket.socket]:
    """A socket per host, all on one port."""
    for attempt in range(TRIES):
        first = _socket(hosts[0], 0)
        members = [first]
        try:
            members += [_socket(host, first.getsockname()[1]) for host in hosts[1:]]
        except OSError:
            for member in members:
                member.close()
            if attempt == TRIES - 1:
                raise
            continue
        return members
    raise OSError("no port is free on every host of the pool")
