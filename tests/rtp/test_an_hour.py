"""A call of an hour whose clocks differ: every word stays where it was spoken, and nothing piles up."""

from __future__ import annotations

import gc
from random import Random

import pytest

from callactors.audio.codecs import make_codec
from callactors.audio.format import AudioFormat
from callactors.rtp.packet import RtpPacket
from callactors.rtp.receiver import Receiver
from callactors.rtp.relay import DEPTH, RelayBuffer
from callactors.testing.rough_wire import RoughWire

FRAME, SLOT, HOUR = 160, 0.020, 3_600
WORD, QUIET = b"\x10" * FRAME, b"\xff" * FRAME
EVERY = 3_000  # packets: a word a minute


def spoken(drift: float, seconds: int) -> list[tuple[float, RtpPacket]]:
    """A caller whose clock is off by `drift`: when each packet leaves, by ours."""
    count = round(seconds / SLOT)
    return [
        (n * SLOT * (1 + drift), RtpPacket(0, n & 0xFFFF, (n * FRAME) & 0xFFFFFFFF, 1, QUIET if n % EVERY else WORD))
        for n in range(1, count)
    ]


@pytest.mark.parametrize("drift", [100e-6, -100e-6], ids=["slow", "fast"])
def test_a_word_is_heard_when_it_was_said_for_a_whole_hour(drift: float) -> None:
    wire = RoughWire(Random(4), loss=0.001, jitter=0.015)
    receiver, arriving = Receiver(make_codec("pcmu"), 0, None, 0.0), iter(wire.carry(spoken(drift, HOUR)))
    packet, heard, lost, objects, end = next(arriving), list[float](), 0, 0, 0
    for slot in range(1, round(HOUR / SLOT)):
        now = slot * SLOT
        while packet[0] <= now:
            receiver.receive(packet[1], packet[0])
            packet = next(arriving, (float(HOUR + 1), packet[1]))
        receiver.settle(now)
        if receiver.ready:
            batch = receiver.batch(now)
            assert not end or batch.position == end
            end, lost = batch.position + len(batch.audio), lost + batch.lost_ms
            if b"\x10" * 60 in batch.audio:
                heard.append((batch.position + batch.audio.index(b"\x10" * 60)) / 8_000)
        if slot == 1_000:
            objects = len(gc.get_objects())
    said = [n * SLOT * (1 + drift) - SLOT for n in range(EVERY, round(HOUR / SLOT), EVERY)]
    assert len(heard) >= len(said) - 2  # a word may be lost, as any packet
    assert all(min(abs(at - true) for true in said) < 0.040 for at in heard)
    assert end / 8_000 == pytest.approx(HOUR, abs=0.2)
    assert lost < 0.002 * HOUR * 1000
    assert receiver.totals().late < 10
    assert len(gc.get_objects()) - objects < 500


@pytest.mark.parametrize("drift", [100e-6, -100e-6], ids=["slow", "fast"])
def test_a_bridge_stays_as_short_as_it_began_for_a_whole_hour(drift: float) -> None:
    relay, arriving = RelayBuffer(AudioFormat.PCMU), iter(spoken(drift, HOUR))
    packet, delays = next(arriving), list[float]()
    for slot in range(1, round(HOUR / SLOT)):
        now = slot * SLOT
        while packet[0] <= now:
            relay.put(1, packet[1].timestamp, packet[1].payload)
            packet = next(arriving, (float(HOUR + 1), packet[1]))
        frame = relay.take()
        if frame is not None and frame.count(0x10) > FRAME // 2:
            n = round(now / (EVERY * SLOT)) * EVERY
            delays.append(now - n * SLOT * (1 + drift))
    assert len(delays) >= HOUR * 50 // EVERY - 2
    assert max(delays) <= (DEPTH + 3 * FRAME) / 8_000
    assert min(delays) >= 0
