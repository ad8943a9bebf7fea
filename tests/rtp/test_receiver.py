"""From packets to a gap-free timeline: loss, reordering, silence, restarts, clocks that differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callactors.audio.codecs import make_codec
from callactors.audio.g711 import pcmu_decode
from callactors.rtp.events import AudioArrived
from callactors.rtp.packet import RtpPacket, parse
from callactors.rtp.receiver import Receiver

OPENED = 100.0
SILENCE = b"\xff"


class Wire:
    """A receiver, a clock in 5 ms steps, and what came out."""

    def __init__(self, size: int = 160) -> None:
        self.receiver = Receiver(make_codec("pcmu"), 0, 101, OPENED)
        self.size = size
        self.batches: list[AudioArrived] = []
        self.digits: list[str] = []
        self._steps = 0

    def packet(self, index: int, *, ssrc: int = 5, base: int = 0, jump: int = 0, kind: int = 0) -> RtpPacket:
        payload = bytes([index % 100 + 1]) * self.size
        sequence, timestamp = (base + index) & 0xFFFF, (base + index * self.size + jump) & 0xFFFFFFFF
        return RtpPacket(kind, sequence, timestamp, ssrc, payload)

    def run(self, deliveries: Iterable[tuple[float, RtpPacket]], until: float) -> None:
        """Deliver each packet at its time; settle every 20 ms, as a stream's slot does."""
        queue = sorted(deliveries, key=lambda item: item[0])
        while self._steps * 0.005 < until - 1e-9:
            self._steps += 1
            now = OPENED + self._steps * 0.005
            while queue and OPENED + queue[0][0] <= now + 1e-9:
                self.digits += self.receiver.receive(queue.pop(0)[1], now)
                self._collect(now)
            if self._steps % 4 == 0:
                self.digits += self.receiver.settle(now)
                self._collect(now)

    def _collect(self, now: float) -> None:
        if self.receiver.ready:
            self.batches.append(self.receiver.batch(now))

    @property
    def audio(self) -> bytes:
        return b"".join(batch.audio for batch in self.batches)

    def first(self, index: int) -> float:
        """When, on the timeline, the audio of a packet begins, in seconds."""
        return (self.batches[0].position + self.audio.index(bytes([index % 100 + 1]) * 40)) / 8000


def gap_free(batches: list[AudioArrived]) -> bool:
    return all(a.position + len(a.audio) == b.position for a, b in itertools.pairwise(batches))


def steady(wire: Wire, count: int, start: float = 0.02, **how: int) -> list[tuple[float, RtpPacket]]:
    step = wire.size / 8000
    return [(start + index * step, wire.packet(index, **how)) for index in range(count)]


@pytest.mark.parametrize("size", [80, 160, 240, 320, 480])
def test_steady_packets_of_any_length_come_out_whole_and_in_time(size: int) -> None:
    wire = Wire(size)
    wire.run(steady(wire, 40, start=size / 8000), 40 * size / 8000)
    assert gap_free(wire.batches)
    assert wire.audio[: size * 3] == b"".join(wire.packet(index).payload for index in range(3))
    assert all(len(batch.audio) >= 480 and batch.lost_ms == 0 for batch in wire.batches)


def test_a_position_is_the_wall_clock_of_its_sound() -> None:
    wire = Wire()
    wire.run(steady(wire, 60, start=0.5), 1.6)
    assert wire.first(30) == pytest.approx(0.5 + 30 * 0.02 - 0.02, abs=0.02)
    assert wire.batches[0].first_rtp_at == pytest.approx(OPENED + 0.5)


def test_sequence_numbers_and_timestamps_wrap() -> None:
    wire = Wire()
    deliveries = [
        (
            0.02 * (i + 1),
            RtpPacket(0, (65530 + i) & 0xFFFF, (2**32 - 800 + i * 160) & 0xFFFFFFFF, 5, bytes([i + 1]) * 160),
        )
        for i in range(30)
    ]
    wire.run(deliveries, 0.62)
    assert wire.audio == b"".join(bytes([i + 1]) * 160 for i in range(30))
    assert wire.receiver.totals().lost == 0


