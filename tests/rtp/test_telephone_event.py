"""Digits as RFC 4733 sends them, and as networks and attackers mangle them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.rtp.telephone_event import KEYS, EventPacket, EventReceiver, event_packets


def event(code: int, duration: int, *, end: bool = False) -> bytes:
    return struct.pack("!BBH", code, 0x80 if end else 10, duration)


def hear(packets: list[tuple[bytes, int]], *, step: float = 0.02, start: float = 10.0) -> tuple[str, EventReceiver]:
    """What digits come of (payload, timestamp) packets; the marker is on the first of each timestamp."""
    receiver, digits, seen, now = EventReceiver(), "", set[int](), start
    for payload, timestamp in packets:
        digits += "".join(receiver.receive(payload, timestamp, timestamp not in seen, now))
        seen.add(timestamp)
        now += step
    return digits + "".join(receiver.expire(now + 1)), receiver


@pytest.mark.parametrize("digit", KEYS)
def test_what_we_send_is_heard_as_one_digit(digit: str) -> None:
    packets = [(packet.payload, 1000) for packet in event_packets(digit) if packet is not None]
    assert hear(packets)[0] == digit


def test_an_event_keeps_its_timestamp_and_ends_with_three_packets() -> None:
    slots = list(event_packets("5"))
    packets = [(index, packet) for index, packet in enumerate(slots) if isinstance(packet, EventPacket)]
    assert {index * 160 - packet.offset for index, packet in packets} == {0}
    assert [packet.marker for _, packet in packets] == [True] + [False] * 7
    assert [packet.payload[1] >> 7 for _, packet in packets] == [0] * 5 + [1] * 3
    assert slots[-1] is None


def test_three_end_packets_are_one_digit() -> None:
    assert hear([(event(1, 160), 0), *[(event(1, 320, end=True), 0)] * 3])[0] == "1"


def test_a_lost_begin_still_makes_one_digit() -> None:
    assert hear([(event(1, 800, end=True), 0)] * 2)[0] == "1"


def test_lost_ends_still_make_one_digit() -> None:
    assert hear([(event(1, 160), 0), (event(1, 320), 0)])[0] == "1"
    assert hear([(event(1, 160), 0), (event(2, 160), 4000), (event(2, 320, end=True), 4000)])[0] == "12"


def test_the_same_key_twice_is_two_digits() -> None:
    assert hear([(event(7, 320, end=True), 0)] * 3 + [(event(7, 320, end=True), 2000)] * 3)[0] == "77"


def test_an_old_packet_that_comes_late_makes_no_second_digit() -> None:
    assert hear([(event(7, 320, end=True), 2000), (event(6, 320, end=True), 0)])[0] == "7"


def test_a_segment_of_a_long_event_is_no_new_digit() -> None:
    receiver, digits = EventReceiver(), list[str]()
    digits += receiver.receive(event(3, 0xFFFF), 1000, True, 0.0)
    digits += receiver.receive(event(3, 160), 1000 + 0xFFFF, False, 0.02)
    digits += receiver.receive(event(3, 320, end=True), 1000 + 0xFFFF, False, 0.04)
    assert digits == ["3"]


@pytest.mark.parametrize("payload", [event(16, 320, end=True), event(255, 320, end=True), b"", b"\1\x80\1"])
def test_what_is_no_digit_is_ignored_and_counted(payload: bytes) -> None:
    digits, receiver = hear([(payload, 0)])
    assert (digits, receiver.ignored) == ("", 1)


def test_an_end_of_an_event_that_lasted_no_time_is_no_digit() -> None:
    assert hear([(event(1, 0, end=True), 0)] * 3)[0] == ""


def test_a_thousand_events_a_second_are_capped_at_what_a_finger_can_do() -> None:
    digits, receiver = hear([(event(1, 160, end=True), index * 1000) for index in range(1000)], step=0.001)
    assert len(digits) <= 18
    assert receiver.ignored >= 900


@settings(max_examples=150)
@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 2**32 - 1)), max_size=30))
def test_noise_makes_only_keys(packets: list[tuple[bytes, int]]) -> None:
    assert set(hear(packets)[0]) <= set(KEYS)
