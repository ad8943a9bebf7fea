"""Redaction: no secret survives, in whatever shape a message comes, and what is left can still be read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.capture.redaction import redact

SECRET = b"5ecre7"


@pytest.mark.parametrize(
    "line",
    [
        b'Authorization: Digest username="u", realm="r", nonce="5ecre7", uri="sip:x", response="5ecre7"',
        b'authorization : Digest\r\n username="u",\r\n\tresponse="5ecre7"',
        b'Proxy-Authorization: Digest response="5ecre7"\r nonce="5ecre7"',
        b'X: a\rAuthorization: Digest response="5ecre7"',
        b"Authorization: Basic 5ecre7",
        b"Authorization:5ecre7",
        b'WWW-Authenticate: Digest realm="r", nonce="5ecre7", opaque="5ecre7"',
        b'Proxy-Authenticate: Digest nonce="a\\"5ecre7", realm="r"',
        b"Proxy-Authenticate: Digest NONCE = 5ecre7",
        b'Authentication-Info: nextnonce="5ecre7", rspauth="5ecre7"',
        b"Identity: 5ecre7.5ecre7;info=<https://c>",
        b"y: 5ecre7",
        b"X-Api-Key: 5ecre7",
        b"Cookie: session=5ecre7",
        b"From: <sip:alice:5ecre7@example.com>;tag=1",
        b"Refer-To: <sip:bob@example.com?Authorization=Digest%205ecre7&Subject=x>",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:5ecre7|2^20|1:4",
        b"a=crypto:1 AES inline:5ecre7;inline:5ecre7",
        b"a=key-mgmt:mikey 5ecre7",
        b"k=base64:5ecre7",
        b"a=ice-pwd:5ecre7",
        b"Signal=5ecre7",
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b""])
def test_a_secret_is_gone_and_the_next_line_stays(line: bytes, end: bytes) -> None:
    message = b"OPTIONS sip:x SIP/2.0\r\n" + line + (end + b"Max-Forwards: 70\r\n\r\n" if end else b"")
    redacted = redact(message)
    assert SECRET not in redacted
    assert b"[redacted]" in redacted
    assert redacted.startswith(b"OPTIONS sip:x SIP/2.0\r\n")
    assert not end or redacted.endswith(end + b"Max-Forwards: 70\r\n\r\n")


def test_a_digit_that_is_the_whole_body_is_gone() -> None:
    message = b"INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf\r\n\r\n7"
    assert redact(message).endswith(b"\r\n\r\n[redacted]")


def test_scheme_and_realm_stay_readable() -> None:
    line = b'Authorization: Digest username="u", realm="twilio.com", response="0"\r\n'
    assert redact(line) == b'Authorization: Digest realm="twilio.com", [redacted]\r\n'


def test_a_message_without_secrets_is_left_as_it_was() -> None:
    message = (
        b"INVITE sip:+13125550100@127.0.0.1:5060;user=phone SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bKx\r\n"
        b'From: "A" <sip:a@127.0.0.2:5070>;tag=1\r\nContact: <sip:a@127.0.0.2:5070>\r\n'
        b"Content-Type: application/sdp\r\n\r\n"
        b"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
    )
    assert redact(message) == message


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_nothing_raises_and_redacting_twice_changes_nothing_more(data: bytes) -> None:
    once = redact(data)
    assert redact(once) == once


@pytest.mark.parametrize(
    "unit",
    [b"sip:", b"a:", b"\r\n ", b"\r", b"token", b"Authorization: Digest ", b'nonce="\\', b"a=crypto:inline:", b"y:\n"],
)
def test_a_hostile_datagram_costs_a_bounded_time(unit: bytes) -> None:
    began = time.perf_counter()
    redact(b"INVITE x SIP/2.0\r\n" + unit * (65_000 // len(unit)))
    assert time.perf_counter() - began < 0.5
