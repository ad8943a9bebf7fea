"""Our frames against wsproto's, both ways; and every way a peer may break RFC 6455 section 5."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from callactors.errors import MalformedFrame
from callactors.net.websocket_frames import (
    BINARY,
    CLOSE,
    NO_CODE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    closed,
    closing,
    frame,
    mask,
)

LIMIT = 200_000
SIZES = (0, 1, 125, 126, 127, 4095, 16_384, 16_385, 65_535, 65_536, 100_003)


def theirs(client: bool) -> Connection:
    return Connection(ConnectionType.CLIENT if client else ConnectionType.SERVER)


def ours(client: bool, limit: int = LIMIT) -> FrameReader:
    """What we read with: a server's frames are bare, a client's masked."""
    return FrameReader(masked=not client, limit=limit)


def text_of(events: list[TextMessage]) -> str:
    return "".join(str(event.data) for event in events)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", [True, False])
def test_what_we_write_another_library_reads(size: int, client: bool) -> None:
    text = "x" * size
    peer = theirs(not client)
    peer.receive_data(frame(TEXT, text.encode(), masked=client))
    assert text_of([event for event in peer.events() if isinstance(event, TextMessage)]) == text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", [True, False])
def test_what_another_library_writes_we_read(size: int, client: bool) -> None:
    text = "y" * size
    sent = theirs(not client).send(TextMessage(data=text))
    assert ours(client).feed(sent) == [(TEXT, text.encode())]


@settings(max_examples=100)
@given(
    st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300)), min_size=1, max_size=5),
    st.lists(st.integers(1, 200), min_size=1),
    st.booleans(),
)
def test_pieces_of_any_size_make_the_same_messages(messages: list[str | bytes], cuts: list[int], client: bool) -> None:
    peer, reader = theirs(not client), ours(client)
    found: list[Frame] = []
    data = b"".join(peer.send(_fragmented(message)) for message in messages)
    while data:
        cut = cuts[len(found) % len(cuts)]
        found += reader.feed(data[:cut])
        data = data[cut:]
    wanted = [(TEXT, each.encode()) if isinstance(each, str) else (BINARY, each) for each in messages]
    assert found == wanted


def _fragmented(message: str | bytes) -> TextMessage | BytesMessage:
    return TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)


def test_fragments_are_one_message_and_pings_may_come_between() -> None:
    peer, reader = theirs(client=False), ours(client=True)
    data = peer.send(TextMessage(data="one ", message_finished=False))
    data += peer.send(Ping(payload=b"still there?"))
    data += peer.send(TextMessage(data="message"))
    assert reader.feed(data) == [(PING, b"still there?"), (TEXT, b"one message")]


@settings(max_examples=100)
@given(st.binary(max_size=40), st.binary(min_size=4, max_size=4))
def test_masking_is_the_rfcs_and_undoes_itself(payload: bytes, key: bytes) -> None:
    masked = mask(payload, key)
    assert masked == bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    assert mask(masked, key) == payload


def test_every_frame_has_a_masking_key_of_its_own() -> None:
    frames = {frame(TEXT, b"the same words", masked=True) for _ in range(3000)}
    assert len(frames) == 3000


def test_a_close_frame_says_code_and_reason_both_ways() -> None:
    peer = theirs(client=False)
    peer.receive_data(frame(CLOSE, closing(4000, "because"), masked=True))
    said = [event for event in peer.events() if isinstance(event, CloseConnection)]
    assert [(event.code, event.reason) for event in said] == [(4000, "because")]
    ((opcode, payload),) = ours(client=True).feed(theirs(client=False).send(CloseConnection(1001, "bye")))
    assert (opcode, closed(payload)) == (CLOSE, (1001, "bye"))


def test_a_reason_is_cut_to_what_a_control_frame_holds() -> None:
    payload = closing(1011, "ä" * 100)
    assert len(payload) <= 125
    assert closed(payload)[1] == "ä" * 61


def test_a_close_frame_may_be_empty() -> None:
    assert (closed(b""), closing(NO_CODE)) == ((NO_CODE, ""), b"")


@pytest.mark.parametrize("payload", [b"\x03", struct.pack("!H", 1005), struct.pack("!H", 1006), struct.pack("!H", 999)])
def test_a_close_code_that_may_not_be_sent_is_a_mistake(payload: bytes) -> None:
    with pytest.raises(MalformedFrame):
        closed(payload)


BROKEN = {
    "a reserved bit": (b"\xc1\x00", 1002),
    "an unknown opcode": (b"\x83\x00", 1002),
    "a mask from a server": (b"\x81\x80abcd", 1002),
    "a continuation of nothing": (b"\x80\x00", 1002),
    "a new message among fragments": (b"\x01\x00\x81\x00", 1002),
    "a ping in pieces": (b"\x09\x00", 1002),
    "a long ping": (b"\x89\x7e\x00\x7e", 1002),
    "two bytes for a short length": (b"\x81\x7e\x00\x7d", 1002),
    "eight bytes for a short length": (b"\x81\x7f" + (65_535).to_bytes(8, "big"), 1002),
    "text that is no UTF-8": (b"\x81\x02\xc3\x28", 1007),
    "a message over the limit": (b"\x81\x7f" + (LIMIT + 1).to_bytes(8, "big"), 1009),
    "fragments over the limit": ((b"\x01\x7f" + LIMIT.to_bytes(8, "big") + bytes(LIMIT)) + b"\x80\x01x", 1009),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
def test_what_a_peer_may_not_send_says_what_to_close_with(data: bytes, code: int) -> None:
    with pytest.raises(MalformedFrame) as caught:
        ours(client=True).feed(data)
    assert caught.value.code == code


def test_a_client_that_does_not_mask_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        ours(client=False).feed(b"\x81\x00")


@settings(max_examples=150)
@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_break_the_reader(data: bytes, client: bool) -> None:
    try:
        frames = ours(client).feed(data)
    except MalformedFrame:
        return
    assert all(opcode in (TEXT, BINARY, CLOSE, PING, PONG) for opcode, _ in frames)
