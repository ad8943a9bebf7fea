"""From packets as they come to audio as it was spoken: one gap-free timeline per stream. Rules of this file:

- A position is wall-clock time: 1/8000 s since the stream was opened, anchored so that the quickest packets end when
  they arrive; re-anchored when that is off by more than DRIFT (clocks differ, timestamps jump). What is too much by
  that goes packet by packet: a little (a fast clock) at once, more (a burst of late packets) where it is quiet, and
  in mid-word only after SURPLUS_WATCHES.
- Payloads are decoded in the order in which they are heard. Reordering is undone while three packets have not overtaken
  a missing one (more where packets come late: patience.py); then it is lost, and the codec says what is heard in its
  place. Silence (no packets, digits, comfort noise) is filled when it was waited for. What comes later is dropped.
- A new SSRC is believed after NEW_SOURCE packets, and only while the old one is silent, or at once after a re-offer.
- Packets of 10 to 60 ms are taken as they are (up to 120); batches leave as soon as they hold BATCH.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import attrs

from callactors.audio.codec import POSITIONS, Codec
from callactors.audio.codecs import make_codec
from callactors.audio.convert import convert
from callactors.audio.levels import dbfs
from callactors.audio.linear import to_samples
from callactors.rtp.counts import Counts
from callactors.rtp.events import AudioArrived
from callactors.rtp.packet import HEADER, VERSION, RtpPacket
from callactors.rtp.patience import Patience
from callactors.rtp.playout import FRAME
from callactors.rtp.source import Source
from callactors.rtp.telephone_event import EventReceiver

BATCH = 480  # positions, 60 ms
DRIFT = 120  # positions, 15 ms
LONGEST = 960  # positions in one packet
WATCH = 50  # packets over which the quickest is looked for
SURPLUS_WATCHES = 10
LITTLE = 480  # positions of surplus
QUIET = -45.0  # dBFS
LATE_IN_A_ROW = 5
NEW_SOURCE = 3  # packets
SINGLY = 50  # packets
RUN = 12  # packets: a batch of the shortest there are
EVEN = 8.0  # ms of jitter; ticks of 5 ms add 2 to 3
EXPECTING = 3.0  # seconds after a re-offer
GONE = 0.2  # seconds without a new packet after which old numbers are a beginning
ACTIVE = 0.1  # seconds since its last packet for which a source counts as talking
AHEAD = 1_600  # positions a packet may lie in the future before its timestamps are taken for a jump
_pack, _HEADER = HEADER.pack, HEADER.size


class Receiver:
    """The incoming half of one stream, fed with parsed packets of a believed source. All times are the plane's."""

    __slots__ = (
        "_adrift", "_expecting_until", "_first_at", "_heard_at", "_in_runs", "_joined", "_late_in_a_row", "_lost",
        "_next_count", "_next_sequence", "_next_ssrc", "_offset", "_out", "_patience", "_quickest", "_singly", "_size",
        "_slowest", "_spoken", "_surplus", "_surplus_watches", "_tail", "_ticks", "_waiting", "_watched", "codec",
        "counts", "event_type", "events", "length", "opened", "others", "payload_type", "source",
    )  # fmt: skip

    def __init__(
        self,
        codec: Codec,
        payload_type: int,
        event_type: int | None,
        opened: float,
        others: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self.opened = opened
        self.counts = Counts()
        self.events = EventReceiver()
        self.source: Source | None = None
        self.codec = codec
        self.agree(codec, payload_type, event_type, opened, others)
        self._tail = -1  # the position behind what was joined last; -1 before the first packet
        self._out: list[bytes] = []
        self._size = 0
        self._lost = 0  # positions concealed in this batch
        self._first_at = 0.0
        self._waiting: dict[int, tuple[int, bytes, int]] = {}  # position -> sequence, payload, its length: beyond a gap
        self._joined = 0  # the extended sequence number up to which nothing is missing
        self._offset = 0  # position minus timestamp
        self._adrift = False  # timestamps count by another clock now: the next packet is anchored anew
        self._quickest, self._slowest, self._watched = 1 << 30, -1 << 30, 0
        self._patience = Patience()
        self._in_runs = False  # whether any of those watched was taken with the rest of its run
        self._surplus, self._surplus_watches = 0, 0  # positions that the audio is ahead of its time, and for how long
        self._late_in_a_row = 0
        self._heard_at = opened
        self._singly = SINGLY  # packets until they are received in runs
        self._next_ssrc, self._next_count = -1, 0
        self._next_sequence = -1
        self.length = BATCH  # of a packet, as far as is known

    def agree(
        self,
        codec: Codec,
        payload_type: int,
        event_type: int | None,
        now: float,
        others: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """A (re-)offer settled the formats; for a while after it a new SSRC is believed at once.

        `others` are the payload types of further codecs that may come at any time, by name. A batch has one format:
        whoever brings another codec takes what is pending first.
        """
        self._spoken: dict[int, Codec] = {}  # what has been spoken in this agreement, with its memory
        self._speak(codec, payload_type, others)
        self.event_type = event_type
        self.expect(now)

    def _speak(self, codec: Codec, payload_type: int, others: Mapping[int, str]) -> None:
        self._ticks = codec.clock_rate // POSITIONS  # a position
        if self.source is not None and self.codec is not codec:
            self._drop_waiting()
            self._adrift = self.source.rate != codec.clock_rate
            self.source.tick(codec.clock_rate)
        self.codec, self.payload_type, self.others = codec, payload_type, others

    def expect(self, now: float) -> None:
        """For a while another SSRC may take over at once."""
        self._expecting_until = now + EXPECTING

    # -- packets in ----------------------------------------------------------------------------------------------

    def receive(self, packet: RtpPacket, now: float, *, timed: bool = True) -> list[str]:
        """One packet; returns the digits that ended with it. Afterwards see `ready`. Not `timed`: it came about now."""
        source = self.source
        if source is None or packet.ssrc != source.ssrc:
            source = self._new_source(packet, now)
            if source is None:
                return []
        if source.again(packet.sequence, packet.timestamp):
            return self._again(packet, now)
        sequence = source.sequence(packet.sequence)
        if sequence is None:
            return self._restart(packet, now)
        return self._take(packet, source, sequence, now, timed)

    def _again(self, packet: RtpPacket, now: float) -> list[str]:
        """A copy is nothing, while new packets come; where none do, the source has begun anew with old numbers."""
        if now - self._heard_at >= GONE:
            return self._restart(packet, now)
        self.counts.repeated += 1
        return []

    def _take(self, packet: RtpPacket, source: Source, sequence: int, now: float, timed: bool) -> list[str]:
        """A packet of our source that had not come yet."""
        self._heard_at, self._singly = now, SINGLY
        timestamp = source.extended(packet.timestamp)
        length = self.codec.duration(packet.payload) if packet.payload_type == self.payload_type else 0
        if not 0 < length <= LONGEST:
            return self._other(packet, source, sequence, now, timed)
        if timed:
            source.arrived(timestamp, now)
        else:
            source.came()
        source.timestamp = timestamp if timestamp > source.timestamp else source.timestamp
        self._audio(sequence, timestamp // self._ticks, packet.payload, length, now, timed)
        return []

    def receive_run(self, run: Sequence[bytes], first_at: float, now: float) -> int:
        """The usual, in one go: plain packets of our source that follow the last one and are as long. The first of them
        had come by `first_at`, the others by now.

        Returns how many of them were taken, from the first on; for the others `receive` is there. Fifty a second and
        call come by here, so the facts of the stream are looked up once a run, not once a packet.
        """
        source = self.source
        if source is None or self._waiting or self._adrift or self._surplus:
            return 0
        length, step, sequence, timestamp = self.length, self.length * self._ticks, source.highest, source.timestamp
        if timestamp // self._ticks + self._offset + length != self._tail:
            return 0
        payload_type, ssrc, duration, decode = self.payload_type, source.ssrc, self.codec.duration, self.codec.decode
        pieces: list[bytes] = []
        for data in run:
            sequence, timestamp = sequence + 1, timestamp + step
            payload = data[_HEADER:]
            header = _pack(VERSION, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
            if not data.startswith(header) or duration(payload) != length:
                break
            pieces.append(decode(payload))
        if pieces:
            self._in_runs = self._in_runs or not self._singly
            self._singly = max(0, self._singly - len(pieces))
            source.followed(len(pieces), step, first_at)
            self._follow(pieces, length, first_at, now)
        return len(pieces)

    def _follow(self, pieces: list[bytes], length: int, first_at: float, now: float) -> None:
        """Audio without a gap, in pieces of one length."""
        self._first_at, self._heard_at = self._first_at or first_at, now
        size, opened = len(pieces) * length, self.opened
        skew = min((first_at - opened) * POSITIONS - length, (now - opened) * POSITIONS - size) - self._tail
        if skew < self._quickest:
            self._quickest = round(skew)
        self._out += pieces
        self._size += size
        self._tail, self._late_in_a_row = self._tail + size, 0
        assert self.source is not None  # theirs
        self._joined = max(self._joined, self.source.highest)
        self._watched += len(pieces)
        if self._watched >= WATCH:
            self._watch_run_over()

    def _watch_run_over(self) -> None:
        """The times of a run are the latest that can be: nobody is moved back for them, but asked packet by packet."""
        if self._in_runs and self._quickest > DRIFT:
            self._singly = SINGLY
            self._watch_anew()
        else:
            self._watch_over()

    def _other(self, packet: RtpPacket, source: Source, sequence: int, now: float, timed: bool) -> list[str]:
        """Another codec agreed on, digits, comfort noise (payload type 13), or something nobody agreed on."""
        if packet.payload_type in self.others:
            return self._take_up(packet, source, sequence, now, timed)
        source.received += 1
        if sequence == self._joined + 1:
            self._joined = sequence
        if packet.payload_type == self.event_type:
            return self.events.receive(packet.payload, packet.timestamp, packet.marker, now)
        self.counts.unknown += packet.payload_type != 13
        return []

    def _take_up(self, packet: RtpPacket, source: Source, sequence: int, now: float, timed: bool) -> list[str]:
        """They speak another codec from here on, without a word of signalling; a batch still has one format."""
        old, self._spoken[self.payload_type] = self.codec, self.codec
        codec = self._spoken.get(packet.payload_type) or make_codec(self.others[packet.payload_type])
        others = {number: name for number, name in self.others.items() if number != packet.payload_type}
        self._out = [convert(b"".join(self._out), old.format, codec.format)]
        self._speak(codec, packet.payload_type, {**others, self.payload_type: old.name})
        return self._take(packet, source, sequence, now, timed)

    def _new_source(self, packet: RtpPacket, now: float) -> Source | None:
        """Another SSRC (RFC 3550 section 8.2, and what a spoofer would send)."""
        if self.source is not None and now >= self._expecting_until:
            if now - self._heard_at < ACTIVE:
                self.counts.foreign += 1
                return None
            self._next_count = self._next_count + 1 if packet.ssrc == self._next_ssrc else 1
            self._next_ssrc = packet.ssrc
            if self._next_count < NEW_SOURCE:
                self.counts.foreign += 1
                return None
        return self._begin(packet, now)

    def _begin(self, packet: RtpPacket, now: float) -> Source:
        if self.source is not None:
            self._retire(self.source)
            self._drop_waiting()
        self.source = Source(packet.ssrc, packet.sequence, packet.timestamp, self.codec.clock_rate)
        self.counts.sources += 1
        self.events.another_source()
        self._expecting_until, self._next_ssrc, self._next_sequence = now, -1, -1
        self._joined = packet.sequence - 1
        length = self.codec.duration(packet.payload) if packet.payload_type == self.payload_type else 0
        self._anchor(packet.timestamp // self._ticks, length, now)
        return self.source

    def _retire(self, source: Source) -> None:
        self.counts.packets += source.received
        self.counts.lost += source.lost

    def _restart(self, packet: RtpPacket, now: float) -> list[str]:
        """A sequence number far off: believed when the next one follows it (appendix A.1)."""
        expected, self._next_sequence = self._next_sequence, (packet.sequence + 1) & 0xFFFF
        if packet.sequence != expected:
            return []
        self._begin(packet, now)
        return self.receive(packet, now)

    # -- the timeline --------------------------------------------------------------------------------------------

    def position(self, now: float) -> int:
        """The plane's time on the stream's timeline."""
        return round((now - self.opened) * POSITIONS)

    def _anchor(self, stamp: int, length: int, now: float) -> None:
        """Let a packet of this timestamp (in positions) end now, or begin where the audio so far ends."""
        start = self.position(now) - length
        if self._tail < 0:
            self._tail = max(start, 0)  # what was spoken before the stream was opened is cut off
        else:
            start = max(start, self._tail)
        self._offset, self._adrift = start - stamp, False
        self._late_in_a_row = 0
        self._watch_anew()

    def _audio(self, sequence: int, stamp: int, payload: bytes, length: int, now: float, timed: bool) -> None:
        if self._adrift:
            self._anchor(stamp, length, now)
        place = stamp + self._offset
        if timed:
            self._watch(self.position(now) - length - place, length)
        if place == self._tail and not self._waiting:
            audio = self.codec.decode(payload)
            if not self._surplus or not self._left_out(sequence, audio, length):
                self._join(sequence, audio, length, now)
            return
        if place - AHEAD > self.position(now):
            self._anchor(stamp, length, now)
            place = stamp + self._offset
        if place + length <= self._tail:
            self._late(stamp, length, now)
            return
        self._waiting[place] = (sequence, payload, length)
        self._settle_gaps(now)

    def _late(self, stamp: int, length: int, now: float) -> None:
        self.counts.late += 1
        self._late_in_a_row += 1
        if self._late_in_a_row >= LATE_IN_A_ROW:
            self._anchor(stamp, length, now)

    def _watch(self, skew: int, length: int) -> None:
        """Follow the quickest packet of the last second; positions stay within DRIFT of it, and patience beyond it."""
        if skew < self._quickest:
            self._quickest = skew
        if skew + length > self._slowest:
            self._slowest = skew + length
            self._patience.came(self._latest)
        self._watched += 1
        if self._watched >= WATCH:
            self._watch_over()

    @property
    def _latest(self) -> int:
        """How long after it began the latest one watched came, by the quickest one's clock."""
        return self._slowest - min(0, self._quickest)

    def _watch_over(self) -> None:
        self._patience.window_over(self._latest)
        if self._quickest > DRIFT:
            self._offset += self._quickest
        self._surplus = -self._quickest if self._quickest < -DRIFT else 0
        self._surplus_watches = self._surplus_watches + 1 if self._surplus else 0
        self._watch_anew()

    def _watch_anew(self) -> None:
        self._quickest, self._slowest, self._watched, self._in_runs = 1 << 30, -1 << 30, 0, False

    def _left_out(self, sequence: int, audio: bytes, length: int) -> bool:
        """While there is more audio than time: whether this packet is not said, and the next one takes its place."""
        in_time = self._surplus > LITTLE and self._surplus_watches < SURPLUS_WATCHES
        if in_time and dbfs(to_samples(audio, self.codec.format)) > QUIET:
            return False
        self._offset -= length
        self._quickest += length  # what they were measured against has moved
        self._slowest += length
        self._surplus = max(0, self._surplus - length)
        self._joined = max(self._joined, sequence)
        return True

    def _join(self, sequence: int, audio: bytes, length: int, now: float) -> None:
        if not self._first_at:
            self._first_at = now
        self._out.append(audio)
        self._size += length
        self._tail += length
        self.length = length
        if sequence > self._joined:
            self._joined = sequence
        self._late_in_a_row = 0

    def _settle_gaps(self, now: float) -> None:
        """Join what can be; give a gap up when it is no loss, was overtaken too often, or is overdue."""
        while self._waiting:
            place = min(self._waiting)
            sequence, payload, length = self._waiting[place]
            gap = place - self._tail
            overdue = self.position(now) - self._tail > self._patience.hold
            overtaken = len(self._waiting) >= self._patience.overtaking(length)
            if gap > 0 and sequence > self._joined + 1 and not overtaken and not overdue:
                return
            del self._waiting[place]
            self._fill(gap, lost=sequence > self._joined + 1, following=payload)
            heard = max(0, self._tail - place)  # of it, by a packet that lay over it
            if heard < length:
                self._join(sequence, self.codec.decode(payload)[heard * self.codec.width :], length - heard, now)

    def _drop_waiting(self) -> None:
        """An old source is over: what still waited of it is dropped, its positions may be taken by the new one."""
        self.counts.late += len(self._waiting)
        self._waiting.clear()

    def _fill(self, length: int, *, lost: bool, following: bytes | None = None) -> None:
        """Conceal, which turns into silence by and by, or keep silent."""
        if length <= 0:
            return
        self._out.append(self.codec.conceal(length, following if lost else None))
        self._lost += length if lost else 0
        self._size += length
        self._tail += length

    # -- batches out ---------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether a batch is complete."""
        return self._size >= BATCH

    @property
    def together(self) -> int:
        """Packets that are worth receiving in one go: those that a batch lacks, or the next one.

        One by one, for a while, where that was no success, and where they do not come evenly: of what is late, lost or
        bunched each time of arrival is wanted, and nothing should wait for a rest that has come already.
        """
        if self._singly or self.source is None or self.source.jitter_ms > EVEN:
            return 1
        lacking = BATCH - self._size if self._size < BATCH else BATCH
        return min(max(1, -(-lacking // self.length)), RUN)

    @property
    def tail(self) -> int:
        """The position up to which there is audio, heard or filled in; -1 before the first packet."""
        return self._tail

    @property
    def pending(self) -> bool:
        """Whether there is anything for a batch."""
        return self._size > 0

    def overdue(self, now: float) -> bool:
        """Whether there is anything to `settle`; asked once a frame slot or so."""
        late = self._tail >= 0 and (now - self.opened) * POSITIONS - self._tail > self._patience.hold + FRAME
        return late or self.events.pending

    def settle(self, now: float) -> list[str]:
        """Fill what is overdue, end digits whose end was lost."""
        if self._tail < 0:
            return []
        if (now - self.opened) * POSITIONS - self._tail > self._patience.hold + FRAME:
            if self._waiting:
                self._settle_gaps(now)
            self._fill((self.position(now) - self._patience.hold - self._tail) // FRAME * FRAME, lost=False)
        return self.events.expire(now) if self.events.pending else []

    def batch(self, now: float) -> AudioArrived:
        """What has come since the last batch."""
        audio = b"".join(self._out)
        arrived = AudioArrived(
            at=now,
            format=self.codec.format,
            audio=audio,
            position=self._tail - self._size,
            lost_ms=self._lost // 8,
            first_rtp_at=self._first_at,
        )
        self._out = []
        self._size = self._lost = 0
        self._first_at = 0.0
        return arrived

    def totals(self) -> Counts:
        """The counts, the source of now included."""
        source = self.source
        if source is None:
            return attrs.evolve(self.counts)
        packets, lost = self.counts.packets + source.received, self.counts.lost + source.lost
        return attrs.evolve(self.counts, packets=packets, lost=lost)
