"""One UDP socket: whatever ICMP says, forged or not, datagrams go on being read and sent."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from callactors.net.udp import UdpSocket
from callactors.sip.address import Hop


class Reporting(socket.socket):
    """A socket to which the kernel reports ICMP before it gives or takes the next datagram."""

    reports: list[int]

    def _report(self) -> None:
        if self.reports:
            raise OSError(self.reports.pop(), "reported by ICMP")

    def recvfrom(self, *args: Any) -> Any:  # Any: the signatures of socket.socket
        self._report()
        return super().recvfrom(*args)

    def sendto(self, *args: Any) -> int:
        self._report()
        return super().sendto(*args)


def reporting(*reports: int) -> UdpSocket:
    wire = UdpSocket("127.0.0.1", 0)
    bound = wire._socket
    wire._socket = Reporting(bound.family, bound.type, bound.proto, fileno=bound.detach())
    wire._socket.setblocking(False)
    wire._socket.reports = list(reports)
    return wire


UNREACHABLE = [errno.ENOPROTOOPT, errno.EMSGSIZE, errno.EOPNOTSUPP, errno.EHOSTDOWN, errno.ENONET, errno.EPROTO]


@pytest.mark.parametrize("report", [*UNREACHABLE, errno.ECONNREFUSED])
async def test_no_icmp_message_ends_the_reading(report: int) -> None:
    wire, peer = reporting(report), UdpSocket("127.0.0.1", 0)
    peer.send(b"hello", Hop(*wire.address))
    assert [data for data, _ in await wire.receive()] == [b"hello"]
    assert wire.counters["reported"] == 1
    wire.close()
    peer.close()


@pytest.mark.parametrize("report", UNREACHABLE)
async def test_what_icmp_said_of_one_datagram_does_not_cost_the_next(report: int) -> None:
    wire, peer = reporting(report), UdpSocket("127.0.0.1", 0)
    wire.send(b"hello", Hop(*peer.address))
    assert [data for data, _ in await peer.receive()] == [b"hello"]
    wire.close()
    peer.close()
