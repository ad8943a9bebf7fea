"""The RTCP half of a stream: when reports are due, what they say, what the far end said of us (RFC 3550 section 6)."""

from __future__ import annotations

from random import Random

from callactors.rtp import rtcp
from callactors.rtp.one_way import OneWayWatch
from callactors.rtp.patience import HOLD
from callactors.rtp.playout import FRAME
from callactors.rtp.quality import Quality, quality
from callactors.rtp.sender import Sender
from callactors.rtp.source import Source

_HELD = (HOLD + FRAME) / 8  # ms that audio is held back at most, on a fair network


class Reports:
    """Keeps the reports of one stream, both ways. `now` is an argument throughout."""

    def __init__(self, random: Random) -> None:
        self.heard_at = -1e9
        self.left = False  # the far end said BYE
        self.round_trip = 0.0  # seconds
        self.rate = 8_000  # ticks a second of what we send: the far end's jitter counts in them
        self._random = random
        self._cname = f"{random.getrandbits(96):024x}"
        self._due = 0.0
        self._about_us: rtcp.ReportBlock | None = None
        self._their_sr, self._their_sr_at = 0, 0.0
        self._sent_before = 0
        self._sent_then = 0  # packets, when the far end last reported
        self.one_way = OneWayWatch()

    def begin(self, now: float) -> None:
        """The first report comes after half an interval (section 6.2)."""
        self._due = now + rtcp.INTERVAL / 2 * self._factor()

    def due(self, now: float) -> bool:
        """Whether it is time; if so the next time is set."""
        if now < self._due:
            return False
        self._due = now + rtcp.INTERVAL * self._factor()
        return True

    def _factor(self) -> float:
        return 0.5 + self._random.random()

    def write(self, sender: Sender, timestamp: int, source: Source | None, now: float, *, leaving: bool) -> bytes:
        """A compound: SR if anything was sent since the last one, else RR; CNAME; BYE when leaving."""
        info, ssrc = None, sender.ssrc
        if sender.sent > self._sent_before:
            info = rtcp.SenderInfo(rtcp.ntp(now), timestamp, sender.sent, sender.octets)
        self._sent_before = sender.sent
        blocks = () if source is None else (self._block(source, now),)
        packets: list[rtcp.Rtcp] = [rtcp.Report(ssrc, info, blocks), rtcp.Description(ssrc, self._cname)]
        if leaving:
            packets.append(rtcp.Goodbye((ssrc,)))
        return rtcp.compound(packets)

    def _block(self, source: Source, now: float) -> rtcp.ReportBlock:
        delay = int((now - self._their_sr_at) * 65536) if self._their_sr else 0
        return rtcp.ReportBlock(
            ssrc=source.ssrc,
            fraction=source.fraction_lost(),
            lost=source.lost,
            highest=source.highest,
            jitter=int(source.jitter),
            last_sr=self._their_sr,
            delay=delay,
        )

    def receive(self, data: bytes, sender: Sender, now: float) -> None:
        """A datagram from the far end. Raises MalformedPacket."""
        for packet in rtcp.parse(data):
            self.heard_at = now
            if isinstance(packet, rtcp.Goodbye):
                self.left = True
                continue
            if packet.sender is not None:
                self._their_sr, self._their_sr_at = rtcp.middle(packet.sender.ntp), now
            block = next((block for block in packet.blocks if block.ssrc == sender.ssrc), None)
            if block is not None:
                self._about_us = block
                self.round_trip = rtcp.round_trip(block, rtcp.middle(rtcp.ntp(now))) or self.round_trip
            self.one_way.reported(None if block is None else block.highest, sender.sent > self._sent_then, now)
            self._sent_then = sender.sent

    @property
    def delay_ms(self) -> float:
        """One way, for the E-model."""
        return _HELD + self.round_trip * 500

    def quality_out(self, sent: int) -> Quality:
        """What the far end says of us; perfect when it never did."""
        block = self._about_us
        lost = max(0, block.lost) if block is not None else 0
        jitter = block.jitter * 1000 / self.rate if block is not None else 0.0
        return quality("out", sent, min(lost, sent), 0, jitter, self.delay_ms)
