"""Packets are made several at a time, and nobody hears of it: a change is heard in the next slot, what left is told."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from callactors.net.media_ahead import MOST
from callactors.rtp.events import AudioSent, UtteranceHeard
from callactors.testing.media_peer import Table, laid

SPEECH = bytes(range(1, 101)) * 160  # two seconds; every 20 ms are other bytes
FRAME = 160
QUIET = b"\xff" * FRAME


def unbroken(table: Table) -> bytes:
    """All that the far end received, of which nothing is missing, doubled or out of its time."""
    packets = table.peer.received()
    for one, following in itertools.pairwise(packets):
        assert (following.sequence - one.sequence) & 0xFFFF == 1
        assert (following.timestamp - one.timestamp) & 0xFFFFFFFF == FRAME
    return b"".join(packet.payload for packet in packets)


@pytest.mark.parametrize("wait", [0.100, 0.121, 0.141, 0.161, 0.181])
async def test_speech_begins_in_the_next_slot_whenever_it_comes(wait: float, autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        await trio.sleep(wait)
        before = len(table.peer.received())
        table.stream.play("u", SPEECH)
        await trio.sleep(0.5)
        heard = unbroken(table)
    assert before >= 4
    assert heard.index(SPEECH[:FRAME]) == 0
    assert SPEECH.startswith(heard)


@pytest.mark.parametrize("wait", [0.200, 0.221, 0.241, 0.261, 0.281])
async def test_barge_in_counts_what_has_left_and_nothing_that_was_only_made(
    wait: float, autojump_clock: trio.abc.Clock
) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", SPEECH)
        await trio.sleep(wait)
        left = b"".join(packet.payload for packet in table.peer.received())
        assert table.stream.heard().ms == len(left) // 8
        assert table.stream.queued_ms() == (len(SPEECH) - len(left)) // 8
        assert table.stream.flush().ms == len(left) // 8
        await trio.sleep(0.2)
        rest = unbroken(table)
    assert SPEECH.startswith(left)
    assert rest[FRAME:].strip(b"\xff") == b""  # one frame fades out
    assert b"".join(event.audio for event in table.of(AudioSent))[: len(left)] == left


@pytest.mark.parametrize("wait", [0.200, 0.221, 0.241, 0.261, 0.281])
async def test_a_digit_goes_before_packets_that_were_made_and_loses_none(
    wait: float, autojump_clock: trio.abc.Clock
) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", SPEECH)
        table.stream.end("u")
        await trio.sleep(wait)
        before = table.peer.received()
        table.stream.send_digits("5")
        await trio.sleep(3)
        packets = [*before, *table.peer.received()]
    assert packets[len(before)].payload_type == 101
    said = b"".join(packet.payload for packet in packets if packet.payload_type == 0)
    assert said.replace(b"\xff", b"") == SPEECH
    assert [(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets)] == [1] * (len(packets) - 1)
    assert [event.ms for event in table.of(UtteranceHeard)] == [2000]


async def test_a_new_agreement_loses_nothing_of_what_is_said(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", SPEECH)
        for _ in range(7):
            await trio.sleep(0.111)
            table.start()
        await trio.sleep(2)
        assert unbroken(table).strip(b"\xff") == SPEECH
    told = table.of(AudioSent)
    assert b"".join(event.audio for event in told) == SPEECH
    assert all(one.position + len(one.audio) == two.position for one, two in itertools.pairwise(told))
    assert max(len(event.audio) for event in told) <= (MOST + 1) * FRAME


@pytest.mark.parametrize("wait", [0.200, 0.221, 0.241, 0.261, 0.281])
@pytest.mark.parametrize("cut", [False, True])
async def test_what_is_told_lies_where_it_left_also_after_a_pause_or_a_barge_in(
    wait: float, cut: bool, autojump_clock: trio.abc.Clock
) -> None:
    async with laid() as table:
        table.start()
        await trio.sleep(0.1)
        for name, piece in (("u", SPEECH[:1280]), ("v", SPEECH[1280:4000]), ("w", SPEECH[4000:])):
            table.stream.play(name, piece)
            await trio.sleep(wait)
            if cut:
                table.stream.flush()
            await trio.sleep(0.333)
        await trio.sleep(2)
        packets = table.peer.received()
    left = {(packet.timestamp - packets[0].timestamp) & 0xFFFFFFFF: packet.payload for packet in packets}
    told = table.of(AudioSent)
    start = next(at for at, payload in left.items() if payload != QUIET) - told[0].position
    for event in told:
        for at in range(0, len(event.audio), FRAME):
            assert left.pop(event.position + start + at) == event.audio[at : at + FRAME]
    assert cut or set(left.values()) == {QUIET}


async def test_what_had_left_when_a_stream_is_closed_is_told(autojump_clock: trio.abc.Clock) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", SPEECH)
        await trio.sleep(0.227)
        _, out = table.stream.close()
        left = table.peer.received()
    assert out.packets == len(left)
    assert b"".join(event.audio for event in table.of(AudioSent)) == b"".join(packet.payload for packet in left)


@pytest.mark.parametrize("wait", [0.0, 0.021, 0.041, 0.061])
async def test_an_utterance_that_had_left_is_told_as_heard_though_the_stream_is_closed_at_once(
    wait: float, autojump_clock: trio.abc.Clock
) -> None:
    async with laid() as table:
        table.start()
        table.stream.play("u", SPEECH[:1600])
        await trio.sleep(0.5)
        table.stream.end("u")
        await trio.sleep(wait)
        table.stream.close()
    assert [event.ms for event in table.of(UtteranceHeard)] == [200]
