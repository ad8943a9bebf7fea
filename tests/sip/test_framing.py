"""Streams cut in every way: messages, pings, and the end of what cannot be framed (RFC 3261 section 18.3)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedMessage
from callactors.sip.framing import PING, Framed, Framer
from callactors.sip.message import MAX_BODY, MAX_HEAD, parse


def message(length: str = "Content-Length: 4", body: bytes = b"v=0\n", method: str = "INVITE") -> bytes:
    lines = [f"{method} sip:desk@127.0.0.1 SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.10;branch=z9hG4bK1", *length.split("\n")]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def framed(*pieces: bytes) -> tuple[list[bytes], int, bool]:
    """Messages, pings and whether the stream is over, after these pieces."""
    framer, got = Framer(), Framed()
    messages: list[bytes] = []
    pings = 0
    for piece in pieces:
        got = framer.receive(piece, 0.0)
        messages += got.messages
        pings += got.pings
    return messages, pings, got.over


HIDDEN = message("Content-Length: 0", b"", "BYE")
TWO = [message(), message("l : 0", b"", "OPTIONS")]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 400), max_size=12))
def test_however_a_stream_is_cut_the_same_messages_come_out(cuts: list[int]) -> None:
    stream = PING + TWO[0] + b"\r\n" + TWO[1] + PING + TWO[0]
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert framed(*pieces) == ([TWO[0], TWO[1], TWO[0]], 2, False)


def test_a_body_may_hold_what_looks_like_a_message() -> None:
    whole = message(f"Content-Length: {len(HIDDEN)}", HIDDEN)
    assert framed(whole + TWO[1]) == ([whole, TWO[1]], 0, False)


@pytest.mark.parametrize(
    "length",
    [
        "Content-Length: 4\nContent-Length: 0",
        "Content-Length: 0\nl: 4",
        "Content-Length: 1_000",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x4",
        "Content-Length: 4, 4",
        "Content-Length: 4\n 4",
        "Content-Length: \u0664",
        f"Content-Length: {2**64}",
        "Content-Length: 100000000",
        "Content-Length:",
        "X-No-Length: 4",
    ],
)
def test_a_length_that_cannot_be_trusted_ends_the_stream_and_nothing_is_taken_from_the_body(length: str) -> None:
    messages, _, over = framed(message(length, HIDDEN), HIDDEN)
    assert over
    (head,) = messages
    assert head.endswith(b"\r\n\r\n")
    with pytest.raises(MalformedMessage):
        parse(head, stream=True)


@pytest.mark.parametrize(
    "length", ["Content-Length : 4", "l:4", "CONTENT-LENGTH:\t4 ", "Content-Length:\n 4", "L: 4\nl: 4"]
)
def test_every_way_to_write_one_length_is_read_as_the_parser_reads_it(length: str) -> None:
    messages, _, over = framed(message(length) + HIDDEN)
    assert (messages, over) == ([message(length), HIDDEN], False)
    assert parse(messages[0], stream=True).body == b"v=0\n"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x01\x00\x00\x21\x12\xa4\x42",  # STUN
        b"\x16\x03\x01\x02\x00\x01",  # TLS
        b"\x80\x00\x00\x01",  # RTP
        b"GET / HTTP/1.1\r\n",
        b"A" * 5_000,
        message().replace(b"\r\nVia", b"\nVia"),
        message().replace(b"Via", b"V\ria"),
        message().replace(b"\r\n", b"\n"),
    ],
)
def test_what_is_no_sip_ends_the_stream_without_a_message(rubbish: bytes) -> None:
    assert framed(rubbish) == ([], 0, True)


def test_a_head_that_never_ends_ends_the_stream() -> None:
    start = b"INVITE sip:desk@127.0.0.1 SIP/2.0\r\n"
    assert not framed(start + b"X-Long: " + b"a" * (MAX_HEAD - 100))[2]
    assert framed(start + b"X-Long: " + b"a" * MAX_HEAD)[2]


def test_a_stream_that_is_over_gives_nothing_more() -> None:
    assert framed(b"\x00", message()) == ([], 0, True)


def test_the_largest_body_passes() -> None:
    whole = message(f"Content-Length: {MAX_BODY}", b"x" * MAX_BODY)
    assert framed(whole[:-1], whole[-1:]) == ([whole], 0, False)


def test_a_message_that_has_begun_is_dated_from_its_first_byte() -> None:
    framer = Framer()
    framer.receive(b"I", 1.0)
    framer.receive(b"NVITE", 5.0)
    assert framer.since == 1.0
    framer = Framer()
    framer.receive(b"\r\n", 1.0)
    assert framer.since is None
    framer.receive(message() + b"B", 3.0)
    assert framer.since == 3.0


def test_two_line_ends_are_a_ping_however_they_come() -> None:
    assert framed(b"\r\n\r\n") == ([], 1, False)
    assert framed(b"\r", b"\n\r", b"\n") == ([], 1, False)
    assert framed(b"\r\n") == ([], 0, False)
