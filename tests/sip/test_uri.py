"""URIs: RFC 3261 section 19.1 and RFC 3966, their own examples first."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedMessage
from callactors.sip.uri import (
    MAX_URI,
    OpaqueUri,
    SipUri,
    TelUri,
    decode,
    escape_header,
    escape_user,
    parse_uri,
)

# RFC 3261 section 19.1.3
EXAMPLES = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sips:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
    "sip:[2001:db8::10]:5070;lr",
    "sip:*86#@pbx_1",
    "tel:+358-555-1234567;postd=pp22",
    "tel:863-1234;phone-context=+1-914-555",
    "urn:service:sos",
    "http://www.example.com/a?b=c",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_uri_comes_back_as_it_was_written(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_the_parts_of_a_sip_uri() -> None:
    assert parse_uri("SIP:al%69ce:pw@Atlanta.com:5070;transport=tcp;lr?a=b") == SipUri(
        "sip", "al%69ce", "pw", "Atlanta.com", 5070, (("transport", "tcp"), ("lr", None)), (("a", "b"),)
    )


def test_a_parameter_is_asked_for_without_case() -> None:
    uri = parse_uri("sip:a@b;Transport=TCP;lr")
    assert (uri.parameter("transport"), uri.parameter("LR"), uri.parameter("maddr")) == ("TCP", "", None)


def test_the_user_is_unescaped_exactly_once() -> None:
    assert parse_uri("sip:%2541@b").user_decoded == "%41"


def test_a_semicolon_before_the_at_sign_belongs_to_the_user() -> None:
    uri = parse_uri("sip:user;par=u%40example.net@example.com")
    assert isinstance(uri, SipUri)
    assert (uri.user_decoded, uri.host, uri.parameters) == ("user;par=u@example.net", "example.com", ())


# RFC 3261 section 19.1.4, both of its lists
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        ("urn:service:sos", "urn:service:sos"),
    ],
)
def test_equal_uris_match_both_ways(one: str, other: str) -> None:
    assert parse_uri(one).matches(parse_uri(other))
    assert parse_uri(other).matches(parse_uri(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "tel:123"),
        ("tel:123", "sip:123@b"),
        ("tel:123", "tel:124"),
        ("urn:service:sos", "urn:service:sos.fire"),
    ],
)
def test_different_uris_do_not_match_either_way(one: str, other: str) -> None:
    assert not parse_uri(one).matches(parse_uri(other))
    assert not parse_uri(other).matches(parse_uri(one))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip",
        "5ip:a@b",
        "sip:a@b@c",
        "sip:a b@c",
        "sip:a@b\r\nX: 1",
        "sip:ä@b",
        "sip:a@b;=1",
        "sip:a@b;",
        "sip:a@b?x",
        "sip:a@b?=1",
        "sip:a@b:",
        "sip:a@b:-1",
        "sip:a@b:1_0",
        "sip:a@[b]",
        "sip:a@[::1]x",
        "sip:a@[fe80::1%25eth0]",
        "sip:a@b;tag=1;TAG=2",
        "tel:",
        "tel:+",
        "tel:12x",
        "tel:12;",
        "sip:a@b?" + "&".join(f"h{n}=1" for n in range(65)),
        "sip:a@b;" + ";".join(f"p{n}" for n in range(65)),
    ],
)
def test_what_is_no_uri_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_uri(text)


def test_a_uri_over_the_limit_is_414() -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_uri("tel:" + "1" * MAX_URI)
    assert caught.value.status == 414


def test_an_opaque_uri_has_neither_user_nor_parameters() -> None:
    uri = OpaqueUri("urn", "service:sos")
    assert (uri.user_decoded, uri.parameter("lr")) == ("", None)


def test_a_tel_uri_has_parameters_and_its_digits_for_a_user() -> None:
    uri = TelUri("+1-201", (("ext", "5"),))
    assert (uri.user_decoded, uri.parameter("EXT")) == ("+1201", "5")


@given(st.text(min_size=1, max_size=50))
@settings(max_examples=100)
@example("x\r\nX-Injected: 1")
def test_any_text_can_be_a_user_once_escaped(text: str) -> None:
    uri = parse_uri(f"sip:{escape_user(text)}@127.0.0.1")
    assert uri.user_decoded == text


@given(st.text(max_size=50))
@settings(max_examples=100)
def test_any_text_can_be_a_uri_header_once_escaped(text: str) -> None:
    uri = parse_uri(f"sip:a@127.0.0.1?Replaces={escape_header(text)}")
    assert isinstance(uri, SipUri)
    assert uri.header("Replaces") == text
    assert uri.header("Subject") is None
    assert decode(escape_header(text)) == text
