"""RTCP compounds: round trips, refusals, what reports say; and the score they lead to."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedPacket
from callactors.rtp import rtcp
from callactors.rtp.quality import mos
from callactors.rtp.rtcp import Description, Goodbye, Report, ReportBlock, SenderInfo
from callactors.rtp.source import Source

BLOCK = ReportBlock(ssrc=7, fraction=12, lost=-3, highest=70_000, jitter=80, last_sr=0x12345678, delay=65536)
SENT = Report(5, SenderInfo(rtcp.ntp(1000.5), 8000, 50, 8000), (BLOCK,))


def test_a_compound_of_report_name_and_goodbye_comes_back() -> None:
    data = rtcp.compound([SENT, Description(5, "abc"), Goodbye((5,))])
    assert rtcp.parse(data) == [SENT, Goodbye((5,))]
    assert len(data) % 4 == 0


def test_a_receiver_report_without_sources_is_a_report() -> None:
    assert rtcp.parse(Report(5).to_bytes()) == [Report(5)]


@pytest.mark.parametrize("cut", [1, 4, 8, 30])
def test_a_compound_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(MalformedPacket):
        rtcp.parse(SENT.to_bytes()[:-cut])


def test_padding_of_the_last_packet_is_read_past_and_false_padding_refused() -> None:
    padded = b"\xa0\xc9\0\2" + bytes(3) + b"\5" + b"\0\0\0\4"
    assert rtcp.parse(padded) == [Report(5)]
    with pytest.raises(MalformedPacket):
        rtcp.parse(padded[:-1] + b"\xff")


def test_a_goodbye_cut_short_is_refused() -> None:
    with pytest.raises(MalformedPacket):
        rtcp.parse(b"\x82\xcb\0\1" + bytes(4))


def test_an_empty_datagram_and_a_lone_name_are_no_report() -> None:
    for data in (b"", Description(5, "abc").to_bytes()):
        with pytest.raises(MalformedPacket):
            rtcp.parse(data)


@given(st.binary(max_size=80))
@settings(max_examples=150)
def test_noise_never_breaks_the_parser(noise: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        assert rtcp.parse(b"\x81\xc8" + noise)


def test_the_round_trip_is_what_was_not_spent_at_the_far_end() -> None:
    sent = rtcp.middle(rtcp.ntp(1000.0))
    block = ReportBlock(1, 0, 0, 0, 0, last_sr=sent, delay=2 * 65536)
    assert rtcp.round_trip(block, rtcp.middle(rtcp.ntp(1002.08))) == pytest.approx(0.08, abs=0.001)
    assert rtcp.round_trip(ReportBlock(1, 0, 0, 0, 0, 0, 0), 5) is None


def test_the_fraction_lost_is_since_the_last_report() -> None:
    source = Source(1, 100, 0)
    for number in (100, 101, 103):
        assert source.sequence(number) == number
        source.arrived(0, 0.0)
    assert (source.fraction_lost(), source.fraction_lost(), source.lost) == (64, 0, 1)


def test_a_perfect_line_scores_high_and_loss_and_delay_cost() -> None:
    assert mos(0, 20) == pytest.approx(4.4, abs=0.05)
    assert 4.4 > mos(0.01, 20) > mos(0.05, 20) > mos(0.2, 20) > mos(1.0, 1000) == 1.0
    assert mos(0, 400) < 4.0
