"""The resolver against a name server on loopback, in virtual time."""

from __future__ import annotations

from random import Random

import trio
from trio.testing import MockClock

from callactors.net.resolver import LONGEST, NEGATIVE, SEARCH, SHORTEST, STALE, UNANSWERED, Resolver, read_hosts
from callactors.sip.address import Address, Hop
from callactors.sip.locate import MAX_HOPS
from callactors.sip.uri import SipUri
from callactors.testing.dns_server import DnsServer, dns_server

CARRIER = SipUri("sip", "x", None, "a.example")
ZONE = {
    "a.example NAPTR": ['10 10 "s" "SIP+D2U" "" _sip._udp.a.example.'],
    "_sip._udp.a.example SRV": ["10 0 5080 one.a.example.", "20 0 5080 two.a.example."],
    "one.a.example A": ["127.0.0.2"],
    "two.a.example A": ["127.0.0.3"],
}
HOPS = [Hop("127.0.0.2", 5080), Hop("127.0.0.3", 5080)]


def resolver(server: Address) -> Resolver:
    return Resolver(Random(1), servers=[server])


async def test_naptr_srv_and_addresses_are_asked_once_and_remembered(autojump_clock: MockClock) -> None:
    async with dns_server(ZONE) as (server, address):
        names = resolver(address)
        assert await names.hops(CARRIER) == HOPS
        assert await names.hops(CARRIER) == HOPS
        assert set(server.asked.values()) == {1}


async def test_an_answer_with_ttl_zero_serves_for_some_seconds_nevertheless(autojump_clock: MockClock) -> None:
    async with dns_server(ZONE, ttl=0) as (server, address):
        names = resolver(address)
        for _ in range(3):
            assert await names.hops(CARRIER) == HOPS
        assert server.asked["a.example NAPTR"] == 1
        await trio.sleep(SHORTEST)
        await names.hops(CARRIER)
        assert server.asked["a.example NAPTR"] == 2


async def test_a_ttl_of_a_year_is_asked_again_within_the_hour(autojump_clock: MockClock) -> None:
    async with dns_server(ZONE, ttl=31_536_000) as (server, address):
        names = resolver(address)
        await names.hops(CARRIER)
        await trio.sleep(LONGEST)
        await names.hops(CARRIER)
        assert server.asked["a.example NAPTR"] == 2


async def test_a_silent_name_server_costs_its_patience_once(autojump_clock: MockClock) -> None:
    async with dns_server(ZONE) as (server, address):
        server.silent = True
        names, began = resolver(address), trio.current_time()
        assert await names.hops(CARRIER) == []
        assert trio.current_time() - began <= SEARCH
        after = trio.current_time()
        assert await names.hops(CARRIER) == []
        assert trio.current_time() == after
        server.silent = False
        await trio.sleep(UNANSWERED)
        assert await names.hops(CARRIER) == HOPS


async def test_what_was_known_serves_while_the_name_server_is_silent(autojump_clock: MockClock) -> None:
    async with dns_server(ZONE) as (server, address):
        names = resolver(address)
        await names.hops(CARRIER)
        server.silent = True
        await trio.sleep(LONGEST)
        await names.hops(CARRIER)  # each of its questions goes unanswered once, and says so
        assert await names.hops(CARRIER) == HOPS
        await trio.sleep(STALE)
        assert await names.hops(CARRIER) == []


async def test_a_name_that_is_not_there_is_remembered_as_such(autojump_clock: MockClock) -> None:
    async with dns_server(ZONE) as (server, address):
        names, nobody = resolver(address), SipUri("sip", "x", None, "nobody.example", 5060)
        assert await names.hops(nobody) == []
        assert await names.hops(nobody) == []
        assert server.asked["nobody.example A"] == 1
        await trio.sleep(NEGATIVE)
        await names.hops(nobody)
        assert server.asked["nobody.example A"] == 2


async def test_a_thousand_targets_come_over_tcp_and_are_a_handful(autojump_clock: MockClock) -> None:
    zone = {
        "_sip._udp.a.example SRV": [f"10 1 {n} one.a.example." for n in range(1, 1_001)],
        "one.a.example A": ["127.0.0.2"],
    }
    async with dns_server(zone) as (server, address):
        hops = await resolver(address).hops(CARRIER)
        assert len(hops) == MAX_HOPS
        assert sum(server.asked.values()) < 10


async def test_a_dead_name_server_is_no_error(autojump_clock: MockClock) -> None:
    assert await resolver(Address("127.0.0.1", 9)).hops(CARRIER) == []


async def test_the_hosts_file_is_asked_before_any_server() -> None:
    hosts = read_hosts("127.0.0.7 PBX pbx.local # next door\n::1 pbx\nnonsense x\n\n")
    names = Resolver(Random(1), servers=[Address("127.0.0.1", 9)], hosts=hosts)
    assert await names.hops(SipUri("sip", "100", None, "pbx", 5062)) == [Hop("127.0.0.7", 5062)]
    assert await names.hops(SipUri("sip", "100", None, "pbx")) == []  # SRV is another name, and nobody answers


async def test_rubbish_is_not_answered_by_our_name_server() -> None:
    assert DnsServer({})._answer(b"\x00") is None
