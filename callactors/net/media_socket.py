"""A pair of UDP sockets for one stream: RTP on the even port, RTCP on the odd one above (RFC 3550 section 11).

`disconnect` undoes connect() by AF_UNSPEC, which Python's socket does not offer; where the system does not either,
sockets are never connected, and the stream's own source check does the work alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import sys
from collections import deque
from random import Random

import attrs

from callactors.errors import PortsExhausted
from callactors.sip.address import Address

EXPEDITED = 0xB8  # DSCP 46 (RFC 3246)
CAN_DISCONNECT = sys.platform == "linux"
_UNSPECIFIED = bytes(28)  # a sockaddr with family AF_UNSPEC, long enough for IPv6
_LIBC = ctypes.CDLL(None, use_errno=True) if CAN_DISCONNECT else None


@attrs.frozen
class Pair:
    """Two bound, non-blocking sockets."""

    address: Address
    rtp: socket.socket
    rtcp: socket.socket

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


class Ports:
    """The even ports of a range that are free. One given back waits its turn behind all others."""

    def __init__(self, host: str, ports: range, random: Random) -> None:
        self.host = host
        even = [port for port in ports if port % 2 == 0 and port + 1 in ports]
        start = random.randrange(len(even)) if even else 0
        self._free = deque(even[start:] + even[:start])

    def __len__(self) -> int:
        return len(self._free)

    def take(self) -> Pair:
        """Bind the next free pair, stepping over what others have bound. Raises PortsExhausted."""
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                return _bind(self.host, port)
            except OSError:
                self._free.append(port)
        raise PortsExhausted("no free RTP port pair is left: widen listen.rtp")

    def give_back(self, pair: Pair) -> None:
        pair.close()
        self._free.append(pair.address.port)


def reachable(peer: tuple[str, int]) -> bool:
    """Whether anything can be sent there: neither port 0 nor an address that means any."""
    return peer[1] > 0 and peer[0] not in ("0.0.0.0", "::")


def connect(udp: socket.socket, peer: tuple[str, int]) -> bool:
    """Let the kernel drop what others send; whether it does."""
    if not CAN_DISCONNECT:
        return False
    try:
        udp.connect(peer)
    except OSError:
        return False
    return True


def disconnect(udp: socket.socket) -> None:
    """Hear every source again."""
    if _LIBC is not None:
        _LIBC.connect(udp.fileno(), _UNSPECIFIED, len(_UNSPECIFIED))


def _bind(host: str, port: int) -> Pair:
    with contextlib.ExitStack() as undo:
        rtp = undo.enter_context(_bound(host, port))
        rtcp = undo.enter_context(_bound(host, port + 1))
        undo.pop_all()
    return Pair(Address(host, port), rtp, rtcp)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        with contextlib.suppress(OSError):  # marking is a wish
            if family == socket.AF_INET:
                udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
        udp.bind((host, port))
    except OSError:
        udp.close()
        raise
    return udp
