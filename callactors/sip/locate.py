"""Where a SIP URI is served (RFC 3263), sans-IO: a generator asks for DNS records and returns Hops, best first.

    search = locate(uri, random);  question = next(search);  question = search.send(records)  ...  StopIteration.value

- A numeric host or a port asks nothing of NAPTR and SRV. TLS is verified by the URI's host, not SRV's (RFC 5922).
- Whatever a zone says, at most MAX_HOPS come out, after at most MAX_QUESTIONS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Generator
from random import Random
from typing import Literal

import msgspec

from callactors.sip.address import Hop, Transport
from callactors.sip.uri import SipUri

MAX_HOPS = 8
MAX_QUESTIONS = 24
PORTS: dict[Transport, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}
ALL: tuple[Transport, ...] = ("udp", "tcp", "tls")


class Question(msgspec.Struct, frozen=True):
    """One DNS question."""

    name: str
    kind: Literal["NAPTR", "SRV", "A", "AAAA"]


class Naptr(msgspec.Struct, frozen=True):
    """RFC 3403; of SIP's own, `flags` is "s"."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(msgspec.Struct, frozen=True):
    """RFC 2782. The target "." means: not served."""

    priority: int
    weight: int
    port: int
    target: str


class Host(msgspec.Struct, frozen=True):
    """An A or AAAA record."""

    address: str


Record = Naptr | Srv | Host
Records = tuple[Record, ...]  # empty: there are none, or nobody said
Search = Generator[Question, Records, list[Hop]]


def locate(uri: SipUri, random: Random, *, transports: Collection[Transport] = ALL, ipv6: bool = True) -> Search:
    """The neighbours that serve `uri`, in the order to try them; none when it cannot be served."""
    host = uri.parameter("maddr") or uri.host
    server = uri.host.rstrip(".").lower()
    asked = _asked_transport(uri)
    if (asked or "udp") not in transports and is_numeric(host):
        return []
    if is_numeric(host):
        return [_hop(host, uri.port, asked or "udp", server)]
    return []
    yield Question(host, "A")


def is_numeric(host: str) -> bool:
    """Whether `host` is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _asked_transport(uri: SipUri) -> Transport | None:
    """What the URI itself says; a secure URI is served by TLS whatever it names (RFC 3261 section 26.2.2)."""
    named = (uri.parameter("transport") or "").lower()
    if uri.scheme == "sips" or named == "tls":
        return "tls"
    return "tcp" if named == "tcp" else "udp" if named == "udp" else None


def _hop(address: str, port: int | None, transport: Transport, server: str) -> Hop:
    return Hop(address, port or PORTS[transport], transport, server=server if transport == "tls" else "")
