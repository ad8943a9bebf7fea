"""RFC 3263 without a name server: a zone is a dict, and every question asked is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.sip.address import Hop, Transport
from callactors.sip.locate import (
    MAX_HOPS,
    MAX_QUESTIONS,
    Host,
    Naptr,
    Question,
    Records,
    Srv,
    by_weight,
    locate,
)
from callactors.sip.uri import SipUri, parse_uri

Zone = Mapping[str, Records]
UDP: tuple[Transport, ...] = ("udp",)
TLS: tuple[Transport, ...] = ("tls",)


def found(uri: str, zone: Zone, asked: list[str] | None = None, **options: bool) -> list[Hop]:
    """The hops of a URI by a zone `{"a.example A": (Host("127.0.0.2"),)}`; the questions go into `asked`."""
    target = parse_uri(uri)
    assert isinstance(target, SipUri)
    search = locate(target, Random(1), **options)  # type: ignore[arg-type]  # only ipv6 is passed on
    try:
        question = next(search)
        while True:
            if asked is not None:
                asked.append(text_of(question))
            question = search.send(zone.get(text_of(question), ()))
    except StopIteration as end:
        hops: list[Hop] = end.value
        return hops


def text_of(question: Question) -> str:
    return f"{question.name} {question.kind}"


def test_a_numeric_host_asks_nobody() -> None:
    asked: list[str] = []
    assert found("sip:x@127.0.0.2", {}, asked) == [Hop("127.0.0.2", 5060)]
    assert found("sip:x@127.0.0.2:5070;transport=tcp", {}, asked) == [Hop("127.0.0.2", 5070, "tcp")]
    assert found("sips:x@127.0.0.2", {}, asked) == [Hop("127.0.0.2", 5061, "tls", server="127.0.0.2")]
    assert asked == []


def test_a_port_asks_for_addresses_and_never_for_srv() -> None:
    asked: list[str] = []
    zone = {"a.example A": (Host("127.0.0.2"), Host("127.0.0.3"))}
    hops = found("sip:x@a.example:5080", zone, asked, ipv6=False)
    assert hops == [Hop("127.0.0.2", 5080), Hop("127.0.0.3", 5080)]
    assert asked == ["a.example A"]


def test_naptr_leads_to_srv_leads_to_addresses_in_that_order() -> None:
    zone: Zone = {
        "a.example NAPTR": (
            Naptr(50, 50, "s", "SIP+D2U", "_sip._udp.a.example."),
            Naptr(10, 90, "s", "SIP+D2T", "_sip._tcp.a.example."),
            Naptr(10, 10, "s", "SIPS+D2T", "_sips._tcp.a.example."),
        ),
        "_sips._tcp.a.example SRV": (Srv(2, 0, 5063, "two.a.example."), Srv(1, 0, 5062, "one.a.example.")),
        "one.a.example A": (Host("127.0.0.2"),),
        "two.a.example A": (Host("127.0.0.3"),),
    }
    asked: list[str] = []
    hops = found("sip:x@a.example", zone, asked, ipv6=False)
    assert hops == [
        Hop("127.0.0.2", 5062, "tls", server="a.example"),
        Hop("127.0.0.3", 5063, "tls", server="a.example"),
    ]
    assert asked == ["a.example NAPTR", "_sips._tcp.a.example SRV", "one.a.example A", "two.a.example A"]


def test_a_naptr_of_a_transport_we_do_not_speak_is_passed_over() -> None:
    zone: Zone = {
        "a.example NAPTR": (
            Naptr(1, 1, "s", "SIP+D2S", "_sip._sctp.a.example."),
            Naptr(1, 1, "u", "SIP+D2U", "elsewhere.example."),
            Naptr(2, 1, "S", "sip+d2t", "_sip._tcp.a.example."),
        ),
        "_sip._tcp.a.example SRV": (Srv(1, 0, 5060, "one.a.example."),),
        "one.a.example A": (Host("127.0.0.2"),),
    }
    assert found("sip:x@a.example", zone) == [Hop("127.0.0.2", 5060, "tcp")]


def test_a_sips_uri_goes_nowhere_but_by_tls() -> None:
    zone: Zone = {
        "a.example NAPTR": (Naptr(1, 1, "s", "SIP+D2U", "_sip._udp.a.example."),),
        "_sip._udp.a.example SRV": (Srv(1, 0, 5060, "one.a.example."),),
        "_sips._tcp.a.example SRV": (Srv(1, 0, 5061, "one.a.example."),),
        "one.a.example A": (Host("127.0.0.2"),),
    }
    assert found("sips:x@a.example", zone) == [Hop("127.0.0.2", 5061, "tls", server="a.example")]


@pytest.mark.parametrize(("service", "transport"), [("_sip._udp", "udp"), ("_sip._tcp", "tcp"), ("_sips._tcp", "tls")])
def test_without_naptr_srv_is_asked_for_every_transport(service: str, transport: str) -> None:
    zone: Zone = {
        f"{service}.a.example SRV": (Srv(1, 0, 5099, "one.a.example."),),
        "one.a.example A": (Host("127.0.0.2"),),
    }
    (hop,) = found("sip:x@a.example", zone)
    assert (hop.port, hop.transport) == (5099, transport)


def test_a_transport_in_the_uri_asks_for_that_service_alone() -> None:
    asked: list[str] = []
    zone = {"a.example A": (Host("127.0.0.2"),)}
    assert found("sip:x@a.example;transport=tcp", zone, asked, ipv6=False) == [Hop("127.0.0.2", 5060, "tcp")]
    assert asked == ["_sip._tcp.a.example SRV", "a.example A"]


def test_a_host_without_any_srv_is_asked_by_udp_at_5060() -> None:
    zone: Zone = {"pbx A": (Host("127.0.0.2"),), "pbx AAAA": (Host("::1"),)}
    assert found("sip:100@pbx", zone) == [Hop("127.0.0.2", 5060), Hop("::1", 5060)]
    assert found("sip:100@pbx", zone, ipv6=False) == [Hop("127.0.0.2", 5060)]


def test_a_lone_dot_says_that_nobody_serves_it() -> None:
    zone: Zone = {"_sip._udp.a.example SRV": (Srv(0, 0, 0, "."),), "a.example A": (Host("127.0.0.2"),)}
    assert found("sip:x@a.example", zone) == []


def test_srv_weights_share_the_calls() -> None:
    records = [Srv(1, 70, 1, "seventy."), Srv(1, 30, 1, "thirty."), Srv(2, 100, 1, "spare.")]
    random = Random(7)
    orders = [[one.target for one in by_weight(records, random)] for _ in range(1_000)]
    first = Counter(order[0] for order in orders)
    assert 650 <= first["seventy."] <= 750
    assert first["spare."] == 0
    assert {order[2] for order in orders} == {"spare."}


def test_a_thousand_targets_are_as_many_questions_as_eight() -> None:
    zone: Zone = {"_sip._udp.a.example SRV": tuple(Srv(1, 1, 5060, f"h{n}.a.example.") for n in range(1_000))}
    asked: list[str] = []
    assert found("sip:x@a.example", zone, asked) == []
    assert len(asked) <= MAX_QUESTIONS


def test_a_transport_we_do_not_speak_leads_nowhere() -> None:
    target = parse_uri("sip:x@127.0.0.2;transport=tcp")
    assert isinstance(target, SipUri)
    with pytest.raises(StopIteration) as end:
        next(locate(target, Random(1), transports=UDP))
    assert end.value.value == []


def test_services_whose_targets_are_all_dead_are_given_up_in_time() -> None:
    dead = tuple(Srv(1, 1, 5060, f"h{n}.a.example.") for n in range(8))
    services = {"SIP+D2U": "_sip._udp.a.example", "SIP+D2T": "_sip._tcp.a.example", "SIPS+D2T": "_sips._tcp.a.example"}
    zone: dict[str, Records] = {f"{name} SRV": dead for name in services.values()}
    zone["a.example NAPTR"] = tuple(Naptr(1, n, "s", word, name) for n, (word, name) in enumerate(services.items()))
    asked: list[str] = []
    assert found("sip:x@a.example", zone, asked) == []
    assert len(asked) == MAX_QUESTIONS


def test_a_machine_that_speaks_tls_alone_is_served_by_tls_alone() -> None:
    zone: Zone = {"a.example A": (Host("127.0.0.2"),)}
    target = parse_uri("sip:x@a.example")
    assert isinstance(target, SipUri)
    search, hops = locate(target, Random(1), transports=TLS, ipv6=False), list[Hop]()
    try:
        question = next(search)
        while True:
            question = search.send(zone.get(text_of(question), ()))
    except StopIteration as end:
        hops = end.value
    assert hops == [Hop("127.0.0.2", 5061, "tls", server="a.example")]


LABELS = st.sampled_from(["a.example", "one.a.example", "_sip._udp.a.example", "_sips._tcp.a.example", "", "."])
RECORDS = st.one_of(
    st.builds(Host, st.sampled_from(["127.0.0.2", "::1", "127.0.0.9"])),
    st.builds(Srv, st.integers(0, 3), st.integers(0, 65_535), st.integers(0, 65_535), LABELS),
    st.builds(
        Naptr, st.integers(0, 3), st.integers(0, 3), st.sampled_from("su"), st.sampled_from(["SIP+D2U", "x"]), LABELS
    ),
)


@given(
    st.dictionaries(
        st.builds("{} {}".format, LABELS, st.sampled_from(["A", "AAAA", "SRV", "NAPTR"])),
        st.lists(RECORDS, max_size=12).map(tuple),
    ),
    st.sampled_from(["sip:x@a.example", "sips:x@a.example", "sip:x@one.a.example;transport=tcp", "sip:x@a.example:9"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_a_zone_says_the_search_ends_within_its_bounds(zone: Zone, uri: str) -> None:
    asked: list[str] = []
    hops = found(uri, zone, asked)
    assert len(hops) <= MAX_HOPS
    assert len(asked) <= MAX_QUESTIONS
    assert all(hop.transport == "tls" for hop in hops if uri.startswith("sips"))
