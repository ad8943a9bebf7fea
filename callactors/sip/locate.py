"""Where a SIP URI is served (RFC 3263), sans-IO: a generator asks for DNS records and returns Hops, best first.

    search = locate(uri, random);  question = next(search);  question = search.send(records)  ...  StopIteration.value

- A numeric host asks nothing; a port asks only for addresses; a `transport` only for that transport's SRV.
- TLS is verified by the URI's host, never by the name SRV led to (RFC 5922 section 7.1).
- Whatever a zone says, at most MAX_HOPS come out, after at most MAX_QUESTIONS.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator
from itertools import islice
from random import Random
from typing import Literal

import msgspec

from callactors.sip.address import Hop, Transport, is_numeric
from callactors.sip.uri import SipUri

MAX_HOPS = 8
MAX_QUESTIONS = 24
MAX_ADDRESSES = 4  # of one name
PORTS: dict[Transport, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}
ALL: tuple[Transport, ...] = ("udp", "tcp", "tls")
_SERVICES: dict[str, Transport] = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}  # NAPTR, section 4.1
_SRV_NAMES: dict[Transport, str] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


class Question(msgspec.Struct, frozen=True):
    """One DNS question. Names are lower case, without the last dot."""

    name: str
    kind: Literal["NAPTR", "SRV", "A", "AAAA"]


class Naptr(msgspec.Struct, frozen=True):
    """RFC 3403; SIP's own have the flag "s": the replacement is asked for SRV."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(msgspec.Struct, frozen=True):
    """RFC 2782. The target "" (a lone dot) means: not served here."""

    priority: int
    weight: int
    port: int
    target: str


class Host(msgspec.Struct, frozen=True):
    """An A or AAAA record."""

    address: str


Records = tuple[Naptr | Srv | Host, ...]  # empty: there are none, or nobody said
Search = Generator[Question, Records, list[Hop]]
Asking = Generator[Question, Records, Records]


def locate(uri: SipUri, random: Random, *, transports: Collection[Transport] = ALL, ipv6: bool = True) -> Search:
    """The neighbours that serve `uri`, in the order to try them; none when it cannot be served.

    `transports` are what we speak, `ipv6` whether we can send to such an address.
    """
    return (yield from _Locating(uri, random, transports, ipv6).run())


class _Locating:
    """One URI's search."""

    def __init__(self, uri: SipUri, random: Random, transports: Collection[Transport], ipv6: bool) -> None:
        self._host = (uri.parameter("maddr") or uri.host).rstrip(".").lower()
        self._server = uri.host.rstrip(".").lower()
        self._port, self._asked = uri.port, _asked_transport(uri)
        self._secure = uri.scheme == "sips"
        self._transports, self._ipv6, self._random = transports, ipv6, random
        self._questions = 0

    def run(self) -> Search:
        if self._asked is not None and self._asked not in self._transports:
            return []
        if is_numeric(self._host) or self._port is not None:
            return (yield from self._hops(self._host, self._port, self._plain()))
        listed = False
        for name, transport in (yield from self._services()):
            served = yield from self._by_srv(name, transport)
            if served:
                return served
            listed = listed or served is not None
        return [] if listed else (yield from self._hops(self._host, None, self._plain()))

    def _services(self) -> Generator[Question, Records, list[tuple[str, Transport]]]:
        """The SRV names to ask and what they are about (section 4.1)."""
        if self._asked is not None:
            return [(f"{_SRV_NAMES[self._asked]}.{self._host}", self._asked)]
        answers = yield from self._ask(self._host, "NAPTR")
        pointers = sorted(
            (one for one in answers if isinstance(one, Naptr)), key=lambda one: (one.order, one.preference)
        )
        found = [(_name(one.replacement), _SERVICES[one.service.upper()]) for one in pointers if self._suits(one)]
        return found or [(f"{_SRV_NAMES[one]}.{self._host}", one) for one in ALL if one in self._transports]

    def _suits(self, pointer: Naptr) -> bool:
        """Whether this NAPTR is about SIP as we speak it; a sips URI goes nowhere but by TLS."""
        transport = _SERVICES.get(pointer.service.upper())
        if pointer.flags.lower() != "s" or transport not in self._transports:
            return False
        return transport == "tls" or not self._secure

    def _by_srv(self, name: str, transport: Transport) -> Generator[Question, Records, list[Hop] | None]:
        """A service's hosts in order; None when it has no SRV records, [] when they say it is not served."""
        records = [one for one in (yield from self._ask(name, "SRV")) if isinstance(one, Srv)]
        if not records:
            return None
        found: list[Hop] = []
        for record in islice(by_weight(records, self._random), MAX_HOPS):
            if _name(record.target) and len(found) < MAX_HOPS:
                found += yield from self._hops(_name(record.target), record.port, transport)
        return found[:MAX_HOPS]

    def _hops(self, host: str, port: int | None, transport: Transport) -> Search:
        """A host's addresses, IPv4 first: it is what carriers' media speak."""
        addresses = [host] if is_numeric(host) else (yield from self._addresses(host))
        server = self._server if transport == "tls" else ""
        usable = [one for one in addresses if self._ipv6 or ":" not in one]
        return [Hop(one, port or PORTS[transport], transport, server=server) for one in usable]

    def _addresses(self, host: str) -> Generator[Question, Records, list[str]]:
        found = [one.address for one in (yield from self._ask(host, "A")) if isinstance(one, Host)]
        if self._ipv6:
            found += [one.address for one in (yield from self._ask(host, "AAAA")) if isinstance(one, Host)]
        return found[:MAX_ADDRESSES]

    def _ask(self, name: str, kind: Literal["NAPTR", "SRV", "A", "AAAA"]) -> Asking:
        self._questions += 1
        if self._questions > MAX_QUESTIONS:
            return ()
        return (yield Question(_name(name), kind))

    def _plain(self) -> Transport:
        """The transport where neither URI nor DNS names one (section 4.1)."""
        if self._asked is not None:
            return self._asked
        return next((one for one in ALL if one in self._transports), ALL[0])


def by_weight(records: Iterable[Srv], random: Random) -> Iterator[Srv]:
    """SRV's processing order (RFC 2782): by priority, and within one by lot, the heavy ones sooner."""
    left = sorted(records, key=lambda one: (one.priority, one.weight))
    while left:
        group = [one for one in left if one.priority == left[0].priority]
        chosen = _drawn(group, random)
        left.remove(chosen)
        yield chosen


def _drawn(group: list[Srv], random: Random) -> Srv:
    """One by lot; a weight of 0 has a very small chance while others are there."""
    lot = random.uniform(0, sum(one.weight for one in group))
    for one in group[:-1]:
        lot -= one.weight
        if lot <= 0:
            return one
    return group[-1]


def _asked_transport(uri: SipUri) -> Transport | None:
    """What the URI itself says; a sips URI is served by TLS whatever it names (RFC 3261 section 26.2.2)."""
    named = (uri.parameter("transport") or "").lower()
    if uri.scheme == "sips" or named == "tls":
        return "tls"
    return "tcp" if named == "tcp" else "udp" if named == "udp" else None


def _name(text: str) -> str:
    return text.rstrip(".").lower()
