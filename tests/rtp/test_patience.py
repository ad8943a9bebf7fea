"""How long a missing packet is waited for: learned from what the network does, forgotten when it is good again."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from callactors.audio.codecs import make_codec
from callactors.rtp.events import AudioArrived
from callactors.rtp.packet import RtpPacket
from callactors.rtp.patience import HOLD, MOST, REORDER, WINDOWS, Patience
from callactors.rtp.receiver import Receiver
from callactors.testing.rough_wire import RoughWire

SLOT = 0.02
SILENCE = b"\xff" * 160
MS = 8  # positions
LEARNT = 3.0  # seconds into a call

Arriving = list[tuple[float, RtpPacket]]


def sent(seconds: float) -> Arriving:
    """Two seconds of talk, then one of silence, and so on."""
    payloads = [SILENCE if i % 150 >= 100 else bytes([i % 97 + 1]) * 160 for i in range(round(seconds / SLOT))]
    return [((i + 1) * SLOT, RtpPacket(0, i, i * 160, 5, payload)) for i, payload in enumerate(payloads)]


def in_bunches(every: int, packets: Arriving) -> Arriving:
    """Held back, and let go in order at every so many milliseconds."""
    return [(-(-round(1000 * at) // every) * every / 1000, packet) for at, packet in packets]


def received(arriving: Arriving, until: float) -> list[AudioArrived]:
    """By a stream whose clock ticks every 5 ms and settles every 20."""
    receiver, batches, queue = Receiver(make_codec("pcmu"), 0, None, 0.0), list[AudioArrived](), iter(arriving)
    packet = next(queue, None)
    for tick in range(round(until / 0.005)):
        now = tick * 0.005
        while packet is not None and packet[0] <= now:
            receiver.receive(packet[1], now)
            packet = next(queue, None)
        if tick % 4 == 0:
            receiver.settle(now)
        if receiver.ready:
            batches.append(receiver.batch(now))
    return batches


def not_heard(arriving: Arriving, batches: Iterable[AudioArrived]) -> list[float]:
    """When they came whose audio is nowhere; the first 5 ms behind a gap are faded in, and do not count."""
    audio, at, missed = b"".join(batch.audio for batch in batches), 0, []
    spoken = [pair for pair in arriving if pair[1].payload != SILENCE]
    for came, packet in sorted(spoken, key=lambda pair: pair[1].sequence):
        found = audio.find(packet.payload[40:], at, at + 160 * 80)
        if found < 0:
            missed.append(came)
        else:
            at = found + 100
    return missed


@pytest.mark.parametrize(("loss", "jitter"), [(0.0, 0.1), (0.05, 0.06), (0.05, 0.1), (0.05, 0.15), (0.02, 0.2)])
def test_over_long_jitter_what_arrives_is_heard_in_its_place(loss: float, jitter: float) -> None:
    arriving = RoughWire(Random(1), loss=loss, jitter=jitter).carry(sent(60))
    missed = not_heard(arriving, received(arriving, 61))
    assert len(missed) <= 0.01 * len(arriving)
    assert len([came for came in missed if came > LEARNT]) <= 0.005 * len(arriving)


@pytest.mark.parametrize("every", [60, 100, 120, 200])
def test_packets_that_come_in_bunches_are_all_heard_once_that_is_known(every: int) -> None:
    arriving = in_bunches(every, sent(30))
    batches = received(arriving, 30)
    assert [came for came in not_heard(arriving, batches) if came > LEARNT] == []
    assert sum(batch.lost_ms for batch in batches) == 0


def test_on_a_good_network_what_follows_a_loss_is_heard_after_80_ms_at_most_also_when_it_was_bad_before() -> None:
    packets = sent(30)
    lost = {round(at / SLOT) for at in (5.0, 20.0, 25.0)}
    arriving = [
        (at + 0.2 if index == round(7.0 / SLOT) else at, packet)
        for index, (at, packet) in enumerate(packets)
        if index not in lost
    ]
    batches = received(sorted(arriving, key=lambda pair: pair[0]), 30)
    assert max(batch.at - (batch.position + len(batch.audio)) / 8000 for batch in batches) <= 0.081


def test_one_late_packet_is_enough_to_wait_longer_and_ten_good_seconds_to_forget_it() -> None:
    patience = Patience()
    patience.came(170 * MS)
    assert 170 * MS < patience.hold <= MOST
    for _ in range(WINDOWS):
        assert patience.hold > HOLD
        patience.window_over(0)
    patience.window_over(0)
    assert patience.hold == HOLD


def test_a_little_jitter_changes_nothing() -> None:
    patience = Patience()
    patience.came(80 * MS)
    assert (patience.hold, patience.overtaking(160)) == (HOLD, REORDER)


@pytest.mark.parametrize("by", [240 * MS, 5_000 * MS, 1 << 40])
def test_what_is_later_than_anybody_would_wait_is_a_pause_and_no_jitter(by: int) -> None:
    patience = Patience()
    patience.came(by)
    assert patience.hold == HOLD


def test_the_worst_is_waited_for_also_when_less_late_ones_follow() -> None:
    patience = Patience()
    for by in (120, 180, 90):
        patience.came(by * MS)
    patience.window_over(0)
    patience.came(100 * MS)
    assert patience.hold >= 180 * MS
    assert patience.overtaking(160) == 8


@pytest.mark.parametrize(("length", "packets"), [(80, 19), (160, 9), (480, 3), (960, 3)])
def test_as_many_packets_may_overtake_one_as_fit_into_how_late_it_may_be(length: int, packets: int) -> None:
    patience = Patience()
    patience.came(200 * MS)
    assert patience.overtaking(length) == packets