def test_two_packets_that_changed_places_are_put_right() -> None:
    wire = Wire()
    deliveries = steady(wire, 30)
    deliveries[10], deliveries[11] = (deliveries[11][0], deliveries[10][1]), (deliveries[10][0], deliveries[11][1])
    wire.run(deliveries, 0.6)
    assert wire.audio[9 * 160 : 13 * 160] == b"".join(wire.packet(index).payload for index in (9, 10, 11, 12))
    assert (wire.receiver.totals().late, wire.receiver.totals().lost) == (0, 0)


def test_a_lost_packet_is_concealed_by_what_was_said_before_it_and_counted() -> None:
    wire = Wire()
    deliveries = steady(wire, 30)
    del deliveries[10]
    wire.run(deliveries, 0.62)
    heard = pcmu_decode(wire.audio[9 * 160 : 12 * 160]).astype(int)
    assert len(wire.audio) >= 29 * 160
    assert heard[160] == heard[159]
    assert abs(heard[319]) < abs(heard[160])
    assert wire.audio[11 * 160 + 40 : 12 * 160] == wire.packet(11).payload[40:]
    assert sum(batch.lost_ms for batch in wire.batches) == 20
    assert wire.receiver.totals().lost == 1


def test_a_long_loss_fades_to_silence_and_the_timeline_stays_true() -> None:
    wire = Wire()
    deliveries = steady(wire, 60)
    del deliveries[10:30]
    wire.run(deliveries, 1.2)
    assert gap_free(wire.batches)
    assert wire.first(30) == pytest.approx(0.62 - 0.02, abs=0.02)
    assert SILENCE * 1600 in wire.audio


def test_a_packet_that_comes_too_late_is_dropped_and_counted() -> None:
    wire = Wire()
    deliveries = steady(wire, 30)
    deliveries[10] = (0.5, deliveries[10][1])
    wire.run(deliveries, 0.62)
    assert wire.packet(10).payload not in wire.audio
    assert wire.receiver.totals().late == 1
    assert gap_free(wire.batches)


@pytest.mark.parametrize("held", [5, 15, 40])
def test_after_a_burst_of_late_packets_what_is_said_is_heard_and_in_its_place_again(held: int) -> None:
    wire, gate = Wire(), 20 + held
    quiet = {index for index in range(110, 170) if index % 3}
    sent = [
        (
            0.02 * (index + 1),
            wire.packet(index) if index not in quiet else RtpPacket(0, index, index * 160, 5, b"\xff" * 160),
        )
        for index in range(195)
    ]
    for index in range(20, gate):  # kept back somewhere, and let go all at once
        sent[index] = (sent[gate][0], sent[index][1])
    wire.run(sent, 4.0)
    assert gap_free(wire.batches)
    assert all(bytes([index + 1]) * 160 in wire.audio for index in range(gate - max(0, held - 9), 99))
    word = wire.batches[0].position + wire.audio.rindex(wire.packet(180).payload)
    assert word / 8000 == pytest.approx(180 * 0.02, abs=0.08)
    assert wire.receiver.totals().late <= 6
    assert wire.receiver.totals().lost == 0


def test_silence_that_was_not_sent_is_filled() -> None:
    wire = Wire()
    deliveries = steady(wire, 10) + [(time + 1.0, self) for time, self in _after_pause(wire, 10, 8000)]
    wire.run(deliveries, 1.6)
    assert gap_free(wire.batches)
    assert wire.first(10) == pytest.approx(0.02 + 0.2 + 1.0 - 0.02, abs=0.02)
    assert sum(batch.lost_ms for batch in wire.batches) == 0


def _after_pause(wire: Wire, first: int, jump: int) -> list[tuple[float, RtpPacket]]:
    return [(0.02 * (index + 1), wire.packet(index, jump=jump)) for index in range(first, first + 10)]


