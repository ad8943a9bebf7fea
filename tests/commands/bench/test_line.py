"""One call of the generator: its SIP, said as text, and its packets on a real socket."""

from __future__ import annotations

import socket
from array import array
from collections.abc import Iterator

import pytest

from callactors.commands.bench.ear import Ear
from callactors.commands.bench.line import AROUND, EVERY, LOUD, PATIENCE, Line, header, ok
from callactors.rtp.packet import parse
from callactors.sip.message import Request
from callactors.sip.message import parse as parse_sip


@pytest.fixture
def far_end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(2)
        yield made


@pytest.fixture
def line() -> Iterator[Line]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        payloads = [bytes([turn]) * 160 for turn in range(EVERY)]
        yield Line(3, media, 5060, 6000, Ear(array("d"), 0, 160), payloads)


def answer(line: Line, status: int, port: int = 0) -> str:
    to = f"<sip:bench@127.0.0.1>;tag=far{status}"
    lines = [f"SIP/2.0 {status} Whatever", f"To: {to}", "CSeq: 1 INVITE", "Contact: <sip:us@127.0.0.1:5061>", "", ""]
    return "\r\n".join(lines) + (f"v=0\r\nm=audio {port} RTP/AVP 0\r\n" if port else "")


def read(message: bytes) -> Request:
    parsed = parse_sip(message)
    assert isinstance(parsed, Request)
    return parsed


def test_our_own_sip_can_read_what_it_says(line: Line) -> None:
    invite = read(line.invite(1.0))
    assert invite.method == "INVITE"
    assert b"m=audio" in invite.body
    assert b"telephone-event/8000" in invite.body


def test_an_answered_call_is_up_acked_and_left_where_the_contact_says(line: Line, far_end: socket.socket) -> None:
    line.invite(1.0)
    ack = line.response(200, answer(line, 200, far_end.getsockname()[1]), 1.25)
    assert (line.state, line.setup) == ("up", 0.25)
    assert ack is not None
    assert ack.startswith(b"ACK sip:us@127.0.0.1:5061 ")
    assert b"tag=far200" in line.bye(2.0)


def test_a_refusal_is_acked_and_kept(line: Line) -> None:
    line.invite(1.0)
    ack = line.response(503, answer(line, 503), 1.1)
    assert (line.state, line.status) == ("over", 503)
    assert ack is not None
    assert ack.startswith(b"ACK sip:bench@")


def test_an_invite_nobody_answers_is_repeated_and_given_up(line: Line) -> None:
    first = line.invite(1.0)
    assert line.overdue(1.4) is None
    assert line.overdue(1.6) == first
    assert line.overdue(1.1 + PATIENCE) is None
    assert (line.state, line.status) == ("over", 408)


def test_an_invite_somebody_is_working_on_is_not_repeated(line: Line) -> None:
    line.invite(1.0)
    line.response(100, answer(line, 100), 1.1)
    assert line.overdue(1.6) is None


def test_packets_follow_each_other_and_loud_ones_are_remembered_with_their_neighbours(
    line: Line, far_end: socket.socket
) -> None:
    line.invite(1.0)
    line.response(200, answer(line, 200, far_end.getsockname()[1]), 1.25)
    for turn in range(EVERY):
        line.speak(2.0 + turn)
    packets = [parse(far_end.recv(2048)) for _ in range(EVERY)]
    assert [packet.sequence for packet in packets] == list(range(EVERY))
    assert {packet.timestamp - 160 * packet.sequence for packet in packets} == {0}
    (mark,) = line.marked
    assert mark.times == tuple(2.0 + LOUD + place for place in range(-AROUND, AROUND + 1))


def test_whatever_is_asked_gets_a_200_with_its_own_headers(line: Line) -> None:
    said = ok(line.bye(1.0)).decode()
    assert said.startswith("SIP/2.0 200 OK\r\n")
    assert header(said, "CSeq") == "2 BYE"
    assert header(said, "Call-ID") == line.call_id
