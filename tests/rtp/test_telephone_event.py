"""Digits as RFC 4733 sends them, and as networks and attackers mangle them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio.codecs import make_codec
from callactors.rtp.packet import RtpPacket
from callactors.rtp.receiver import Receiver
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


def test_packets_that_overtook_each_other_and_came_twice_are_one_digit() -> None:
    begin, middle, end = event(4, 160), event(4, 480), event(4, 800, end=True)
    assert hear([(middle, 0), (begin, 0), (begin, 0), (end, 0), (middle, 0), (end, 0)])[0] == "4"
    assert hear([(end, 0), (begin, 0), (middle, 0), (end, 0)])[0] == "4"


def test_an_end_that_comes_after_the_next_digit_began_is_no_third_digit() -> None:
    packets = [(event(4, 160), 0), (event(5, 160), 2000), (event(4, 800, end=True), 0), (event(5, 800, end=True), 2000)]
    assert hear(packets)[0] == "45"


@pytest.mark.parametrize("lost", [(0,), (1,), (0, 1), (2,), (1, 2)])
def test_a_key_held_for_five_seconds_by_the_48_khz_clock_is_one_digit(lost: tuple[int, ...]) -> None:
    """Beside Opus a segment is full after 1.37 s (RFC 4733 section 2.5.1.3), and any packet of it may be lost."""
    receiver, digits, now = EventReceiver(), list[str](), 0.0
    for segment in range(4):
        start, last = segment * 0xFFFF, segment == 3
        steps = [24_000, 48_000, 48_000] if last else [24_000, 48_000, 0xFFFF]
        for packet, duration in enumerate(steps):
            now += 0.15
            if packet not in lost or last:
                payload = event(9, duration, end=last and packet == 2)
                digits += receiver.receive(payload, start, segment == packet == 0, now)
    assert digits == ["9"]


def test_timestamps_that_begin_anew_with_another_source_do_not_silence_its_digits() -> None:
    receiver = Receiver(make_codec("pcmu"), 0, 101, 0.0)
    digits, now = list[str](), 1.0
    for ssrc, base, key in ((1, 1_000_000_000, 1), (2, 1_000, 2)):
        receiver.expect(now)
        for sequence in range(3):
            packet = RtpPacket(101, sequence, base, ssrc, event(key, 800, end=True), sequence == 0)
            digits += receiver.receive(packet, now)
            now += 0.02
    assert digits == ["1", "2"]


def test_timestamps_that_jump_back_within_one_source_cost_no_digit_after_a_while() -> None:
    receiver = EventReceiver()
    assert receiver.receive(event(1, 800, end=True), 1_000_000_000, True, 1.0) == ["1"]
    assert receiver.receive(event(2, 800, end=True), 1_000, True, 1.5) == []
    assert receiver.receive(event(3, 800, end=True), 2_000, True, 4.0) == ["3"]


@settings(max_examples=150)
@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 2**32 - 1)), max_size=30))
def test_noise_makes_only_keys(packets: list[tuple[bytes, int]]) -> None:
    assert set(hear(packets)[0]) <= set(KEYS)
