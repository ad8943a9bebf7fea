"""A stream under SRTP and who attacks it: replays, other keys, clear RTP, scraps. None is heard, the call goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from callactors.rtp import rtcp
from callactors.rtp.events import WentSilent
from callactors.rtp.packet import RtpPacket
from callactors.rtp.srtp import Keys, Security, Srtp
from callactors.testing.media_peer import Peer, Table, laid

SUITE = "AES_CM_128_HMAC_SHA1_80"


def keys(seed: int) -> Keys:
    return Keys(SUITE, bytes([seed]) * 16, bytes([seed]) * 14)


OURS = Security(send=keys(1), receive=keys(2))
THEIRS = Security(send=keys(2), receive=keys(1))


@asynccontextmanager
async def secured() -> AsyncIterator[Table]:
    """A stream that has agreed on keys with its peer."""
    async with laid() as table:
        table.peer.srtp = Srtp(THEIRS)
        table.start(security=OURS, allowed=lambda host: True)
        yield table


def heard(table: Table) -> set[int]:
    """Which of the peer's tones were heard, by the bytes they are made of; scraps of concealment left out."""
    return {fill for fill in range(1, 16) if table.heard.count(fill) > 6 * 160}


async def test_both_sides_hear_each_other_and_read_each_others_reports(autojump_clock: object) -> None:
    async with secured() as table:
        table.stream.play("u", b"\x05" * 1600)
        await table.peer.talk(table.stream, 300)
        assert heard(table) == {1}
        assert b"\x05" * 160 in [packet.payload for packet in table.peer.received()]
        assert [report for report in table.peer.reports() if isinstance(report, rtcp.Report)]
        assert table.stream.counts.malformed == 0


async def test_a_peer_that_reports_is_read_only_under_its_key(autojump_clock: object) -> None:
    async with secured() as table:
        await table.peer.talk(table.stream, 20)
        above = (table.stream.address.host, table.stream.address.port + 1)
        report = rtcp.compound([rtcp.Report(77, None, ()), rtcp.Description(77, "x"), rtcp.Goodbye((77,))])
        table.peer.rtcp.sendto(report, above)
        await trio.sleep(0.1)
        assert table.stream.counts.malformed == 1
        table.peer.rtcp.sendto(Srtp(THEIRS).protect_rtcp(report), above)
        await trio.sleep(0.1)
        assert table.stream.counts.malformed == 1


async def test_attack_27_none_of_it_is_heard_and_the_call_survives(autojump_clock: object) -> None:
    async with secured() as table:
        peer, to = table.peer, table.stream.address
        await peer.talk(table.stream, 60)
        stolen = peer.packet(b"\x01" * 160)
        peer.rtp.sendto(stolen, to)
        await trio.sleep(0.1)
        attacks = [
            stolen,
            Srtp(Security(keys(9), keys(9))).protect(RtpPacket(0, 100, 16_000, 77, b"\x09" * 160).to_bytes()),
            RtpPacket(0, 101, 16_160, 77, b"\x0a" * 160).to_bytes(),
            b"12345",
            b"",
            stolen[:-1] + bytes([stolen[-1] ^ 1]),
            bytes(1900),
        ]
        for data in attacks * 20:
            peer.rtp.sendto(data, to)
            await trio.sleep(0.005)
        await trio.sleep(0.1)
        assert table.stream.counts.malformed == 20 * len(attacks)
        await peer.talk(table.stream, 30, fill=2)
        await trio.sleep(0.2)
        assert heard(table) == {1, 2}
        assert table.stream.counts.malformed == 20 * len(attacks)


async def test_who_has_no_key_latches_nothing(autojump_clock: object) -> None:
    async with secured() as table:
        stranger = table.another("127.0.0.66")
        for _ in range(100):
            stranger.rtp.sendto(stranger.packet(b"\x09" * 160), table.stream.address)
            await trio.sleep(0.02)
        assert (heard(table), table.stream.counts.malformed) == (set(), 100)
        assert stranger.received() == []
        await table.peer.talk(table.stream, 30)
        assert heard(table) == {1}


async def test_a_recorded_stream_from_elsewhere_latches_nothing(autojump_clock: object) -> None:
    async with secured() as table:
        await table.peer.talk(table.stream, 5)
        stranger = table.another("127.0.0.66")
        tape = [table.peer.packet(b"\x01" * 160) for _ in range(30)]
        for data in tape:
            table.peer.rtp.sendto(data, table.stream.address)
            await trio.sleep(0.02)
        for data in tape:
            stranger.rtp.sendto(data, table.stream.address)
            await trio.sleep(0.02)
        assert stranger.received() == []
        assert table.heard.count(1) < 36 * 160


async def test_who_has_the_key_may_speak_from_elsewhere(autojump_clock: object) -> None:
    async with secured() as table:
        moved = Peer("127.0.0.11")
        table.strangers.append(moved)
        moved.srtp = table.peer.srtp
        await moved.talk(table.stream, 30)
        assert heard(table) == {1}


async def test_old_keys_are_understood_for_a_while_and_then_no_more(autojump_clock: object) -> None:
    async with secured() as table:
        await table.peer.talk(table.stream, 10)
        old = table.peer.srtp
        table.start(security=Security(send=keys(3), receive=keys(4)), allowed=lambda host: True)
        await table.peer.talk(table.stream, 10, fill=2)
        table.peer.srtp = Srtp(Security(send=keys(4), receive=keys(3)))
        await table.peer.talk(table.stream, 200, fill=3)
        table.peer.srtp = old
        await table.peer.talk(table.stream, 10, fill=4)
        await trio.sleep(0.2)
        assert heard(table) == {1, 2, 3}
        assert table.stream.counts.malformed == 10


async def test_a_stream_that_goes_on_in_clear_or_becomes_secure_is_heard(autojump_clock: object) -> None:
    async with secured() as table:
        await table.peer.talk(table.stream, 20)
        table.start(security=None, allowed=lambda host: True)
        table.peer.srtp = None
        await table.peer.talk(table.stream, 20, fill=2)
        table.start(security=OURS, allowed=lambda host: True)
        table.peer.srtp = Srtp(THEIRS)
        await table.peer.talk(table.stream, 20, fill=3)
        await trio.sleep(0.2)
        assert heard(table) == {1, 2, 3}


async def test_who_speaks_under_another_key_is_silent_and_the_silence_tells_that_something_came(
    autojump_clock: object,
) -> None:
    async with secured() as table:
        table.peer.srtp = Srtp(Security(send=keys(9), receive=keys(1)))
        await table.peer.talk(table.stream, 300)
        [silent] = table.of(WentSilent)
    assert 245 <= silent.malformed <= 265
    assert heard(table) == set()