def test_silence_goes_on_when_nothing_comes_at_all() -> None:
    wire = Wire()
    wire.run(steady(wire, 10), 5.0)
    assert gap_free(wire.batches)
    assert len(wire.audio) / 8000 == pytest.approx(5.0, abs=0.2)


def test_timestamps_that_jump_are_anchored_anew() -> None:
    wire = Wire()
    deliveries = steady(wire, 10) + _after_pause(wire, 10, 500_000)
    wire.run(deliveries, 0.45)
    assert gap_free(wire.batches)
    assert wire.first(12) == pytest.approx(0.24, abs=0.021)


@pytest.mark.parametrize("step", [0.0196, 0.0204])
def test_a_clock_that_runs_off_by_two_percent_is_followed(step: float) -> None:
    wire = Wire()
    wire.run([(0.02 + index * step, wire.packet(index)) for index in range(500)], 0.02 + 499 * step)
    ends = wire.batches[-1].position + len(wire.batches[-1].audio)
    assert ends / 8000 == pytest.approx(wire.batches[-1].at - OPENED, abs=0.045)
    assert gap_free(wire.batches)


def test_another_source_is_not_heard_while_the_first_talks() -> None:
    wire = Wire()
    spoof = [(0.1 + index * 0.02, wire.packet(index + 50, ssrc=66)) for index in range(10)]
    wire.run(steady(wire, 30) + spoof, 0.62)
    assert not any(wire.packet(index).payload in wire.audio for index in range(50, 60))
    assert wire.receiver.totals().foreign == 10


def test_another_source_is_heard_once_the_first_is_silent() -> None:
    wire = Wire()
    new = [(0.6 + index * 0.02, wire.packet(index + 50, ssrc=66, base=4000)) for index in range(20)]
    wire.run(steady(wire, 10) + new, 1.1)
    assert wire.first(54) == pytest.approx(0.66, abs=0.021)
    assert wire.receiver.totals().sources == 2


def test_after_a_re_offer_another_source_is_heard_at_once() -> None:
    wire = Wire()
    wire.run(steady(wire, 10), 0.2)
    wire.receiver.agree(make_codec("pcmu"), 0, 101, OPENED + 0.2)
    wire.run([(0.22, wire.packet(50, ssrc=66)), (0.24, wire.packet(51, ssrc=66))], 0.4)
    assert wire.packet(50).payload in wire.audio


def test_sequence_numbers_that_start_over_are_believed_when_two_agree() -> None:
    wire = Wire()
    wire.run(steady(wire, 10) + steady(wire, 10, start=0.22, base=30_000), 0.5)
    assert wire.receiver.totals().sources == 2
    assert gap_free(wire.batches)


def test_payload_types_nobody_agreed_on_are_counted_and_not_heard() -> None:
    wire = Wire()
    wire.run([*steady(wire, 5), (0.1, wire.packet(5, kind=9))], 0.3)
    assert wire.receiver.totals().unknown == 1
    assert wire.packet(5).payload not in wire.audio


def test_another_codec_that_was_agreed_on_is_heard_from_its_first_packet_and_back_again() -> None:
    wire = Wire()
    wire.receiver.agree(make_codec("pcmu"), 0, 101, OPENED, {8: "pcma"})
    kinds = [0] * 20 + [8] * 20 + [0] * 20
    wire.run([(0.02 * (index + 1), wire.packet(index, kind=kind)) for index, kind in enumerate(kinds)], 1.2)
    assert gap_free(wire.batches)
    assert [format.value for format, _ in itertools.groupby(batch.format for batch in wire.batches)] == [
        "pcmu", "pcma", "pcmu",
    ]  # fmt: skip
    assert wire.packet(25).payload in wire.audio
    assert (wire.receiver.totals().lost, wire.receiver.counts.unknown) == (0, 0)


