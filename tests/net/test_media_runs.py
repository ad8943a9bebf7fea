"""A source that has settled is read in runs, and nobody hears of it: what came is told in time, what did not missed."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from callactors.audio.tone import sine
from callactors.rtp import rtcp
from callactors.rtp.events import AudioArrived, AudioSent, DigitArrived, MediaEvent, UtteranceHeard
from callactors.testing.media_peer import Table, laid

FRAME = 160
SETTLED = 1.3  # seconds of regular packets


async def talk(table: Table, seconds: float, *, first: int = 1, late: dict[int, float] | None = None) -> None:
    """A packet each 20 ms, each with its number in it; of `late` ones so many seconds late, or never."""
    await trio.sleep(0.1 if first == 1 else 0)
    begin, count = trio.current_time(), round(seconds * 50)
    times = [(0.02 * n + (late or {}).get(n, 0.0), n) for n in range(count)]
    packets = [table.peer.packet(bytes([(first + n) % 100 + 1]) * FRAME) for n in range(count)]
    for at, n in sorted(times):
        if at < 1_000:
            await trio.sleep_until(begin + at)
            table.peer.rtp.sendto(packets[n], table.stream.address)


def delays(table: Table, since: float) -> list[float]:
    """From the end of what a batch holds to when it was told."""
    opened = table.stream.opened
    batches = [batch for batch in table.of(AudioArrived) if batch.at > since]
    return [batch.at - opened - (batch.position + len(batch.audio)) / 8000 for batch in batches]


@pytest.mark.parametrize("phase", [0.0, 0.0013, 0.0049, 0.011, 0.0187])
async def test_a_batch_is_told_within_two_ticks_of_its_last_packet(phase: float, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await trio.sleep(phase)
        await talk(table, 4)
        found = delays(table, table.stream.opened + SETTLED)
    assert len(found) > 40
    assert max(found) - min(found) <= 0.011
    assert {len(batch.audio) for batch in table.of(AudioArrived)[2:-1]} == {480}


@pytest.mark.parametrize("size", [1, 8, 20, 40, 80, 240, 320, 480, 960])
async def test_packets_of_any_length_are_all_heard_and_in_time(size: int, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await trio.sleep(0.2)
        begin, count = trio.current_time(), 3 * 8000 // size
        for n in range(count):
            await trio.sleep_until(begin + n * size / 8000)
            packet = table.peer.packet(bytes([n % 100 + 1]) * size, timestamp=n * size)
            table.peer.rtp.sendto(packet, table.stream.address)
        await trio.sleep(0.006)
        late = max(delays(table, table.stream.opened + SETTLED))
        quality, _ = table.stream.close()
    assert (quality.packets, quality.lost, quality.late) == (count, 0, 0)
    assert len(table.heard) == count * size
    assert late <= 0.011


@pytest.mark.parametrize("lateness", [0.03, 0.045, 0.055])
@pytest.mark.parametrize("which", [75, 76, 77])
async def test_the_first_packet_that_is_late_is_heard_like_any_other(
    which: int, lateness: float, autojump_clock: object
) -> None:
    async with laid() as table:
        table.start()
        await talk(table, 3, late={which: lateness})
        await trio.sleep(0.1)
        quality, _ = table.stream.close()
    numbers = [table.heard[at] for at in range(FRAME // 2, len(table.heard), FRAME)]
    assert bytes([which % 100 + 2]) * FRAME in table.heard
    assert numbers[75:140] == [(n + 1) % 100 + 1 for n in range(75, 140)]
    assert (quality.lost, quality.late) == (0, 0)


async def test_a_packet_that_never_comes_holds_nothing_up_for_longer_than_before(autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await talk(table, 3, late={100: 10_000})
        quality, _ = table.stream.close()
    lost = [batch.lost_ms for batch in table.of(AudioArrived)]
    assert (sum(lost), quality.lost) == (20, 1)
    assert all(one.position + len(one.audio) == two.position for one, two in itertools.pairwise(table.of(AudioArrived)))
    assert max(delays(table, table.stream.opened + SETTLED)) <= 0.1 + 0.011


@pytest.mark.parametrize("wait", [0.0, 0.013, 0.026, 0.039, 0.052])
async def test_silence_without_packets_is_filled_slot_by_slot(wait: float, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await talk(table, 2 + wait)
        stopped = trio.current_time() - table.stream.opened
        await trio.sleep(1)
        filled = [one for one in table.of(AudioArrived) if one.at - table.stream.opened > stopped + 0.03]
        audio = b"".join(one.audio for one in filled)
    assert filled[0].at - table.stream.opened <= stopped + 0.02 + 0.1 + 0.06 + 0.025
    assert max(two.at - one.at for one, two in itertools.pairwise(filled)) <= 0.065
    assert len(audio.rstrip(b"\xff")) <= 5 * FRAME  # a batch that was whole, and the rest


@pytest.mark.parametrize("apart", [0.0001, 0.003])
async def test_packets_that_come_in_bunches_are_heard_without_a_gap_and_told_at_once(
    apart: float, autojump_clock: object
) -> None:
    """A gateway that polls every 60 ms: a run's packets are there before anybody would wait for them."""
    async with laid() as table:
        table.start()
        await talk(table, 20, late={n: (2 - n % 3) * (0.02 - apart) for n in range(1_000)})
        since = table.stream.opened + 5
        batches = [batch for batch in table.of(AudioArrived) if batch.at > since]
        audio = b"".join(batch.audio for batch in batches)
        late = delays(table, since)
    assert sum(batch.lost_ms for batch in batches) == 0
    numbers = [audio[at] for at in range(FRAME // 2, len(audio), FRAME)]
    assert all(two == one % 100 + 1 for one, two in itertools.pairwise(numbers))
    assert max(late) - min(late) <= 0.011


@pytest.mark.parametrize("kind", [13, 96, 101])
async def test_packets_without_audio_do_not_make_silence_come_in_lumps(kind: int, autojump_clock: object) -> None:
    """Comfort noise, what nobody agreed on, a key that is held."""
    async with laid() as table:
        table.start()
        await talk(table, 2)
        stopped, stamp = trio.current_time(), table.peer.sequence * FRAME
        for n in range(25):
            await trio.sleep(0.06)
            payload = bytes([5, 10]) + (480 * n + 480).to_bytes(2, "big") if kind == 101 else b"\x40"
            table.peer.rtp.sendto(table.peer.packet(payload, kind=kind, timestamp=stamp), table.stream.address)
        filled = [one for one in table.of(AudioArrived) if one.at > stopped + 0.1]
    assert len(filled) >= 20
    assert max(two.at - one.at for one, two in itertools.pairwise(filled)) <= 0.065


@pytest.mark.parametrize("wait", [0.02 * n + 0.003 for n in range(10)])
async def test_the_end_of_what_has_been_heard_is_told_in_the_next_slot(wait: float, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk, table, 4)
            await trio.sleep(1)
            table.stream.play("u", b"\x11" * 800)
            await trio.sleep(1 + wait)
            asked = trio.current_time()
            table.stream.end("u")
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
    [heard] = table.of(UtteranceHeard)
    assert heard.at - asked <= 0.021


async def test_who_asks_what_was_heard_while_being_told_what_was_sent_gets_an_answer(autojump_clock: object) -> None:
    async with laid() as table:
        heard: list[int] = []

        def deliver(event: MediaEvent) -> None:
            if isinstance(event, AudioSent):
                heard.append(other.heard().ms)

        first, other = table.stream, table.plane.open(deliver)
        table.stream = other
        table.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk, table, 4)
            await trio.sleep(1.5)
            other.play("u", b"\x11" * 8000)
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
        table.stream = first
        sent = [packet.payload for packet in table.peer.received()]
    assert heard == sorted(heard)
    assert heard[-1] <= 1000
    assert b"".join(sent).count(0x11) == 8000


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.04])
async def test_what_had_come_when_a_stream_is_closed_is_told(wait: float, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await talk(table, 2 + wait)
        await trio.sleep(0.004)
        quality, _ = table.stream.close()
    assert quality.packets == round((2 + wait) * 50)
    assert len(table.heard) == quality.packets * FRAME


async def test_what_had_come_is_told_also_when_the_far_end_has_gone(autojump_clock: object) -> None:
    """The ICMP answer to what we send it comes out of the socket first."""
    async with laid() as table:
        table.start()
        await talk(table, 2.04)
        table.peer.rtp.close()
        await trio.sleep(0.021)
        quality, _ = table.stream.close()
    assert table.stream.counts.refused >= 1
    assert quality.packets == 102


@pytest.mark.parametrize("wait", [0.0, 0.02, 0.04])
async def test_a_re_offer_loses_nothing_of_what_waits(wait: float, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await talk(table, 2 + wait)
        table.start()
        await talk(table, 2, first=round((2 + wait) * 50) + 1)
        await trio.sleep(0.006)
        quality, _ = table.stream.close()
    assert (quality.packets, quality.lost, quality.late) == (round((4 + wait) * 50), 0, 0)


async def test_digits_in_the_middle_of_runs_are_told_once_each(autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await talk(table, 2)
        stamp = table.peer.sequence * FRAME
        for key in (5, 9):
            for n in range(8):
                await trio.sleep(0.02)
                end = 0x80 if n >= 5 else 0
                payload = bytes([key, 10 | end]) + (FRAME * min(n + 1, 6)).to_bytes(2, "big")
                table.peer.rtp.sendto(
                    table.peer.packet(payload, kind=101, timestamp=stamp, marker=n == 0), table.stream.address
                )
            stamp += 8 * FRAME
        await talk(table, 1)
    assert [event.digit for event in table.of(DigitArrived)] == ["5", "9"]


@pytest.mark.parametrize("wait", [0.121, 0.161, 0.221, 0.301])
async def test_music_begins_in_the_next_slot_whenever_it_comes(wait: float, autojump_clock: object) -> None:
    async with laid() as table:
        table.start()
        await talk(table, SETTLED)
        await trio.sleep(wait)
        table.peer.received()
        table.stream.fill_with(sine(400, 200))
        await trio.sleep(0.2)
        first, *_ = table.peer.received()
    assert set(first.payload) != {0xFF}


async def test_a_report_counts_what_has_left_and_nothing_that_was_only_made(autojump_clock: object) -> None:
    counted: list[tuple[int, int]] = []
    async with laid() as table:
        table.start()
        left = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk, table, 30)
            for _ in range(6_000):
                await trio.sleep(0.005)
                left += len(table.peer.received())
                told = [report.sender for report in table.peer.reports() if isinstance(report, rtcp.Report)]
                counted += [(sender.packets, left) for sender in told if sender is not None]
            nursery.cancel_scope.cancel()
    assert len(counted) >= 3
    assert all(told == had_left for told, had_left in counted)


async def test_a_clock_that_was_held_up_reads_what_has_come_and_hears_the_rest_in_runs(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with laid() as table:
        table.start()

        async def pass_by(seconds: float) -> None:
            for step in range(round(seconds / 0.005)):
                if step % 4 == 0:
                    number = table.peer.sequence % 100 + 1
                    table.peer.rtp.sendto(table.peer.packet(bytes([number]) * FRAME), table.stream.address)
                mock_clock.jump(0.005)
                await trio.testing.wait_all_tasks_blocked()

        await pass_by(2)
        mock_clock.jump(0.3)
        for _ in range(15):
            number = table.peer.sequence % 100 + 1
            table.peer.rtp.sendto(table.peer.packet(bytes([number]) * FRAME), table.stream.address)
        await trio.testing.wait_all_tasks_blocked()
        await pass_by(2)
        quality, _ = table.stream.close()
        left = table.peer.received()
    assert table.plane.statistics().skipped_frames in (14, 15)
    assert (quality.packets, quality.lost) == (215, 0)
    assert [(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(left)] == [1] * (len(left) - 1)
