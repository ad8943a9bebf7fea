"""The jitter buffer of a bridge: order, loss, drift and pauses, one 20 ms frame at a time."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio import tone
from callactors.audio.codecs import make_codec
from callactors.audio.format import AudioFormat
from callactors.rtp.packet import RtpPacket
from callactors.rtp.relay import CALM, DEEPEST, DEPTH, LATE, ROOM, SPARE, Relay, RelayBuffer
from callactors.testing.rough_wire import RoughWire

FRAME = 160


def words(number: int, size: int = FRAME) -> bytes:
    return bytes([number]) * size


def said(relay: RelayBuffer, frames: int) -> list[int | None]:
    """The last sample of each frame, None for nothing to say."""
    taken = [relay.take() for _ in range(frames)]
    return [None if frame is None else frame[-1] for frame in taken]


def test_what_comes_leaves_two_frames_later() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    assert relay.take() is None
    relay.put(1, 1000, words(7))
    assert said(relay, 3) == [None, None, 7]


def test_order_is_restored_and_doubles_are_said_once() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    for number in (1, 3, 2, 2):
        relay.put(1, FRAME * number, words(number))
    assert said(relay, 5) == [None, None, 1, 2, 3]
    assert relay.lost == 0


def test_copies_of_a_packet_disturb_no_decoder() -> None:
    """Opus goes on from what it decoded last: a packet decoded twice is another sound."""
    speaker = make_codec("opus")
    packets = [RtpPacket(111, n, 960 * n, 5, speaker.encode(voice(n))) for n in range(20)]
    heard = []
    for copies in (1, 3):
        relay = Relay(make_codec("pcmu"))
        frames = []
        for packet in packets:
            for _ in range(copies):
                relay.put(packet, speaker)
            frames.append(relay.take())
        heard.append(frames)
    assert heard[0] == heard[1]


def voice(number: int) -> bytes:
    """20 ms of a tone at 24 kHz, going on where the last one ended."""
    return tone.sine(440, 400, rate=24_000)[480 * number : 480 * (number + 1)].tobytes()


def test_a_lost_packet_sounds_on_fainter_and_nothing_is_said_of_it_in_the_end() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    relay.put(1, 0, words(0x80))
    relay.put(1, 2 * FRAME, words(0x80))
    taken = [relay.take() for _ in range(5)]
    assert taken[3] is not None
    assert (taken[3][0], taken[3][-1] > 0x80) == (0x80, True)
    assert taken[4] is not None
    assert taken[4][40:] == words(0x80)[40:]
    assert [relay.take() for _ in range(4)][-1] is None
    assert relay.lost == 4


def test_timestamps_may_wrap() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    relay.put(1, 0xFFFFFFFF - FRAME + 1, words(1))
    relay.put(1, 0, words(2))
    assert said(relay, 4) == [None, None, 1, 2]


def test_packets_of_any_length_make_whole_frames() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    for index in range(4):
        relay.put(1, index * 240, words(index + 1, 240))
    frames = [relay.take() for _ in range(8)]
    assert b"".join(frame for frame in frames if frame is not None) == b"".join(words(n + 1, 240) for n in range(4))


def test_a_late_packet_is_dropped_and_many_late_ones_move_the_place() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    relay.put(1, 50_000, words(1))
    for index in range(LATE - 1):
        relay.put(1, index * FRAME, words(2))
    assert (relay.late, said(relay, 3)) == (LATE - 1, [None, None, 1])
    relay.put(1, LATE * FRAME, words(3))
    assert said(relay, 3)[-1] == 3


def bridged(relay: RelayBuffer, arriving: list[tuple[float, int]], slots: int) -> dict[int, int]:
    """In which slot each packet was said, of those that come (seconds, number) at these times; a slot is 20 ms."""
    found: dict[int, int] = {}
    for slot in range(slots):
        while arriving and arriving[0][0] <= slot * 0.02:
            number = arriving.pop(0)[1]
            relay.put(1, number * FRAME, number.to_bytes(2, "big") * (FRAME // 2))
        frame = relay.take()
        if frame is not None and frame[-2:] * 8 == frame[-16:]:
            found.setdefault(int.from_bytes(frame[-2:], "big"), slot)
    return found


@pytest.mark.parametrize(("loss", "jitter"), [(0.0, 0.03), (0.0, 0.1), (0.05, 0.06), (0.05, 0.15)])
def test_where_packets_come_late_a_bridge_is_slower_and_says_them_all(loss: float, jitter: float) -> None:
    sent = [(number * 0.02, number) for number in range(1, 3_000)]
    arriving = RoughWire(Random(2), loss=loss, jitter=jitter).carry(sent)
    came = {number for _, number in arriving}
    found = bridged(RelayBuffer(AudioFormat.PCMU), arriving, 3_020)
    assert len(came - set(found)) <= 0.005 * len(came)
    assert max(slot - number for number, slot in found.items()) * 0.02 <= jitter + DEPTH / 8000 + 0.04


def test_a_bridge_is_as_quick_as_before_once_packets_come_in_time_again() -> None:
    rough = RoughWire(Random(3), jitter=0.15).carry([(number * 0.02, number) for number in range(1, 500)])
    smooth = [(number * 0.02, number) for number in range(500, 9_000)]
    found = bridged(RelayBuffer(AudioFormat.PCMU), [*rough, *smooth], 9_010)
    assert found[600] - 600 > DEPTH // FRAME + 2
    assert found[500 + 10 * CALM] - (500 + 10 * CALM) <= DEPTH // FRAME + 1


def test_no_bridge_waits_for_what_is_seconds_late() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    arriving = [(number * 0.02 + (3.0 if number == 100 else 0.0), number) for number in range(1, 500)]
    found = bridged(relay, sorted(arriving), 510)
    assert set(range(1, 500)) - set(found) == {100}
    assert (relay.late, found[499] - 499) == (1, DEPTH // FRAME)
    assert DEEPEST < 3.0 * 8000


def test_another_source_and_a_jump_ahead_begin_anew() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    relay.put(1, 0, words(1))
    relay.put(2, 90_000, words(2))
    assert said(relay, 3)[-1] == 2
    relay.put(2, 900_000, words(3))
    assert said(relay, 3)[-1] == 3


def test_what_has_piled_up_is_worked_off_and_no_more_than_that() -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    for number in range(6):  # we were late: these came at once
        relay.put(1, number * FRAME, words(number))
    behind = []
    for number in range(6, 250):
        relay.put(1, number * FRAME, words(number))
        frame = relay.take()
        behind.append(number - frame[0] if frame else None)
    assert (behind[SPARE - 2], behind[SPARE]) == (8, 7)
    assert behind[-1] == DEPTH // FRAME
    assert relay.lost == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 0xFFFFFFFF), st.integers(0, 960)), max_size=40))
def test_no_sequence_of_packets_makes_it_grow_or_say_half_a_frame(packets: list[tuple[int, int, int]]) -> None:
    relay = RelayBuffer(AudioFormat.PCMU)
    for source, timestamp, size in packets:
        relay.put(source, timestamp, words(1, size))
        frame = relay.take()
        assert frame is None or len(frame) == FRAME
    frames = [relay.take() for _ in range((ROOM + DEPTH) // FRAME + 4)]
    assert frames[-1] is None
