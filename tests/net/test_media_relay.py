"""Two streams of one plane bridged: what one hears the other says, 40 to 70 ms later."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from callactors.audio import g711
from callactors.audio.format import AudioFormat
from callactors.rtp.events import AudioArrived, AudioSent
from callactors.rtp.packet import RtpPacket
from callactors.rtp.srtp import Keys, Security, Srtp
from callactors.sdp.formats import CodecName
from callactors.testing.media_peer import Peer, Table, laid


@attrs.frozen
class Bridge:
    table: Table
    other: Table

    @property
    def far(self) -> Peer:
        return self.other.peer


@asynccontextmanager
async def bridged(codec: CodecName = "pcmu") -> AsyncIterator[Bridge]:
    async with laid() as table:
        other = Table(table.plane)
        table.strangers.append(other.peer)
        table.start()
        other.start(codec=codec)
        table.stream.relay_to(other.stream)
        other.stream.relay_to(table.stream)
        yield Bridge(table, other)


def spoken(packets: list[RtpPacket], fill: int) -> list[RtpPacket]:
    return [packet for packet in packets if packet.payload == bytes([fill]) * 160]


async def test_each_hears_the_other_and_neither_hears_itself(autojump_clock: trio.abc.Clock) -> None:
    async with bridged() as b:
        async with trio.open_nursery() as both:
            both.start_soon(b.table.peer.talk, b.table.stream, 50, 1)
            both.start_soon(b.far.talk, b.other.stream, 50, 2)
        await trio.sleep(0.2)
        near, far = b.table.peer.received(), b.far.received()
    assert len(spoken(far, 1)) == len(spoken(near, 2)) == 50
    assert spoken(far, 2) == spoken(near, 1) == []
    for packets in (near, far):
        assert {b.sequence - a.sequence for a, b in itertools.pairwise(packets)} == {1}
        assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(packets)} == {160}


async def test_a_secured_leg_and_one_in_clear_hear_each_other(autojump_clock: trio.abc.Clock) -> None:
    ours, theirs = (Keys("AEAD_AES_128_GCM", bytes([seed]) * 16, bytes([seed]) * 12) for seed in (1, 2))
    async with bridged() as b:
        b.table.start(security=Security(send=ours, receive=theirs))
        b.table.peer.srtp = Srtp(Security(send=theirs, receive=ours))
        async with trio.open_nursery() as both:
            both.start_soon(b.table.peer.talk, b.table.stream, 50, 1)
            both.start_soon(b.far.talk, b.other.stream, 50, 2)
        await trio.sleep(0.2)
        assert len(spoken(b.far.received(), 1)) == len(spoken(b.table.peer.received(), 2)) == 50


async def test_a_word_is_passed_on_within_70_ms(autojump_clock: trio.abc.Clock) -> None:
    async with bridged() as b:
        await b.table.peer.talk(b.table.stream, 20)
        b.far.received()
        await trio.sleep(0.02)
        b.table.peer.rtp.sendto(b.table.peer.packet(b"\x33" * 160), b.table.stream.address)
        asked = trio.current_time()
        while not spoken(b.far.received(), 0x33):
            await trio.sleep(0.005)
            assert trio.current_time() - asked < 0.07


async def test_laws_are_changed_on_the_way(autojump_clock: trio.abc.Clock) -> None:
    async with bridged("pcma") as b:
        await b.table.peer.talk(b.table.stream, 30, fill=0x40)
        await trio.sleep(0.2)
        wanted = g711.transcode(b"\x40" * 160, AudioFormat.PCMU, AudioFormat.PCMA)
        assert [p.payload_type for p in b.far.received() if p.payload == wanted] == [8] * 30


async def test_what_the_other_said_is_told_as_sent_for_the_recording(autojump_clock: trio.abc.Clock) -> None:
    async with bridged() as b:
        await b.far.talk(b.other.stream, 30, fill=9)
        await trio.sleep(0.2)
    sent = b"".join(event.audio for event in b.table.of(AudioSent))
    assert 30 * 160 <= sent.count(9) <= 31 * 160  # the last of it sounds on for a moment
    arrived = b"".join(event.audio for event in b.other.of(AudioArrived)).count(9)
    assert 30 * 160 <= arrived <= 31 * 160


async def test_our_own_words_go_before_the_others(autojump_clock: trio.abc.Clock) -> None:
    async with bridged() as b:
        async with trio.open_nursery() as talking:
            talking.start_soon(b.table.peer.talk, b.table.stream, 50, 1)
            await trio.sleep(0.3)
            b.other.stream.play("briefing", b"\x22" * 1600)
            b.other.stream.end("briefing")
        await trio.sleep(0.2)
        packets = b.far.received()
    assert len(spoken(packets, 0x22)) == 10
    assert len(spoken(packets, 1)) == 40


@pytest.mark.parametrize("close", [True, False])
async def test_a_bridge_that_is_taken_away_leaves_both_alone(autojump_clock: trio.abc.Clock, close: bool) -> None:
    async with bridged() as b:
        await b.table.peer.talk(b.table.stream, 20)
        if close:
            b.table.stream.close()
        else:
            b.table.stream.relay_to(None)
            b.other.stream.relay_to(None)
        b.far.received()
        await b.table.peer.talk(b.table.stream, 10)
        await b.far.talk(b.other.stream, 10)
        packets = b.far.received()
    assert len(packets) >= 19
    assert {packet.payload for packet in packets} == {b"\xff" * 160}