def test_a_payload_of_no_length_in_another_codec_is_counted_and_does_no_harm() -> None:
    wire = Wire()
    wire.receiver.agree(make_codec("pcmu"), 0, 101, OPENED, {8: "pcma"})
    deliveries = steady(wire, 30)
    deliveries[10] = (deliveries[10][0], RtpPacket(8, 10, 1_600, 5, bytes(1_400)))
    wire.run(deliveries, 0.7)
    assert wire.receiver.counts.unknown == 1
    assert wire.packet(20).payload in wire.audio


def test_even_pacing_has_no_jitter_and_uneven_pacing_has() -> None:
    even, uneven = Wire(), Wire()
    even.run(steady(even, 100), 2.0)
    uneven.run([(time + 0.01 * (index % 2), packet) for index, (time, packet) in enumerate(steady(uneven, 100))], 2.1)
    assert even.receiver.source is not None
    assert uneven.receiver.source is not None
    assert even.receiver.source.jitter == pytest.approx(0, abs=0.01)
    assert uneven.receiver.source.jitter / 8 == pytest.approx(10, abs=0.2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 0.3), st.booleans()), max_size=60))
@example(
    [
        (30, 0.296875, False),
        (30, 0.296875, False),
        (41, 0.25, False),
        (41, 0.125, False),
        (41, 0.25, True),
        (48, 0.25, False),
        (48, 0.25, True),
        (59, 0.0, True),
    ]
)
def test_whatever_happens_on_the_way_the_timeline_has_no_gap(moved: list[tuple[int, float, bool]]) -> None:
    wire = Wire()
    deliveries = steady(wire, 60)
    for index, delay, twice in moved:
        if index < len(deliveries):
            time, packet = deliveries[index]
            deliveries[index] = (time + delay, packet)
            deliveries += [(time, packet)] if twice else []
    wire.run(deliveries, 1.6)
    assert gap_free(wire.batches)
    end = wire.batches[-1].position + len(wire.batches[-1].audio)
    late = max(time - 0.02 * (packet.sequence + 1) for time, packet in deliveries)
    waited = 0.08 if late <= 0.055 else min(0.24, late + 0.04)  # a packet's length, two steps of the clock, a margin
    assert 1.6 - waited - 0.09 <= end / 8000 <= 1.6 + 0.02  # a frame lies at its arrival, give or take 20 ms


def test_copies_of_what_has_come_are_not_heard_however_many_and_do_no_harm_to_the_figures() -> None:
    wire = Wire()
    packets = [(0.02 * index, wire.packet(index)) for index in range(100)]
    copies = [(packets[new][0] + 0.004, packets[old][1]) for new in range(25, 100) for old in range(new - 20, new)]
    wire.run([*packets, *copies], 2.0)
    heard = wire.audio
    assert len(heard) <= 2.0 * 8000
    assert heard.count(SILENCE) <= 640
    counts = wire.receiver.totals()
    assert (counts.late, counts.lost) == (0, 0)
    assert counts.repeated > 1_000


def test_a_source_that_goes_back_to_numbers_used_before_is_heard_again_once_it_says_nothing_else() -> None:
    wire = Wire()
    first = [(0.02 * index, wire.packet(index)) for index in range(50)]
    again = [(1.5 + 0.02 * index, wire.packet(index)) for index in range(50)]
    wire.run([*first, *again], 2.6)
    assert wire.audio.count(bytes([40])) == 2 * 160


def in_runs(wire: Wire, deliveries: Iterable[tuple[float, RtpPacket]], until: float) -> None:
    """As `Wire.run`, but as a stream does it whose source has settled: packets wait until they are enough for a run."""
    queue, waiting = sorted(deliveries, key=lambda item: item[0]), list[tuple[bytes, float]]()

    def read(now: float) -> None:
        run, seen_at = [data for data, _ in waiting], waiting[0][1] if waiting else now
        waiting.clear()
        for index in range(wire.receiver.receive_run(run, seen_at, now), len(run)):
            at = min(now, seen_at + 0.02 * index)
            wire.digits += wire.receiver.receive(parse(run[index]), at, timed=index == 0)

    for step in range(1, round(until / 0.005) + 1):
        now = OPENED + step * 0.005
        while queue and OPENED + queue[0][0] <= now + 1e-9:
            waiting.append((queue.pop(0)[1].to_bytes(), now))
            if len(waiting) >= wire.receiver.together:
                read(now)
                wire._collect(now)
        if step % 4 == 0 and wire.receiver.overdue(now):
            read(now)
            wire.digits += wire.receiver.settle(now)
            wire._collect(now)
    read(OPENED + until)


