"""A name server on loopback, over UDP and TCP, with a zone given as text: for RFC 3263 without the world's DNS.

It answers in order, falls silent when told, and counts what it was asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import trio

from callactors.sip.address import Address

Zone = Mapping[str, Sequence[str]]
"""`{"_sip._udp.a.example SRV": ["10 50 5060 one.a.example."], "one.a.example A": ["127.0.0.2"]}`"""
SMALL = 512  # bytes of a UDP answer; a longer one is truncated, and asked again over TCP (RFC 1035)


class DnsServer:
    """`asked` counts the questions, as "name KIND". While `silent`, nobody gets an answer."""

    def __init__(self, zone: Zone, *, host: str = "127.0.0.1", ttl: int = 60) -> None:
        self.zone, self.ttl, self.silent = dict(zone), ttl, False
        self.asked: Counter[str] = Counter()
        self._host = host

    async def run(self, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started with the address, UDP and TCP alike."""
        listener = (await trio.open_tcp_listeners(0, host=self._host))[0]
        address = Address(*listener.socket.getsockname()[:2])
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
            await socket.bind(address)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._datagrams, socket)
                nursery.start_soon(trio.serve_listeners, self._stream, [listener])
                task_status.started(address)

    async def _datagrams(self, socket: trio.socket.SocketType) -> None:
        while True:
            data, source = await socket.recvfrom(65_535)
            answer = self._answer(data)
            if answer is not None:
                await socket.sendto(answer.to_wire(max_size=SMALL) if _fits(answer) else _truncated(answer), source)

    async def _stream(self, stream: trio.SocketStream) -> None:
        head = await stream.receive_some(65_535)
        answer = self._answer(bytes(head[2:]))
        if answer is not None:
            wire = answer.to_wire()
            await stream.send_all(len(wire).to_bytes(2, "big") + wire)

    def _answer(self, data: bytes) -> dns.message.Message | None:
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked[f"{name} {kind}"] += 1
        if self.silent:
            return None
        answer = dns.message.make_response(query, recursion_available=True)
        if data_here := self.zone.get(f"{name} {kind}"):
            answer.answer.append(dns.rrset.from_text_list(question.name, self.ttl, "IN", kind, list(data_here)))
        elif not any(known.partition(" ")[0] == name for known in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


def _fits(answer: dns.message.Message) -> bool:
    return len(answer.to_wire()) <= SMALL


def _truncated(answer: dns.message.Message) -> bytes:
    """An empty answer that says there is more (TC)."""
    short = dns.message.Message(answer.id)
    short.flags = answer.flags | dns.flags.TC
    short.question = answer.question
    return short.to_wire()


@asynccontextmanager
async def dns_server(zone: Zone, *, ttl: int = 60) -> AsyncIterator[tuple[DnsServer, Address]]:
    """A name server for as long as the block lasts, and its address."""
    server = DnsServer(zone, ttl=ttl)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(server.run)
        yield server, address
        nursery.cancel_scope.cancel()
