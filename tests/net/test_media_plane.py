"""The media plane on real sockets and virtual time: what the far end receives, and what the leg is told."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import trio
import trio.testing

from callactors.audio import g711, levels, tone
from callactors.errors import PortsExhausted
from callactors.net.media_plane import MediaPlane, MediaStream
from callactors.rtp import rtcp
from callactors.rtp.events import (
    AudioArrived,
    AudioSent,
    CameBack,
    DigitArrived,
    MediaEvent,
    UtteranceHeard,
    UtteranceStarted,
    WentSilent,
)
from callactors.rtp.packet import RtpPacket, parse
from callactors.rtp.playout import Heard
from callactors.rtp.quality import Quality
from callactors.rtp.telephone_event import event_packets
from callactors.sdp.description import Description, Origin
from callactors.sdp.offer import Agreement, Codec, Direction
from callactors.sip.address import Address

E = TypeVar("E", bound=MediaEvent)
PORTS = range(21_000, 21_400)
QUIET = b"\xff" * 160


class Peer:
    """A far end: an RTP socket, the RTCP socket above it, and a script of what it sends."""

    def __init__(self, host: str = "127.0.0.10") -> None:
        self.rtp, self.rtcp = _pair(host)
        self.address = Address(*self.rtp.getsockname())
        self.sequence = 0
        self.ssrc = 77

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()

    def packet(self, payload: bytes, *, kind: int = 0, timestamp: int | None = None, marker: bool = False) -> bytes:
        self.sequence += 1
        stamp = self.sequence * 160 if timestamp is None else timestamp
        return RtpPacket(kind, self.sequence, stamp, self.ssrc, payload, marker).to_bytes()

    async def talk(self, to: MediaStream, frames: int, fill: int = 1) -> None:
        """One packet each 20 ms."""
        begin = trio.current_time()
        for index in range(frames):
            await trio.sleep_until(begin + 0.02 * (index + 1) - 0.0001)
            self.rtp.sendto(self.packet(bytes([fill]) * 160), to.address)

    def received(self) -> list[RtpPacket]:
        return [parse(data) for data in _drain(self.rtp)]

    def reports(self) -> list[rtcp.Report | rtcp.Goodbye]:
        return [packet for data in _drain(self.rtcp) for packet in rtcp.parse(data)]


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    for port in range(23_000, 24_000, 2):
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        try:
            for offset, udp in enumerate(pair):
                udp.setblocking(False)
                udp.bind((host, port + offset))
        except OSError:
            for udp in pair:
                udp.close()
        else:
            return pair[0], pair[1]
    raise AssertionError("no free port pair for a peer")


def _drain(udp: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            found.append(udp.recv(2048))
        except BlockingIOError:
            return found


class Table:
    """A running plane with one stream, its events, and a peer."""

    def __init__(self, plane: MediaPlane) -> None:
        self.plane = plane
        self.events: list[MediaEvent] = []
        self.stream = plane.open(self.events.append)
        self.peer = Peer()
        self.strangers: list[Peer] = []

    def start(
        self,
        peer: Peer | None = None,
        *,
        allowed: Callable[[str], bool] = lambda host: False,
        codec: Codec = "pcmu",
        event: int | None = 101,
        direction: Direction = "sendrecv",
    ) -> None:
        remote = (peer or self.peer).address
        number = 0 if codec == "pcmu" else 8
        agreement = Agreement(
            local=Description(Origin(1, 1, "127.0.0.1"), ()),
            codec=codec,
            payload_type=number,
            remote_payload_type=number,
            telephone_event=event,
            remote=remote,
            remote_rtcp=Address(remote.host, remote.port + 1),
            direction=direction,
            remote_telephone_event=event,
        )
        self.stream.start(agreement, allowed=allowed)

    def another(self, host: str) -> Peer:
        self.strangers.append(Peer(host))
        return self.strangers[-1]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def heard(self) -> bytes:
        return b"".join(event.audio for event in self.of(AudioArrived))


@asynccontextmanager
async def laid(*, ports: range = PORTS) -> AsyncIterator[Table]:
    async with trio.open_nursery() as nursery:
        plane = MediaPlane("127.0.0.1", ports, random.Random(4))
        await nursery.start(plane.run)
        table = Table(plane)
        try:
            yield table
        finally:
            for peer in (table.peer, *table.strangers):
                peer.close()
            nursery.cancel_scope.cancel()


async def test_fifty_packets_a_second_leave_once_started_with_no_gap(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        await trio.sleep(1)
        assert table.peer.received() == []
        table.start()
        await trio.sleep(2)
        packets = table.peer.received()
    assert 99 <= len(packets) <= 101
    first = packets[0]
    assert first.marker
    assert not any(packet.marker for packet in packets[1:])
    assert [(p.sequence - first.sequence) & 0xFFFF for p in packets] == list(range(len(packets)))
    assert [(p.timestamp - first.timestamp) & 0xFFFFFFFF for p in packets] == [160 * i for i in range(len(packets))]
    assert {p.payload for p in packets} == {QUIET}


async def test_what_is_played_is_what_the_far_end_receives(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start(codec="pcma")
        await trio.sleep(0.1)
        table.stream.play("u", b"\x11" * 400)
        table.stream.end("u")
        await trio.sleep(0.2)
        audio = b"".join(packet.payload for packet in table.peer.received())
        assert audio.strip(b"\xd5") == b"\x11" * 400
    [started], [heard] = table.of(UtteranceStarted), table.of(UtteranceHeard)
    assert (heard.utterance, heard.ms, heard.first_rtp_at) == ("u", 50, started.at)
    assert started.at == pytest.approx(heard.at - 0.04, abs=0.001)


async def test_positions_of_both_directions_are_the_wall_clock(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        opened = trio.current_time()
        await trio.sleep(0.7)
        table.start()
        table.stream.play("u", b"\x11" * 1600)
        await table.peer.talk(table.stream, 50)
        await trio.sleep(0.05)
    sent, [started] = table.of(AudioSent), table.of(UtteranceStarted)
    arrived = table.of(AudioArrived)
    assert sent[0].position / 8000 == pytest.approx(started.at - opened, abs=0.006)
    assert [batch.position - sent[0].position for batch in sent] == [0, 480, 960, 1440]
    for batch in arrived[:16]:
        assert (batch.position + len(batch.audio)) / 8000 == pytest.approx(batch.at - opened, abs=0.02)


async def test_the_caller_is_heard_in_batches_of_sixty_milliseconds(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        await table.peer.talk(table.stream, 50)
        await trio.sleep(0.02)
        batches = table.of(AudioArrived)
    assert len(batches) == 16
    assert {len(batch.audio) for batch in batches[1:]} == {480}
    assert all(batch.at - batch.first_rtp_at <= 0.05 for batch in batches)


async def test_a_barge_in_drops_what_is_queued_and_says_what_was_heard(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", b"\x11" * 80_000)
        await trio.sleep(1.01)
        heard = table.stream.flush()
        left = b"".join(packet.payload for packet in table.peer.received()).count(0x11)
        await trio.sleep(0.2)
        assert {packet.payload for packet in table.peer.received()} == {QUIET}
    assert heard == Heard("u", left // 8)
    assert sum(len(event.audio) for event in table.of(AudioSent)) == left
    assert table.of(UtteranceHeard) == []


async def test_a_stranger_is_counted_and_neither_heard_nor_sent_to(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        attacker = table.another("127.0.0.66")
        table.start()
        await attacker.talk(table.stream, 150)  # first, and for three seconds
        assert attacker.received() == []
        assert table.events == []
        await table.peer.talk(table.stream, 20)
        await attacker.talk(table.stream, 20, fill=0x55)  # connected by now: never even counted
        assert attacker.received() == []
    assert table.stream.counts.strangers == 150
    assert b"\x55" * 80 not in table.heard
    assert b"\x01" in table.heard


async def test_a_source_behind_a_nat_is_learnt_without_losing_a_word(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        actual = table.another("127.0.0.11")
        table.start(allowed=lambda host: host == "127.0.0.11")
        await actual.talk(table.stream, 50)
        await trio.sleep(0.02)
        assert len(actual.received()) >= 40
    assert table.heard.count(1) >= 48 * 160


async def test_media_that_moves_mid_call_is_followed_after_a_silence(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        moved = table.another("127.0.0.11")
        table.start(allowed=lambda host: host == "127.0.0.11")
        await table.peer.talk(table.stream, 20)
        await trio.sleep(1.5)
        await moved.talk(table.stream, 30, fill=2)
        assert len(moved.received()) > 20
    assert table.heard.count(2) > 20 * 160


async def test_a_re_offer_that_moves_the_media_is_followed_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        moved = table.another("127.0.0.11")
        table.start()
        await table.peer.talk(table.stream, 20)
        table.start(moved)
        before = table.peer.received()
        await moved.talk(table.stream, 20, fill=2)
        after = moved.received()
        assert table.peer.received() == []
    assert after[0].sequence == (before[-1].sequence + 1) & 0xFFFF
    assert after[0].ssrc == before[0].ssrc
    assert b"\x02" * 160 in table.heard


async def test_a_far_end_that_vanished_is_a_count_and_not_an_error(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        await table.peer.talk(table.stream, 10)
        table.peer.close()
        await trio.sleep(0.5)
        assert table.stream.counts.refused > 5


async def test_on_hold_nothing_is_sent_and_speech_waits(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        await trio.sleep(0.2)
        table.start(direction="recvonly")
        table.peer.received()
        table.stream.play("u", b"\x11" * 160)
        await trio.sleep(1)
        assert table.peer.received() == []
        table.start()
        await trio.sleep(0.2)
        assert b"\x11" * 160 in {packet.payload for packet in table.peer.received()}


async def test_digits_pressed_arrive_once_each(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start(event=96)
        await table.peer.talk(table.stream, 5)
        for digit in "42#":
            stamp = table.peer.sequence * 160
            for slot in event_packets(digit):
                await trio.sleep(0.02)
                if slot is not None:
                    data = table.peer.packet(slot.payload, kind=96, timestamp=stamp, marker=slot.marker)
                    table.peer.rtp.sendto(data, table.stream.address)
        await trio.sleep(0.1)
    assert "".join(event.digit for event in table.of(DigitArrived)) == "42#"
    assert table.stream.close()[0].lost == 0


async def test_digits_of_a_stranger_are_no_digits(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        attacker = table.another("127.0.0.66")
        table.start()
        for slot in event_packets("1"):
            if slot is not None:
                attacker.rtp.sendto(attacker.packet(slot.payload, kind=101, timestamp=5), table.stream.address)
        await trio.sleep(0.5)
    assert table.of(DigitArrived) == []


async def test_digits_are_sent_as_events_while_speech_waits(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start(event=96)
        table.stream.play("u", b"\x11" * 1600)
        await trio.sleep(0.03)
        table.stream.send_digits("5")
        await trio.sleep(0.6)
        packets = table.peer.received()
    events = [packet for packet in packets if packet.payload_type == 96]
    assert len({packet.timestamp for packet in events}) == 1
    assert [packet.payload[1] >> 7 for packet in events] == [0] * 5 + [1] * 3
    assert [(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets)] == [1] * (len(packets) - 1)
    assert sum(packet.payload.count(0x11) for packet in packets if packet.payload_type == 0) == 1600


async def test_without_telephone_events_digits_are_tones_and_no_key_is_refused(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start(event=None)
        table.stream.send_digits("5")
        with pytest.raises(ValueError, match="no key"):
            table.stream.send_digits("x")
        await trio.sleep(0.3)
        sounding = [packet for packet in table.peer.received() if packet.payload != QUIET]
    assert {packet.payload_type for packet in sounding} == {0}
    assert len(sounding) == 5


async def test_silence_of_the_far_end_is_told_once_and_its_end_too(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        begun = trio.current_time()
        await trio.sleep(6)
        [silent] = table.of(WentSilent)
        assert silent.since == begun
        await table.peer.talk(table.stream, 20)
        await trio.sleep(0.5)
        assert len(table.of(CameBack)) == 1
        await trio.sleep(40)
    assert len(table.of(WentSilent)) == 2
    assert table.of(WentSilent)[1].at - table.of(WentSilent)[1].since == pytest.approx(30, abs=0.3)


async def test_silence_is_no_fact_while_the_watch_is_paused(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        table.stream.pause_watch(True)
        await trio.sleep(60)
        assert table.of(WentSilent) == []
        table.stream.pause_watch(False)
        await trio.sleep(4)
        assert table.of(WentSilent) == []
        await trio.sleep(2)
    assert len(table.of(WentSilent)) == 1


async def test_reports_go_out_and_what_the_far_end_says_of_us_is_the_quality(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(table.peer.talk, table.stream, 1000)
            await trio.sleep(18)
            reports = [packet for packet in table.peer.reports() if isinstance(packet, rtcp.Report)]
            ours = reports[-1]
            about = rtcp.ReportBlock(ours.ssrc, 0, 30, 900, 40, 0, 0)
            answer = rtcp.Report(table.peer.ssrc, None, (about,)).to_bytes()
            table.peer.rtcp.sendto(answer, (table.stream.address.host, table.stream.address.port + 1))
        await trio.sleep(0.02)
        inbound, outbound = table.stream.close()
        farewell = table.peer.reports()
    assert 2 <= len(reports) <= 8
    assert ours.sender is not None
    assert [block.ssrc for block in ours.blocks] == [table.peer.ssrc]
    assert (inbound.packets, inbound.lost, inbound.late) == (1000, 0, 0)
    assert (outbound.lost, outbound.jitter_ms) == (30, 5.0)
    assert outbound.mos < inbound.mos
    assert isinstance(farewell[-1], rtcp.Goodbye)


async def test_closing_twice_is_the_same_as_once_and_frees_the_ports(autojump_clock: trio.abc.Clock) -> None:
    async with laid(ports=range(22_000, 22_002)) as table:
        with pytest.raises(PortsExhausted):
            table.plane.open(table.events.append)
        quality = table.stream.close()
        assert (
            table.stream.close() == quality == (Quality("in", 0, 0, 0, 0.0, 4.36), Quality("out", 0, 0, 0, 0.0, 4.36))
        )
        table.plane.open(table.events.append).close()
        assert table.plane.statistics().open_streams == 0


async def test_the_clock_stands_still_while_no_stream_is_open(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.stream.close()
        before = table.plane.statistics().ticks
        await trio.sleep(3600)
        assert table.plane.statistics().ticks <= before + 2
        again = Table(table.plane)
        again.start()
        await trio.sleep(0.2)
        assert len(again.peer.received()) >= 10
        again.peer.close()


async def test_a_clock_that_was_held_up_skips_frames_and_moves_the_timestamp_on(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with laid() as table:
        table.start()
        for _ in range(20):
            mock_clock.jump(0.005)
            await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(0.5)
        for _ in range(8):
            mock_clock.jump(0.005)
            await trio.testing.wait_all_tasks_blocked()
        packets = table.peer.received()
        statistics = table.plane.statistics()
    gaps = [((b.timestamp - a.timestamp) & 0xFFFFFFFF) // 160 for a, b in itertools.pairwise(packets)]
    assert sorted(set(gaps)) == [1, max(gaps)]
    assert 20 <= max(gaps) <= 26
    assert statistics.skipped_frames == max(gaps) - 1
    assert [p.marker for p in packets].count(True) == 2


async def test_a_re_offer_that_changes_the_codec_changes_what_is_queued_too(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", g711.pcmu_encode(tone.sine(440, 400)))
        await trio.sleep(0.1)
        table.start(codec="pcma")
        table.peer.received()
        await trio.sleep(0.2)
        packets = table.peer.received()
        assert 80 <= table.stream.queued_ms() <= 120
        assert table.stream.heard().utterance == "u"
    assert {packet.payload_type for packet in packets} == {8}
    assert levels.strength(g711.pcma_decode(b"".join(packet.payload for packet in packets)), 440) > 0.9


async def test_noise_costs_a_count_each_and_reports_of_strangers_too(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        rtcp_port = Address(table.stream.address.host, table.stream.address.port + 1)
        table.peer.rtp.sendto(b"too early", table.stream.address)
        await trio.sleep(0.1)
        table.start()
        for data in (b"", b"x", b"\0" * 200, b"\x80\x09" + bytes(100)):
            table.peer.rtp.sendto(data, table.stream.address)
            table.peer.rtcp.sendto(data, rtcp_port)
        table.another("127.0.0.66").rtcp.sendto(rtcp.Report(1).to_bytes(), rtcp_port)
        await trio.sleep(0.1)
        await table.peer.talk(table.stream, 10)
        table.peer.rtp.sendto(b"short", table.stream.address)
        await trio.sleep(0.1)
        counts = table.stream.counts
    assert (counts.early, counts.malformed, counts.strangers) == (1, 8, 2)
    assert b"\x01" * 160 in table.heard


async def test_a_far_end_silent_in_rtp_but_alive_in_rtcp_is_not_silent(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        await table.peer.talk(table.stream, 10)
        for _ in range(12):
            await trio.sleep(5)
            report = rtcp.Report(table.peer.ssrc, rtcp.SenderInfo(rtcp.ntp(5), 0, 1, 1)).to_bytes()
            table.peer.rtcp.sendto(report, (table.stream.address.host, table.stream.address.port + 1))
        assert table.of(WentSilent) == []


async def test_our_own_packets_echoed_make_us_change_our_source_once(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", b"\x11" * 4800)
        for _ in range(100):
            await trio.sleep(0.02)
            for packet in table.peer.received():
                table.peer.rtp.sendto(packet.to_bytes(), table.stream.address)
                table.peer.ssrc = packet.ssrc
        sources = {packet.ssrc for packet in table.peer.received()} | {table.peer.ssrc}
        await trio.sleep(0.1)
        assert {packet.ssrc for packet in table.peer.received()} == sources
    assert table.heard.count(0x11) > 4000


async def test_a_stream_closed_by_its_own_fact_tells_no_more(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        facts: list[MediaEvent] = []

        def deliver(event: MediaEvent) -> None:
            facts.append(event)
            other.close()

        other = table.plane.open(deliver)
        table.stream, first = other, table.stream
        table.start()
        other.play("u", b"\x11" * 1600)
        await trio.sleep(0.5)
        table.stream = first
    assert [type(fact) for fact in facts] == [UtteranceStarted, AudioSent]


async def test_two_streams_of_one_plane_hear_each_other(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        other = Table(table.plane)
        other.peer.close()
        await trio.sleep(0.1)
        table.start(_as_peer(other.stream))
        other.start(_as_peer(table.stream))
        table.stream.play("u", b"\x11" * 800)
        await trio.sleep(0.5)
        assert other.heard.count(0x11) == 800


def _as_peer(stream: MediaStream) -> Peer:
    peer = Peer.__new__(Peer)
    peer.address = stream.address
    return peer