@settings(max_examples=60, deadline=None)
@given(
    lost=st.sets(st.integers(60, 104), max_size=12),
    late=st.dictionaries(st.integers(60, 104), st.integers(1, 60), max_size=20),
    base=st.sampled_from([0, 65_450]),
)
def test_what_is_received_in_runs_is_what_is_received_packet_by_packet(
    lost: set[int], late: dict[int, int], base: int
) -> None:
    one, other = Wire(), Wire()
    packets = [(at + late.get(n, 0) / 1000, packet) for n, (at, packet) in enumerate(steady(one, 105, base=base))]
    packets = [packet for n, packet in enumerate(packets) if n not in lost]
    one.run(packets, 2.7)
    in_runs(other, packets, 2.7)
    both = [wire.audio + wire.receiver.batch(OPENED + 2.7).audio for wire in (one, other)]
    assert both[0] == both[1]
    assert one.receiver.totals() == other.receiver.totals()
    assert gap_free(other.batches)


@pytest.mark.parametrize("drift", [500e-6, -500e-6], ids=["slow", "fast"])
def test_a_clock_of_another_pace_is_followed_in_runs_too(drift: float) -> None:
    wire, seconds = Wire(), 230  # the clocks are 115 ms apart then
    packets = [(at * (1 + drift), packet) for at, packet in steady(wire, seconds * 50 + 10)]
    in_runs(wire, packets, seconds)
    behind = wire.receiver.position(OPENED + seconds) - wire.receiver.tail
    assert -160 <= behind <= 160 + 120 + 160  # a packet under way, and 15 ms and another packet of drift
    assert wire.receiver.totals().late == 0
    assert gap_free(wire.batches)


@pytest.mark.parametrize("most", [0.002, 0.008, 0.018])
def test_the_jitter_of_runs_is_that_of_their_packets(most: float) -> None:
    one, other, random = Wire(), Wire(), Random(7)
    packets = [(at + random.uniform(0, most), packet) for at, packet in steady(one, 2_000)]
    one.run(packets, 41)
    in_runs(other, packets, 41)
    assert one.receiver.source is not None
    assert other.receiver.source is not None
    assert other.receiver.source.jitter_ms == pytest.approx(one.receiver.source.jitter_ms, rel=0.4, abs=0.5)


def test_a_packet_whose_time_is_not_known_says_nothing_about_the_jitter() -> None:
    wire = Wire()
    wire.run(steady(wire, 50), 1.02)
    assert wire.receiver.source is not None
    for number in range(50, 60):
        wire.receiver.receive(wire.packet(number), OPENED + 1.2, timed=False)
    assert wire.receiver.source.jitter_ms < 0.01


def test_the_usual_is_received_in_one_go_and_what_is_not_is_left() -> None:
    wire = Wire()
    in_runs(wire, steady(wire, 60), 1.22)
    assert wire.receiver.together == 3
    now = OPENED + 1.26
    run = [wire.packet(n).to_bytes() for n in (60, 61, 63)]
    assert wire.receiver.receive_run(run, now - 0.04, now) == 2
    assert wire.receiver.together == 1
    assert wire.receiver.receive_run([wire.packet(62, ssrc=6).to_bytes()], now, now) == 0
    assert wire.receiver.receive_run([b"short"], now, now) == 0
    assert (
        wire.receiver.receive_run([msgspec.structs.replace(wire.packet(62), payload=bytes(80)).to_bytes()], now, now)
        == 0
    )
