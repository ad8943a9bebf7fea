"""Header fields and their typed values: what a dialog reads, and that it comes back from its own text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip.headers import (
    MAX_CSEQ,
    CSeq,
    Headers,
    NameAddr,
    Via,
    canonical,
    cseq,
    name_addr,
    name_addrs,
    split_commas,
    tokens,
    via,
    vias,
)
from callactors.sip.uri import OpaqueUri, SipUri, parse_uri

TWO_HOPS = Headers((("v", "SIP/2.0/UDP a;branch=1, SIP/2.0/TCP b:5070"), ("Via", "SIP/2.0/UDP [::1]")))


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("v", "Via"),
        ("CALL-ID", "Call-ID"),
        ("cseq", "CSeq"),
        ("x-note", "X-Note"),
        ("www-authenticate", "WWW-Authenticate"),
    ],
)
def test_names_have_one_canonical_form(spelling: str, name: str) -> None:
    assert canonical(spelling) == name
    assert Headers(((spelling, "1"),)).items == ((name, "1"),)


def test_headers_are_changed_by_making_new_ones() -> None:
    headers = Headers((("Xa", "1"), ("Xb", "2"), ("Xa", "3")))
    assert headers.with_("xa", "4", "5").items == (("Xa", "4"), ("Xa", "5"), ("Xb", "2"))
    assert headers.with_("Xc", "6").items == (*headers.items, ("Xc", "6"))
    assert headers.adding("xc", "6").items == (*headers.items, ("Xc", "6"))
    assert headers.without("xa").items == (("Xb", "2"),)
    assert (headers.get("Xa"), headers.all("Xa"), headers.get("Xc")) == ("1", ("1", "3"), None)


def test_hops_are_read_topmost_first_across_fields_and_commas() -> None:
    assert [hop.host for hop in vias(TWO_HOPS)] == ["a", "b", "::1"]


def test_a_via_knows_its_branch_and_whether_rport_is_wanted() -> None:
    hop = via("SIP/2.0/udp 127.0.0.10:5080;rport;branch=z9hG4bK1")
    assert (hop.transport, hop.branch, hop.wants_rport, hop.rport, hop.received) == (
        "UDP",
        "z9hG4bK1",
        True,
        None,
        None,
    )
    filled = hop.with_parameter("rport", "5081").with_parameter("received", "::1")
    assert (filled.rport, filled.received) == (5081, "::1")
    assert str(filled) == "SIP/2.0/UDP 127.0.0.10:5080;rport=5081;branch=z9hG4bK1;received=::1"


@pytest.mark.parametrize("text", ["", "x", "65536", "-1", "123456"])
def test_an_rport_that_is_no_port_is_none(text: str) -> None:
    assert Via("UDP", "a", None, (("rport", text),)).rport is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 a",
        "HTTP/2.0/UDP a",
        "SIP/2.0/U<P a",
        "SIP/2.0/UDP a b",
        "SIP/2.0/UDP a;;",
        "SIP/2.0/UDP a;b=<",
        'SIP/2.0/UDP a;b="x"y',
        "SIP/2.0/UDP [::1]5060",
    ],
)
def test_what_is_no_via_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        via(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ("sip:a@b", "", "sip:a@b", None),
        ("sip:a@b;tag=1", "", "sip:a@b", "1"),
        ("<sip:a@b;tag=uri>;tag=1", "", "sip:a@b;tag=uri", "1"),
        ("A. G. Bell <sip:a@b>;tag=1", "A. G. Bell", "sip:a@b", "1"),
        ("caller<sip:a@b>", "caller", "sip:a@b", None),
        ("Jürgen (Büro) <sip:a@b>", "Jürgen (Büro)", "sip:a@b", None),
        ('"A \\"B\\" \\\\"  < sip:a@b > ; tag = 1', 'A "B" \\', "sip:a@b", "1"),
        ('"" <sip:a@b>;tag=', "", "sip:a@b", None),
        ("Contact <tel:+1>", "Contact", "tel:+1", None),
    ],
)
def test_an_address_is_read_in_every_shape(text: str, display: str, uri: str, tag: str | None) -> None:
    address = name_addr(text)
    assert (address.display, str(address.uri), address.tag) == (display, uri, tag)
    assert name_addr(str(address)) == address


def test_without_angle_brackets_parameters_belong_to_the_header() -> None:
    address = name_addr("sip:a@b;unknownparam")
    assert (address.parameter("unknownparam"), address.uri.parameter("unknownparam")) == ("", None)


def test_with_angle_brackets_parameters_inside_belong_to_the_uri() -> None:
    address = name_addr("<sip:a@b;unknownparam>")
    assert (address.parameter("unknownparam"), address.uri.parameter("unknownparam")) == (None, "")


def test_a_tag_is_set_or_replaced() -> None:
    address = NameAddr("", OpaqueUri("urn", "x"))
    assert str(address.with_tag("1").with_tag("2")) == "<urn:x>;tag=2"


@pytest.mark.parametrize(
    "text",
    ["", "<sip:a@b", '"x', '"x" sip:a@b', "a;b <sip:a@b>", "sip:a@b>", "<sip:a@b>x", "<>", "<sip:a@b>;tag=1;Tag=2"],
)
def test_what_is_no_address_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        name_addr(text)


@pytest.mark.parametrize("end", ["\r", "\n", "\0", "x\r\nX-Injected: 1"])
def test_a_line_end_or_nul_in_a_display_name_is_refused(end: str) -> None:
    with pytest.raises(UnsafeText):
        str(NameAddr(end, parse_uri("sip:a@b")))


def test_an_escaped_nul_in_a_display_name_is_replaced() -> None:
    assert name_addr('"a\\\0b" <sip:a@b>').display == "a\N{REPLACEMENT CHARACTER}b"


def test_an_empty_element_of_an_address_list_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        name_addrs(Headers((("Contact", "<sip:a@b>,,<sip:c@d>"),)), "Contact")


def test_more_than_seventy_hops_are_malformed() -> None:
    with pytest.raises(MalformedMessage):
        vias(Headers((("Via", "SIP/2.0/UDP a"),) * 71))


def test_a_token_list_drops_empty_elements() -> None:
    headers = Headers((("Supported", "timer, ,100rel,"), ("k", "replaces")))
    assert tokens(headers, "Supported") == ("timer", "100rel", "replaces")


def test_commas_in_quotes_and_brackets_do_not_split() -> None:
    assert split_commas('"a,b" <sip:c,d@e> , f') == ('"a,b" <sip:c,d@e>', "f")


@pytest.mark.parametrize("text", ["1 INVITE", "1\tINVITE", "1   INVITE"])
def test_a_cseq_is_a_number_and_a_method(text: str) -> None:
    assert cseq(Headers((("CSeq", text),))) == CSeq(1, "INVITE")
    assert str(CSeq(1, "INVITE")) == "1 INVITE"


@pytest.mark.parametrize("text", ["", "1", "INVITE", "1 INV ITE", "-1 BYE", "+1 BYE", f"{MAX_CSEQ + 1} BYE", "1 <"])
def test_what_is_no_cseq_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        cseq(Headers((("CSeq", text),)))


NAMES = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")
VALUES = st.none() | st.from_regex(r"\A[A-Za-z0-9.]{1,8}\Z") | st.just('"q;u,o<t"')
PARAMETERS = st.lists(st.tuples(NAMES, VALUES), max_size=4, unique_by=lambda pair: pair[0]).map(tuple)
PORTS = st.none() | st.integers(0, 65_535)
HOSTS = st.sampled_from(["127.0.0.1", "node1", "a-b.example", "2001:db8::1"])


@settings(max_examples=100)
@given(
    st.text(alphabet=st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])), HOSTS, PORTS, PARAMETERS
)
def test_an_address_comes_back_from_its_own_text(
    display: str, host: str, port: int | None, found: tuple[tuple[str, str | None], ...]
) -> None:
    address = NameAddr(display, SipUri("sip", "u", None, host, port), found)
    assert name_addr(str(address)) == address


@settings(max_examples=100)
@given(st.sampled_from(["UDP", "TCP", "X-1"]), HOSTS, PORTS, PARAMETERS)
def test_a_via_comes_back_from_its_own_text(
    transport: str, host: str, port: int | None, found: tuple[tuple[str, str | None], ...]
) -> None:
    hop = Via(transport, host, port, found)
    assert via(str(hop)) == hop
