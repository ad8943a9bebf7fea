"""Whole messages: the round trip, what is refused on the way out, and what hostile bytes may cost."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip.auth import Credentials
from callactors.sip.headers import Headers, NameAddr
from callactors.sip.message import MAX_BODY, MAX_MESSAGE, Message, Request, Response, parse, salvage, to_bytes
from callactors.sip.uri import OpaqueUri, SipUri, parse_uri

CAPTURES = Path(__file__).parent.parent / "captures"
BOB = parse_uri("sip:bob@127.0.0.1")
BASIC = (
    ("Via", "SIP/2.0/UDP 127.0.0.10;branch=z9hG4bK1"),
    ("From", "<sip:a@127.0.0.10>;tag=1"),
    ("To", "<sip:bob@127.0.0.1>"),
    ("Call-ID", "c1"),
    ("CSeq", "1 OPTIONS"),
)
FLAGS = "".join(f";{one}{two}" for one in "abcdefgh" for two in "abcdefgh")  # 64 parameters, as short as they get
LIMIT = 0.010  # seconds one message may cost


def cost(read: Callable[[], object]) -> float:
    """Seconds of this process's CPU, the best of three, so that a busy machine does not count."""
    spent: list[float] = []
    for _ in range(3):
        begun = time.process_time()
        read()
        spent.append(time.process_time() - begun)
    return min(spent)


def outcome(data: bytes) -> Message | MalformedMessage:
    """Parsed, or refused with the one error there is; salvage never raises."""
    try:
        return parse(data)
    except MalformedMessage as problem:
        salvage(data)
        return problem


