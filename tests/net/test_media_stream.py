"""Whom a stream hears and speaks to, digits both ways, silence, noise: real sockets, virtual time."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from callactors.rtp import rtcp
from callactors.rtp.events import (
    CameBack,
    DigitArrived,
    WentSilent,
)
from callactors.rtp.telephone_event import event_packets
from callactors.sip.address import Address
from callactors.testing.media_peer import laid

QUIET = b"\xff" * 160


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


async def test_a_strangers_packets_that_queued_before_the_latch_are_still_a_strangers(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with laid() as table:
        attacker = table.another("127.0.0.66")
        table.start()
        table.peer.rtp.sendto(table.peer.packet(QUIET), table.stream.address)
        attacker.ssrc = 78
        for _ in range(150):
            attacker.rtp.sendto(attacker.packet(b"\x55" * 160), table.stream.address)
        await trio.sleep(2)
    assert table.stream.counts.strangers == 150
    assert b"\x55" * 80 not in table.heard


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
