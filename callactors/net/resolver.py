"""DNS for SIP: drives sip/locate with dnspython on Trio, and remembers what it was told.

- Time is bounded twice: QUESTION seconds for each question, SEARCH for a whole URI. After silence nothing at all is
  asked for UNANSWERED seconds; what was said last is used meanwhile, up to a day old. So a dead name server costs one
  call its QUESTION, and not every call.
- TTLs are kept within SHORTEST and LONGEST: an answer with TTL 0 does not make every call a DNS query.
- The hosts file is asked first: the PBX in the next room is often nowhere else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from math import inf
from pathlib import Path
from random import Random

import attrs
import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
import trio
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from callactors.config import Config
from callactors.sip.address import Address, Hop, Transport, is_numeric
from callactors.sip.locate import ALL, Host, Naptr, Question, Records, Srv, locate
from callactors.sip.uri import SipUri

HOSTS = Path("/etc/hosts")
QUESTION = 2.0  # seconds, retransmissions included
SEARCH = 5.0
SHORTEST, LONGEST, NEGATIVE = 5.0, 3_600.0, 30.0  # seconds an answer is kept
UNANSWERED = 5.0
STALE = 86_400.0
MOST = 2_000  # answers kept
MOST_RECORDS = 1_500  # read of one answer


@attrs.frozen
class _Kept:
    records: Records | None  # None: nobody answered
    until: float
    stale_until: float


class Unanswered(Exception):
    """No name server answered, and nothing was remembered."""


class Resolver:
    """Finds who serves a URI. One for the process; safe to share by every call."""

    def __init__(
        self,
        random: Random,
        *,
        servers: Sequence[Address] = (),
        hosts: Mapping[str, tuple[str, ...]] | None = None,
        transports: Collection[Transport] = ALL,
        ipv6: bool = False,
    ) -> None:
        """`servers` are asked instead of the system's. `hosts` are names with addresses, as `read_hosts` reads them."""
        self._random, self._hosts = random, dict(hosts or {})
        self._transports, self._ipv6 = transports, ipv6
        self._servers = tuple(servers)
        self._asker: dns.asyncresolver.Resolver | None = None
        self._kept: OrderedDict[Question, _Kept] = OrderedDict()
        self._silent_until = -inf

    @classmethod
    def of(cls, config: Config, random: Random) -> Resolver:
        """As the configuration and this machine's hosts file have it."""
        try:
            hosts = read_hosts(HOSTS.read_text("utf-8", "replace"))  # a page, read once, before anything runs
        except OSError:
            hosts = {}
        ipv6 = any(":" in listener.address.host for listener in config.listen.sip)
        return cls(random, servers=config.dns, hosts=hosts, ipv6=ipv6)

    async def hops(self, uri: SipUri) -> list[Hop]:
        """RFC 3263's order; empty when nobody can be found in time. Never raises for what DNS says or does not say."""
        found: list[Hop] = []
        with trio.move_on_after(SEARCH):
            try:
                found = await self._search(uri)
            except Unanswered:
                found = []
        return found

    async def _search(self, uri: SipUri) -> list[Hop]:
        search = locate(uri, self._random, transports=self._transports, ipv6=self._ipv6)
        try:
            question = next(search)
            while True:
                question = search.send(await self._ask(question))
        except StopIteration as end:
            found: list[Hop] = end.value
            return found

    async def _ask(self, question: Question) -> Records:
        """From the hosts file, from memory, or from a name server. Raises Unanswered."""
        if question.name in self._hosts:
            return self._from_hosts(question)
        now = trio.current_time()
        kept = self._kept.get(question)
        if kept is None or now >= kept.until:
            kept = await self._fetch(question, kept)
            self._keep(question, kept)
        if kept.records is None:
            raise Unanswered(question.name)
        return kept.records

    def _from_hosts(self, question: Question) -> Records:
        wanted = {"A": ".", "AAAA": ":"}.get(question.kind)
        addresses = self._hosts[question.name] if wanted else ()
        return tuple(Host(one) for one in addresses if wanted and wanted in one)

    async def _fetch(self, question: Question, before: _Kept | None) -> _Kept:
        try:
            records, ttl = await self._query(question)
        except (dns.exception.DNSException, OSError, trio.TooSlowError) as error:
            now = trio.current_time()
            if isinstance(error, trio.TooSlowError):
                self._silent_until = now + UNANSWERED
            last = before if before is not None and now < before.stale_until else None
            if last is None:
                return _Kept(None, now + UNANSWERED, now)
            return attrs.evolve(last, until=now + UNANSWERED)
        now = trio.current_time()
        until = now + min(LONGEST, max(SHORTEST, ttl))
        return _Kept(records, until, until + STALE)

    async def _query(self, question: Question) -> tuple[Records, float]:
        """Records and TTL; none for a name that is not there.

        Raises DNSException or OSError when nobody knows, TooSlowError when nobody says anything.
        """
        if trio.current_time() < self._silent_until:
            raise dns.exception.Timeout
        try:
            with trio.fail_after(QUESTION):
                answer = await self._resolver().resolve(
                    f"{question.name}.",
                    question.kind,
                    search=False,
                    raise_on_no_answer=False,
                    lifetime=QUESTION * 2,  # by the wall's clock; ours comes first
                    backend=dns.asyncbackend.get_backend("trio"),
                )
        except dns.resolver.NXDOMAIN:
            return (), NEGATIVE
        ttl = NEGATIVE if answer.rrset is None else answer.chaining_result.minimum_ttl
        return _records(answer), float(ttl)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Raises DNSException when the system names no server."""
        if self._asker is None:
            self._asker = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                self._asker.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in self._servers]
            self._asker.timeout = QUESTION / 2
        return self._asker

    def _keep(self, question: Question, kept: _Kept) -> None:
        self._kept[question] = kept
        self._kept.move_to_end(question)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)


def read_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """The names of a hosts file (hosts(5)), in lower case, with their addresses."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names if is_numeric(address) else ():
            found[name.lower()] = (*found.get(name.lower(), ()), address)
    return found


def _records(answer: dns.resolver.Answer) -> Records:
    """Those of the kinds we know; of a name that has none of the kind asked, none."""
    found: list[Host | Srv | Naptr] = []
    for data in list(answer.rrset or ())[:MOST_RECORDS]:
        match data:
            case A() | AAAA():
                found.append(Host(data.address))
            case SRV():
                found.append(Srv(data.priority, data.weight, data.port, data.target.to_text()))
            case NAPTR():
                flags, service = data.flags.decode("latin-1"), data.service.decode("latin-1")
                found.append(Naptr(data.order, data.preference, flags, service, data.replacement.to_text()))
    return tuple(found)