def options(*more: tuple[str, str], body: bytes = b"") -> bytes:
    lines = [f"{name}: {value}" for name, value in (*BASIC, *more)]
    return ("OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode() + body


def test_a_request_is_written_as_it_is_read() -> None:
    request = Request("OPTIONS", BOB, Headers(BASIC), b"hello")
    assert to_bytes(request) == options(("Content-Length", "5"), body=b"hello")
    assert parse(to_bytes(request)) == request


def test_content_length_is_computed_whatever_the_headers_say() -> None:
    request = Request("OPTIONS", BOB, Headers((*BASIC, ("Content-Length", "99"))), b"hello")
    assert to_bytes(request) == options(("Content-Length", "5"), body=b"hello")


def test_a_response_keeps_its_reason() -> None:
    data = to_bytes(Response(200, "= 2**3 но сто", Headers(BASIC)))
    assert data.startswith("SIP/2.0 200 = 2**3 но сто\r\n".encode())
    assert parse(data) == Response(200, "= 2**3 но сто", Headers(BASIC))


@pytest.mark.parametrize("text", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b", '"a\\\0b', "\ud800"])
def test_a_header_value_never_ends_its_line(text: str) -> None:
    with pytest.raises(UnsafeText):
        to_bytes(Request("OPTIONS", BOB, Headers((*BASIC, ("Reason", text)))))


@pytest.mark.parametrize(
    "message",
    [
        Request("OPT IONS", BOB, Headers()),
        Request("", BOB, Headers()),
        Request("OPTIONS", OpaqueUri("x", "a b"), Headers()),
        Request("OPTIONS", SipUri("sip", "x\r\nX-Injected: 1", None, "h"), Headers()),
        Response(200, "O\r\nK", Headers()),
        Response(200, "O\0K", Headers()),
        Request("OPTIONS", BOB, Headers((("X: y", "1"),))),
        Request("OPTIONS", BOB, Headers((("X\r\nY", "1"),))),
    ],
)
def test_a_start_line_or_name_never_ends_its_line(message: Message) -> None:
    with pytest.raises(UnsafeText):
        to_bytes(message)


@pytest.mark.parametrize("name", ["x\r\nX-Injected: 1", "a\nb", "a\0b"])
def test_an_injected_caller_name_is_refused_before_it_is_a_header(name: str) -> None:
    with pytest.raises(UnsafeText):
        to_bytes(Request("REFER", BOB, Headers((("Refer-To", str(NameAddr(name, BOB))),))))


def test_an_escaped_nul_in_quotes_is_read_and_can_be_echoed() -> None:
    request = parse(options(("Subject", '"a\\\0b" and "c"')))
    assert b"a\\\0b" in to_bytes(request)


def test_a_body_over_the_limit_is_513() -> None:
    problem = outcome(options(("Content-Length", str(MAX_BODY + 1)), body=b"a" * (MAX_BODY + 1)))
    assert isinstance(problem, MalformedMessage)
    assert problem.status == 513


def test_a_message_over_the_limit_is_513() -> None:
    problem = outcome(options() + b"a" * MAX_MESSAGE)
    assert isinstance(problem, MalformedMessage)
    assert problem.status == 513


SILENT = {
    "nothing": b"",
    "one byte": b"\0",
    "three bytes": b"abc",
    "only line ends": b"\r\n\r\n\r\n",
    "only line feeds": b"\n\n",
    "STUN": struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12),
    "RTP": struct.pack("!BBHII", 0x80, 0, 1, 160, 7) + b"\xff" * 160,
    "RTP with line ends": struct.pack("!BBHII", 0x80, 0, 1, 160, 7) + b"\r\n\r\n" * 40,
    "65507 letters": b"A" * 65_507,
    "65507 line ends": b"\r\n" * 32_753,
    "65507 spaces": b" " * 65_500 + b"\r\n\r\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a broken ACK": b"ACK sip:a@b SIP/3.0\r\nVia: SIP/2.0/UDP a\r\n\r\n",
    "no Via": b"OPTIONS sip:a@b SIP/3.0\r\nTo: <sip:a@b>\r\n\r\n",
    "a Via nothing can be made of": b"OPTIONS sip:a@b SIP/3.0\r\nVia: ;;,\r\n\r\n",
}


@pytest.mark.parametrize("name", list(SILENT))
def test_noise_is_malformed_and_nothing_is_salvaged_so_silence_is_the_answer(name: str) -> None:
    with pytest.raises(MalformedMessage):
        parse(SILENT[name])
    assert salvage(SILENT[name]) is None
    assert cost(lambda: outcome(SILENT[name])) < LIMIT


def hostile() -> dict[str, bytes]:
    """What cost others seconds, or a traceback (each at least once in another SIP stack)."""
    quotes = ", ".join(f'a{n}=""' for n in range(40))
    folds = "\r\n ".join(["Subject: a"] + ["a"] * 250)
    return {
        "40 empty quoted parameters and a bad tail": options(("Authorization", f'Digest {quotes}, "'.strip())),
        "60000 digits in a tel URI": b"INVITE tel:" + b"1" * 60_000 + b"! SIP/2.0\r\n\r\n",
        "2000 digits in a tel URI": b"INVITE tel:" + b"1" * 2_000 + b"! SIP/2.0\r\n\r\n",
        "9000 distinct headers": options(*((f"a{n}", "") for n in range(9_000))),
        "128 long headers": options(*((f"a{n}", "b" * 110) for n in range(120))),
        "250 folds": f"OPTIONS sip:a@b SIP/2.0\r\n{folds}\r\n\r\n".encode(),
        "4000 backslashes in quotes": options(("Contact", '"' + "\\a" * 4_000)),
        "8000 quotes": options(("Contact", '"' * 8_000)),
        "8000 brackets": options(("Contact", "<" * 8_000)),
        "8000 commas": options(("Contact", "," * 8_000)),
        "4000 contacts": options(("Contact", "tel:1," * 1_350 + "tel:1")),
        "8000 semicolons": options(("Route", "<sip:a@b>" + ";" * 8_000)),
        "8000 percent signs": options(("Route", "<sip:" + "%" * 2_000 + "@b>")),
        "2000 at signs": b"OPTIONS sip:" + b"@" * 2_000 + b" SIP/2.0\r\n\r\n",
        "2000 colons": b"OPTIONS sip:" + b":" * 2_000 + b" SIP/2.0\r\n\r\n",
        "many NULs in quotes": options(("Subject", '"\\\0"' * 1_600)),
        "69 hops of 64 parameters": options(*(("Via", f"SIP/2.0/UDP a{FLAGS}") for _ in range(69))),
        "70 bare routes": options(*(("Route", "<sip:alice@127.0.0.1:5060>") for _ in range(70))),
        "15 hops of 64 parameters": options(*(("Via", "SIP/2.0/UDP a" + FLAGS) for _ in range(15))),
        "15 routes of 64 parameters": options(*(("Route", "<sip:a>" + FLAGS) for _ in range(15))),
        "15 routes of 64 URI parameters": options(*(("Route", "<sip:a" + FLAGS + ">") for _ in range(15))),
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_hostile_text_costs_less_than_ten_milliseconds(name: str) -> None:
    data = hostile()[name]
    assert cost(lambda: outcome(data)) < LIMIT


def test_hostile_credentials_are_refused_within_five_milliseconds() -> None:
    text = "Digest " + ", ".join(f'a{n}=""' for n in range(40)) + ', b="'

    def read() -> None:
        with pytest.raises(MalformedMessage):
            Credentials.parse(text)

    assert cost(read) < LIMIT / 2


@pytest.mark.parametrize(
    "value", ["+5", "-1", "1_000", "18446744073709551616", "5 ", "\u0665", "0x5", "", "5,5", "5;5"]
)
def test_a_content_length_that_is_no_number_never_lets_a_second_message_out(value: str) -> None:
    smuggled = b"hello" + options()
    found = outcome(options(("Content-Length ", value), body=smuggled))
    assert isinstance(found, MalformedMessage) or found.body == b"hello"
    assert isinstance(found, MalformedMessage) == (value != "5 ")


TEXTS = st.text(alphabet=st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30).map(
    lambda text: text.strip(" \t")
)
EXTRA = st.lists(st.tuples(st.sampled_from(["Subject", "X-Note", "User-Agent"]), TEXTS), max_size=5)


@settings(max_examples=100)
@given(st.integers(100, 699), TEXTS, EXTRA, st.binary(max_size=50))
def test_any_response_comes_back_from_its_bytes(
    status: int, reason: str, extra: list[tuple[str, str]], body: bytes
) -> None:
    response = Response(status, reason, Headers((*BASIC, *extra)), body)
    assert parse(to_bytes(response)) == response


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    outcome(data)
    outcome(b"OPTIONS sip:a@b SIP/2.0\r\n" + data + b"\r\n\r\n")


def mutate(data: bytes, source: random.Random) -> bytes:
    """One to four of: a byte changed, a stretch removed, doubled, or swapped for a delimiter."""
    for _ in range(source.randint(1, 4)):
        at, width = source.randrange(len(data)), source.choice((1, 1, 2, 8, 40))
        piece = source.choice((b"", bytes([source.randrange(256)]), data[at : at + width] * 2, *DELIMITERS))
        data = data[:at] + piece + data[at + width :] or b"\r\n"
    return data


DELIMITERS = (b'"', b"<", b">", b";", b",", b":", b"=", b"\\", b"%", b"\r\n", b"\r\n ", b"\0", b"@", b"[", b" ", b"\n")


def test_mutated_messages_are_read_or_refused_and_what_is_read_is_stable() -> None:
    source = random.Random(int(os.environ.get("FUZZ_SEED", "4475")))
    seeds = [path.read_bytes() for path in sorted(CAPTURES.glob("*.sip")) if path.stat().st_size < 2_000]
    for _ in range(4_000):
        found = outcome(mutate(source.choice(seeds), source))
        if not isinstance(found, MalformedMessage):
            assert parse(to_bytes(found)) == found
