"""The media plane on real sockets and virtual time: what the far end receives, what the leg is told, the clock."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from callactors.audio import g711, levels, tone
from callactors.errors import PortsExhausted
from callactors.rtp import rtcp
from callactors.rtp.events import (
    AudioArrived,
    AudioSent,
    MediaEvent,
    UtteranceHeard,
    UtteranceStarted,
)
from callactors.rtp.quality import Quality
from callactors.rtp.utterances import Heard
from callactors.testing.media_peer import Table, laid

QUIET = b"\xff" * 160


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
    assert [one.position + len(one.audio) for one in sent[:-1]] == [one.position for one in sent[1:]]
    assert sum(len(one.audio) for one in sent) == 1600
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
        fading, *quiet = [packet.payload for packet in table.peer.received()]
        assert fading[40:] == QUIET[40:]
        assert set(quiet) == {QUIET}
    assert heard == Heard("u", left // 8)
    assert sum(len(event.audio) for event in table.of(AudioSent)) == left + len(fading)
    assert table.of(UtteranceHeard) == []


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
    assert outbound.mos is not None
    assert inbound.mos is not None
    assert outbound.mos < inbound.mos
    assert isinstance(farewell[-1], rtcp.Goodbye)


async def test_closing_twice_is_the_same_as_once_and_frees_the_ports(autojump_clock: trio.abc.Clock) -> None:
    async with laid(ports=range(22_000, 22_002)) as table:
        with pytest.raises(PortsExhausted):
            table.plane.open(table.events.append)
        quality = table.stream.close()
        assert (
            table.stream.close() == quality == (Quality("in", 0, 0, 0, 0.0, None), Quality("out", 0, 0, 0, 0.0, None))
        )
        table.plane.open(table.events.append).close()
        assert table.plane.statistics().open_streams == 0


async def test_what_streams_have_counted_is_added_up_and_outlives_them(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.stream.counts.strangers, table.stream.counts.malformed = 3, 1
        other = table.plane.open(table.events.append)
        other.counts.strangers = 2
        open_now = table.plane.counts()
        table.stream.close()
        assert table.plane.counts() == open_now
        other.counts.strangers += 1
        assert table.plane.counts()["strangers"] == 6
    assert open_now == {"refused": 0, "unsent": 0, "strangers": 5, "malformed": 1, "early": 0}


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


async def test_a_datagram_taken_before_its_stream_was_closed_is_nobodys(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        await table.peer.talk(table.stream, 5)
        await trio.sleep(0.02)
        table.peer.rtp.sendto(table.peer.packet(QUIET), table.stream.address)
        assert table.stream.fetch()
        table.stream.close()
        told = len(table.events)
        table.stream.read(trio.current_time())
        table.stream.tell_full(trio.current_time())
        assert len(table.events) == told


async def test_two_streams_of_one_plane_hear_each_other(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        other = Table(table.plane)
        other.peer.close()
        await trio.sleep(0.1)
        table.start(other.stream)
        other.start(table.stream)
        table.stream.play("u", b"\x11" * 800)
        await trio.sleep(0.5)
        assert other.heard.count(0x11) == 800


async def test_more_packets_than_ticks_delay_nobody(autojump_clock: trio.abc.Clock) -> None:
    """A network that copies every packet ten times, or a flood by the caller's own address."""
    async with laid() as table:
        table.start()
        begin = trio.current_time()
        for index in range(99):
            await trio.sleep_until(begin + 0.02 * (index + 1) - 0.0001)
            packet = table.peer.packet(bytes([index + 1]) * 160)
            for _ in range(10):
                table.peer.rtp.sendto(packet, table.stream.address)
        await trio.sleep(0.06)
        arrived = table.of(AudioArrived)
    assert arrived[-1].audio.endswith(bytes([99]) * 160)
    assert b"".join(batch.audio for batch in arrived).count(bytes([50])) == 160
