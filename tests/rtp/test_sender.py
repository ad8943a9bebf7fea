"""Packets of the ptime asked for, whose timestamps are the time at which they sound."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio.codec import Codec
from callactors.audio.codecs import make_codec
from callactors.audio.format import AudioFormat
from callactors.audio.g711_codec import G711
from callactors.rtp.packet import RtpPacket, parse
from callactors.rtp.playout import FRAME
from callactors.rtp.sender import Sender
from callactors.rtp.telephone_event import event_packets


def sender(ptime: int = 20) -> Sender:
    made = Sender(Random(1))
    made.agree(make_codec("pcmu"), 0, 101, ptime)
    return made


def spoken(to: Sender, frames: int, begin: int = 0) -> list[RtpPacket]:
    return [
        parse(data)
        for slot in range(begin, begin + frames)
        for data in to.audio(bytes([slot % 256]) * FRAME, slot * FRAME)
    ]


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
def test_every_packet_holds_its_ptime_and_follows_the_one_before(ptime: int) -> None:
    packets = spoken(sender(ptime), 30)
    assert {len(packet.payload) for packet in packets} == {ptime * 8}
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(packets)}
    assert steps == {ptime * 8}
    assert b"".join(packet.payload for packet in packets) == b"".join(bytes([n]) * FRAME for n in range(30))


@pytest.mark.parametrize("ptime", [20, 30, 60])
def test_a_gap_is_in_the_timestamps_and_never_in_the_sequence_numbers(ptime: int) -> None:
    speaking = sender(ptime)
    before = spoken(speaking, 7)
    speaking.gap()
    after = spoken(speaking, 7, begin=100)
    assert after[0].marker
    assert after[0].sequence == (before[-1].sequence + 1) & 0xFFFF
    assert (after[0].timestamp - before[0].timestamp) & 0xFFFFFFFF == 100 * FRAME


def test_what_was_held_back_leaves_before_the_first_packet_of_a_digit() -> None:
    speaking = sender(60)
    assert spoken(speaking, 2) == []
    slot = next(slot for slot in event_packets("5") if slot is not None)
    speech, digit = (parse(data) for data in speaking.event(slot, 2 * FRAME))
    assert (speech.payload_type, len(speech.payload)) == (0, 2 * FRAME)
    assert (digit.payload_type, digit.marker, digit.payload[0]) == (101, True, 5)
    assert (digit.timestamp - speech.timestamp) & 0xFFFFFFFF == 2 * FRAME


def test_what_was_held_back_and_need_not_be_sent_makes_no_packet_before_a_digit() -> None:
    class Resting:
        def __getattr__(self, name: str) -> Any:
            return getattr(G711(AudioFormat.PCMU), name)

        def encode(self, audio: bytes) -> bytes:
            return b""

    speaking = Sender(Random(1))
    speaking.agree(cast(Codec, Resting()), 0, 101, 60)
    assert speaking.audio(bytes(FRAME), 0) == []
    slot = next(event_packets("5"))
    assert slot is not None
    [digit] = speaking.event(slot, FRAME)
    assert parse(digit).payload == slot.payload


def test_another_clock_is_another_source() -> None:
    speaking = sender()
    ssrc = speaking.ssrc
    speaking.agree(make_codec("pcma"), 8, 101, 20)
    assert speaking.ssrc == ssrc
    speaking.agree(make_codec("opus"), 96, None, 20)
    assert speaking.ssrc != ssrc


@settings(max_examples=80)
@given(st.sampled_from([10, 20, 30, 40, 50, 60]), st.lists(st.sampled_from("ag"), max_size=60))
def test_what_is_counted_is_what_was_made_and_numbers_never_skip(ptime: int, steps: list[str]) -> None:
    speaking, packets, slot = sender(ptime), list[RtpPacket](), 0
    for step in steps:
        if step == "g":
            slot += 7
            speaking.gap()
        packets += [parse(data) for data in speaking.audio(b"\x55" * FRAME, slot * FRAME)]
        slot += 1
    assert speaking.sent == len(packets)
    assert speaking.octets == sum(len(packet.payload) for packet in packets)
    numbers = [packet.sequence for packet in packets]
    assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(numbers))


def test_new_srtp_keys_make_another_source_only_where_numbers_may_have_passed_65535() -> None:
    made = sender()
    before = spoken(made, 100)[-1]
    made.rekeyed()
    assert spoken(made, 1)[0].ssrc == before.ssrc
    spoken(made, 0x8000)
    made.rekeyed()
    assert spoken(made, 1)[0].ssrc != before.ssrc
