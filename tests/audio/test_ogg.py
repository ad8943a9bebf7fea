"""Ogg pages as RFC 3533 has them, and what RFC 7845 puts into them."""

from __future__ import annotations

import pytest

from callactors.audio import ogg
from callactors.audio.ogg import MalformedOgg, OpusWriter


def written(packets: int = 120, size: int = 30, streams: int = 2) -> bytes:
    writer = OpusWriter(7, streams, 312, 8000)
    made = writer.begin("us", ("TITLE=a call",))
    part = bytes([0x08]) + bytes(size)
    for _ in range(packets):
        made += writer.packet([part] * streams, 960)
    return made + writer.end(packets * 960 - 500)


def test_a_page_is_the_one_of_the_specification() -> None:
    page = ogg.page(1, 2, 960, [b"abc"], ogg.LAST)
    assert page[:6] == b"OggS\0\x04"
    assert page[26:] == b"\x01\x03abc"
    assert ogg.checksum(b"123456789") == 0x89A1897F  # CRC-32 with this polynomial, from 0, not reflected, not inverted


def test_what_is_written_is_read_page_by_page() -> None:
    head, tags, *rest = ogg.pages(written())
    assert head[2][0][:9] == b"OpusHead\x01"
    assert head[0] == ogg.FIRST
    assert head[2][0][9] == 2
    assert head[2][0][18:] == bytes([1, 2, 0, 0, 1])  # family 1: two streams, none coupled
    assert tags[2][0].endswith(b"TITLE=a call")
    assert sum(len(packets) for _, _, packets in rest) == 120
    assert [granule for _, granule, _ in rest] == [48_000, 96_000, 120 * 960 - 500 + 312]
    assert rest[-1][0] == ogg.LAST


def test_a_page_has_no_more_packets_than_it_has_segments_for() -> None:
    for _, _, packets in list(ogg.pages(written(60, size=1200)))[2:]:
        assert sum(len(packet) // 255 + 1 for packet in packets) <= 255


def test_one_side_is_a_plain_stream() -> None:
    head = next(iter(ogg.pages(written(streams=1))))[2][0]
    assert head[9:] == bytes([1]) + (312).to_bytes(2, "little") + (8000).to_bytes(4, "little") + bytes(3)


@pytest.mark.parametrize(("size", "length"), [(0, b"\x00"), (251, b"\xfb"), (252, b"\xfc\x00"), (1275, b"\xff\xff")])
def test_a_self_delimited_packet_says_how_long_it_is(size: int, length: bytes) -> None:
    packet = bytes([0x08]) + bytes(size)
    assert ogg.self_delimited(packet) == b"\x08" + length + bytes(size)


def test_only_packets_of_one_frame_are_taken() -> None:
    for packet in (b"", b"\x0b\x02"):
        with pytest.raises(ValueError, match="one frame"):
            ogg.self_delimited(packet)


def test_damage_is_noticed_wherever_it_is() -> None:
    data = written(3)
    for at in range(len(data)):
        with pytest.raises(MalformedOgg):
            list(ogg.pages(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]))
    with pytest.raises(MalformedOgg):
        list(ogg.pages(data[:-1]))
