"""Each file of tests/captures is one rule: its name says what is odd, and `accept` or `reject-STATUS` what we do."""

from __future__ import annotations

from pathlib import Path

import pytest

from callactors.errors import MalformedMessage
from callactors.sip.headers import name_addr, name_addrs, vias
from callactors.sip.message import Message, Request, parse, salvage, to_bytes
from callactors.sip.uri import OpaqueUri, SipUri, TelUri

CAPTURES = Path(__file__).parent.parent / "captures"
ACCEPTED = sorted(path.stem for path in CAPTURES.glob("accept-*.sip"))
REFUSED = sorted(path.stem for path in CAPTURES.glob("reject-*.sip"))


def capture(name: str) -> bytes:
    return (CAPTURES / f"{name}.sip").read_bytes()


def accepted(rule: str) -> Message:
    return parse(capture(f"accept-{rule}"))


def accepted_request(rule: str) -> Request:
    message = accepted(rule)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted_comes_back_from_its_own_bytes(name: str) -> None:
    message = parse(capture(name))
    assert parse(to_bytes(message)) == message


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_with_which_status(name: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(capture(name))
    assert caught.value.status == int(name.split("-")[1])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_salvaged_from_a_refused_request_can_be_echoed(name: str) -> None:
    rescued = salvage(capture(name))
    if rescued is not None:
        assert vias(rescued.headers)
        assert to_bytes(rescued)


def test_enough_is_salvaged_to_answer_a_sip_3_request() -> None:
    rescued = salvage(capture("reject-505-sip-3"))
    assert rescued is not None
    assert [name for name, _ in rescued.headers.items] == ["Via", "From", "To", "Call-ID", "CSeq"]
    assert rescued.method == "OPTIONS"


def test_nothing_is_salvaged_from_a_response() -> None:
    assert salvage(capture("reject-400-status-code-over-699")) is None


def test_a_broken_via_is_salvaged_without_its_parameters() -> None:
    rescued = salvage(capture("reject-400-duplicate-branch"))
    assert rescued is not None
    assert rescued.headers.all("Via") == ("SIP/2.0/UDP 127.0.0.10",)


def test_compact_names_become_long_ones() -> None:
    headers = accepted("compact-header-names").headers
    assert (headers.get("Call-ID"), headers.get("supported")) == ("c1", "timer, 100rel")


def test_a_folded_header_is_one_line_with_single_spaces() -> None:
    assert accepted("folded-header").headers.get("Subject") == "one two three"


@pytest.mark.parametrize(
    "rule",
    [
        "no-content-length-takes-the-rest-as-body",
        "bytes-behind-content-length-are-dropped",
        "space-before-the-colon-of-content-length",
        "same-content-length-twice",
    ],
)
def test_the_body_is_what_content_length_says_and_nothing_behind_it(rule: str) -> None:
    assert accepted(rule).body == b"hello"


def test_content_length_is_framing_and_never_among_the_headers() -> None:
    assert accepted("same-content-length-twice").headers.get("Content-Length") is None


def test_an_emergency_urn_is_a_uri() -> None:
    assert accepted_request("emergency-urn").uri == OpaqueUri("urn", "service:sos")


def test_a_tel_uri_is_asked_for_its_digits() -> None:
    uri = accepted_request("tel-uri").uri
    assert isinstance(uri, TelUri)
    assert (uri.digits, uri.parameter("phone-context")) == ("+12015550123", "example.com")


def test_ipv6_hosts_lose_their_brackets_in_values_and_keep_them_in_text() -> None:
    request = accepted_request("ipv6-everywhere")
    assert isinstance(request.uri, SipUri)
    (hop,) = vias(request.headers)
    assert (request.uri.host, hop.host, hop.received) == ("2001:db8::1", "2001:db8::9", "2001:db8::9")
    assert str(request.uri) == "sip:bob@[2001:db8::1]:5070"


def test_contact_star_names_nobody() -> None:
    headers = accepted("contact-star").headers
    assert (headers.get("Contact"), name_addrs(headers, "Contact")) == ("*", ())


def test_two_contacts_in_one_header_are_two_whatever_commas_they_hold() -> None:
    first, second = name_addrs(accepted("two-contacts-in-one-header").headers, "Contact")
    assert (first.display, first.parameter("q"), str(first.uri)) == ("Smith, J", "0.5", "sip:a,b@127.0.0.10;x=1")
    assert str(second) == "<sip:c@127.0.0.11>"


def test_refer_to_needs_no_angle_brackets() -> None:
    address = name_addr(accepted("refer-to-without-angle-brackets").headers.get("Refer-To") or "")
    assert str(address.uri) == "sip:carol@127.0.0.12:15190"


def test_replaces_inside_refer_to_is_unescaped_once() -> None:
    address = name_addr(accepted("refer-to-with-escaped-replaces").headers.get("r") or "")
    assert isinstance(address.uri, SipUri)
    assert address.uri.header("replaces") == "call@host;to-tag=1;from-tag=2"


def test_quotes_hide_every_delimiter() -> None:
    caller = name_addr(accepted("quotes-with-commas-and-semicolons").headers.get("From") or "")
    assert (caller.display, caller.tag) == ('Bell, "A"; esq <x>', "a1")


def test_bytes_that_are_no_utf_8_survive_the_round_trip() -> None:
    assert b"caf\xe9" in to_bytes(accepted("latin-1-bytes-in-a-header"))
