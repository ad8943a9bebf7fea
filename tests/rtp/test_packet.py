"""RTP packets as RFC 3550 section 5.1 draws them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedPacket
from callactors.rtp.packet import RtpPacket, parse

PLAIN = RtpPacket(payload_type=0, sequence=7, timestamp=160, ssrc=9, payload=b"abcd")


@given(st.integers(0, 127), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=300), st.booleans())
@settings(max_examples=100)
def test_a_packet_survives_the_wire(kind: int, sequence: int, timestamp: int, payload: bytes, marker: bool) -> None:
    packet = RtpPacket(kind, sequence, timestamp, 1, payload, marker)
    assert parse(packet.to_bytes()) == packet


def test_contributing_sources_are_read_past() -> None:
    data = bytearray(PLAIN.to_bytes())
    data[0] |= 2
    assert parse(bytes(data[:12] + bytes(8) + data[12:])) == PLAIN


def test_a_header_extension_is_read_past() -> None:
    data = bytearray(PLAIN.to_bytes())
    data[0] |= 0x10
    assert parse(bytes(data[:12] + b"\xbe\xde\0\2" + bytes(8) + data[12:])) == PLAIN


def test_padding_is_cut_off() -> None:
    data = bytearray(PLAIN.to_bytes())
    data[0] |= 0x20
    assert parse(bytes(data) + b"\0\0\3") == PLAIN


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN.to_bytes()[:11],
        b"\x40" + PLAIN.to_bytes()[1:],  # version 1
        b"\x8f" + PLAIN.to_bytes()[1:],  # 15 contributing sources that are not there
        b"\x90" + PLAIN.to_bytes()[1:12],  # an extension that is not there
        b"\x90" + PLAIN.to_bytes()[1:12] + b"\0\0\xff\xff",  # an extension longer than the packet
        b"\xa0" + PLAIN.to_bytes()[1:] + b"\0",  # padding of nothing
        b"\xa0" + PLAIN.to_bytes()[1:] + b"\xff",  # padding longer than the packet
    ],
)
def test_what_is_cut_short_or_of_another_version_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        parse(data)


@given(st.binary(max_size=80))
@settings(max_examples=150)
def test_noise_never_breaks_the_parser(noise: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        assert len(parse(noise).payload) <= len(noise)
