"""One stream of the media plane: what comes by its door, what leaves by it. Rules of this file:

- Everything is called synchronously: `noticed`, `fetch`, `read` ... `look` by the plane's clock, the verbs by its leg.
- Who is heard and spoken to is media_door's to know, and what of play-out has left media_spoken's.
- Once started packets leave all the time: speech, digits, or silence (carriers time out otherwise), unless on hold.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import trio

from callactors.audio.codec import POSITIONS, Codec
from callactors.audio.codecs import make_codec
from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.errors import MalformedPacket
from callactors.net.departures import Departures
from callactors.net.media_ahead import Ahead
from callactors.net.media_door import Door
from callactors.net.media_fill import Fill
from callactors.net.media_reports import Reports
from callactors.net.media_socket import Pair, reachable
from callactors.net.media_spoken import Spoken
from callactors.rtp import packet as rtp
from callactors.rtp.events import DigitArrived, MediaEvent
from callactors.rtp.keying import Keying
from callactors.rtp.latch import Source
from callactors.rtp.playout import FRAME, Playout
from callactors.rtp.quality import Quality, quality
from callactors.rtp.receiver import Receiver
from callactors.rtp.relay import Relay
from callactors.rtp.sender import Sender
from callactors.rtp.silence import SilenceWatch
from callactors.rtp.telephone_event import EventPacket
from callactors.rtp.utterances import Heard
from callactors.sdp.offer import Agreement

SWEEP = 0.25  # seconds between looks at silence, latch and reports


class MediaStream:
    """RTP and RTCP of one leg. Made by MediaPlane.open; `play` and the events carry the format of the agreed codec.

    `fill` is what leaves while nothing is said; it is not told as AudioSent.
    """

    __slots__ = (
        "_agreement", "_ahead", "_codec", "_collided", "_deliver", "_door", "_frame", "_keying", "_missed", "_on_close",
        "_on_full", "_on_hurry", "_outgoing", "_place", "_playout", "_quality", "_random", "_receiver", "_receives",
        "_relay_to", "_relayed", "_reports", "_sender", "_sends", "_silence", "_spoken", "_sweep_at", "address",
        "counts", "fetch", "fill", "handle", "not_sent", "noticed", "opened", "pair", "phase",
    )  # fmt: skip

    def __init__(
        self,
        pair: Pair,
        deliver: Callable[[MediaEvent], None],
        *,
        random: Random,
        now: float,
        patience: tuple[float, float],
        departures: Departures[MediaStream],
        phase: int,
        on_full: Callable[[MediaStream], None],
        on_hurry: Callable[[MediaStream], None],
        on_close: Callable[[MediaStream], None],
    ) -> None:
        self.pair, self.address = pair, pair.address
        self._door = Door(pair)
        self.handle = pair.rtp.fileno()
        self.noticed, self.fetch, self.not_sent = self._door.noticed, self._door.fetch, self._door.not_sent
        self.counts = self._door.counts
        self.opened = now
        self._deliver, self._random = deliver, random
        self._on_full, self._on_hurry, self._on_close = on_full, on_hurry, on_close
        self._silence = SilenceWatch(*patience, now)
        self._playout = Playout()
        self._reports = Reports(random)
        self._agreement: Agreement | None = None
        self._receiver: Receiver | None = None
        self._sends = self._receives = self._collided = False
        self._codec: Codec | None = None
        self._sender = Sender(random)
        self._frame = 0
        self.fill = Fill()
        self._keying = Keying()
        self._relay_to: MediaStream | None = None
        self._relayed: Relay | None = None
        self._spoken = Spoken(deliver)
        self._ahead = Ahead(self._playout, self.fill, self._sender)
        self.phase, self._place = phase, departures.join(self, phase)
        self._missed = True  # no audio comes just now: `look` is wanted in every slot
        self._outgoing: list[bytes] = []  # datagrams of this slot
        self._sweep_at = now
        self._quality: tuple[Quality, Quality] | None = None

    # -- the leg's verbs -----------------------------------------------------------------------------------------

    def start(self, agreement: Agreement, *, allowed: Callable[[str], bool]) -> None:
        """Send and hear as agreed; again on every re-offer. `allowed(host)`: may a source we were not told of speak?"""
        if self._quality is not None:
            return
        now = trio.current_time()
        self._read_all(now)
        self.take_back(now)
        remote = (agreement.remote.host, agreement.remote.port)
        codec, others = self._codec_for(agreement), dict(agreement.others)
        heard = agreement.payload_type, agreement.telephone_event
        latch = self._door.expect(remote, allowed, now)
        if self._receiver is None:
            self._receiver = Receiver(codec, *heard, self.opened, others)
            self._sweep_at = now + SWEEP
            self._reports.begin(now)
            self._playout.recode(bytes, codec.format)
        else:
            self._change_codec(self._receiver, codec, now)
            self._receiver.agree(codec, *heard, now, others)
        if self._door.secure(agreement.security, now):
            self._sender.rekeyed()
        self._agreement, self._codec = agreement, codec
        self._sends = agreement.direction in ("sendrecv", "sendonly") and reachable(remote)
        self._receives = agreement.direction in ("sendrecv", "recvonly")
        self._missed = self._receives
        self._silence.restart(now)
        self._reports.rate = codec.clock_rate
        self.fill.speak(codec.format)
        sent, event = agreement.remote_payload_type, agreement.remote_telephone_event
        self._sender.agree(codec, sent, event, agreement.ptime, agreement.event_clock)
        self._keying.speak(codec.format if event is None else None)
        for data in self._door.unopened():
            self._received(data, latch.target, now)

    def _codec_for(self, agreement: Agreement) -> Codec:
        """The one that is spoken, where it stays the same: it remembers what it heard."""
        old = self._agreement
        same = old is not None and (old.codec, old.parameters) == (agreement.codec, agreement.parameters)
        return self._codec if same and self._codec is not None else make_codec(agreement.codec, agreement.parameters)

    @property
    def closed(self) -> bool:
        return self._quality is not None

    @property
    def started(self) -> bool:
        """Whether anything has been agreed on yet."""
        return self._agreement is not None

    def fill_with(self, sound: Samples | None) -> None:
        """What leaves while nothing is said: this over and over (see Fill.play), or silence."""
        self.take_back(trio.current_time())
        self.fill.play(sound)

    def play(self, utterance: str, audio: bytes) -> None:
        """Queue audio; never blocks. Raises PlayoutFull past 90 s."""
        if not self._ahead.audio:
            self.take_back(trio.current_time())  # silence, made before this was known
        self._playout.play(utterance, audio)

    def end(self, utterance: str) -> None:
        """No more audio of this utterance comes: UtteranceHeard follows its last frame."""
        self._playout.end(utterance)
        if self._playout.notices:
            self.take_back(trio.current_time())  # it had been heard already: have the next slot tell so

    def flush(self) -> Heard:
        """Barge-in: drop what is queued, say what was heard. Later audio of these utterances is ignored."""
        self.take_back(trio.current_time())
        self._spoken.forget()
        return self._playout.flush()

    def heard(self) -> Heard:
        """The utterance sounding now and how much of it has left."""
        self.take_back(trio.current_time())
        return self._playout.heard()

    def queued_ms(self) -> int:
        """Milliseconds queued to play."""
        self.take_back(trio.current_time())
        return self._playout.queued_ms()

    def relay_to(self, other: MediaStream | None) -> None:
        """From now on `other` says what this one hears, packet by packet; None ends that. What is played goes first."""
        self._read_all(trio.current_time())
        if other is not self._relay_to:
            self._relays_no_more()
        self._relay_to = other
        self._door.foresee(1, 0)
        self._on_hurry(self)

    def _relays_no_more(self) -> None:
        former, self._relay_to = self._relay_to, None
        if former is not None:
            former._relayed = None

    def send_digits(self, digits: str) -> None:
        """Queue digits: telephone events where agreed, tones otherwise; speech waits. Raises ValueError for others."""
        self.take_back(trio.current_time())
        self._keying.press(digits)

    def pause_watch(self, paused: bool) -> None:
        """While paused (hold, REFER) silence of the far end is no fact; afterwards its time starts anew."""
        self._silence.pause(paused, trio.current_time())

    def close(self) -> tuple[Quality, Quality]:
        """Say BYE, tell what was in hand, free the ports; the quality of both directions (in, out). Idempotent."""
        if self._quality is not None:
            return self._quality
        now = trio.current_time()
        self._read_all(now)
        self.take_back(now)
        self._quality = (self._quality_in(), self._reports.quality_out(self._sender.sent))
        if self._codec is not None:
            self._spoken.tell(self._codec.format, now)
            self._notice(self._codec.format, now)
        if self._receiver is not None:
            if self._receiver.pending:
                self._tell_batch(self._receiver, now)
            self._send_report(now, leaving=True)
        self._relays_no_more()
        self._place.close()
        self._on_close(self)
        self._deliver = self._spoken.deliver = _to_nobody  # who was told holds us, and would not be freed
        return self._quality

    # -- packets in ----------------------------------------------------------------------------------------------

    def read(self, now: float) -> bool:
        """What `fetch` has taken; nothing, where another stream's fact has closed this one since.

        Returns whether there is more audio of the far end now.
        """
        receiver = self._receiver
        before = -1 if receiver is None else receiver.tail
        source, self._door.source = self._door.source, None
        if self._quality is not None:
            return False
        if source is None:
            self._read_run(now)
        else:
            self._received(self._door.fetched, source, now)
        heard = receiver is not None and receiver.tail != before and self._quality is None
        self._missed = self._missed and not heard
        return heard

    def _read_run(self, now: float) -> None:
        """What came on a connected socket: it is the latched source's."""
        door, receiver = self._door, self._receiver
        run = door.take_run(now) if door.run else ()
        seen_at, door.seen_at = door.seen_at or now, 0.0
        if not run:
            return
        taken, lasts = 0, FRAME if receiver is None else receiver.length
        if receiver is not None and self._receives and self._relay_to is None:
            taken = receiver.receive_run(run, seen_at, now)
            if taken:
                self._silence.heard_at = now
                if door.latch is not None:
                    door.latch.heard_at = now
        for index in range(taken, len(run)):  # something is missing, late, or of another kind
            at = min(now, seen_at + index * lasts / POSITIONS)
            self._hear_known(run[index], at, timed=index == 0)
        if receiver is not None:
            door.foresee(receiver.together, receiver.length)
            if receiver.ready:
                self._on_full(self)

    def _read_all(self, now: float) -> None:
        """What has come and waits for the rest of its run."""
        if self._door.connected:
            self._door.fetch_all()
            self._read_run(now)

    def _hear_known(self, data: bytes, now: float, *, timed: bool) -> None:
        try:
            packet = rtp.parse(data)
        except MalformedPacket:
            self.counts.malformed += 1
            return
        if self._door.latch is not None:
            self._door.latch.heard_at = now
        self._hear(packet, now, timed=timed)

    def tell_full(self, now: float) -> None:
        """The batch that was ready when `on_full` was called, after what else came in this tick was read."""
        if self._receiver is not None and self._receiver.ready and self._quality is None:
            self._tell_batch(self._receiver, now)

    def _received(self, data: bytes, source: Source, now: float) -> None:
        latch, agreement = self._door.latch, self._agreement
        if latch is None or agreement is None:
            self.counts.early += 1
            return
        believed = latch.latched
        for packet in self._door.admit(data, source, agreement, now):
            self._hear(packet, now)
        if latch.latched != believed:
            self._settle(now)

    def _settle(self, now: float) -> None:
        connected = self._door.connected
        for data, source in self._door.settle(now):
            self._received(data, source, now)
        if self._door.connected is not connected:
            self.take_back(now)  # what was made would leave the way that was

    def _hear(self, packet: rtp.RtpPacket, now: float, *, timed: bool = True) -> None:
        receiver = self._receiver
        if receiver is None or not self._receives:
            return
        self._silence.heard_at = now
        digits = receiver.receive(packet, now, timed=timed)
        if packet.ssrc == self._sender.ssrc and not self._collided:
            self._collision(receiver, now)
        if self._relay_to is not None and packet.payload_type == receiver.payload_type:
            self._relay_to._say_for(packet, receiver.codec)
        if digits:
            self._tell_digits(digits, now)
        if receiver.ready:
            self._tell_batch(receiver, now)

    def _say_for(self, packet: rtp.RtpPacket, theirs: Codec) -> None:
        """What the stream bridged to this one has just heard."""
        if self._codec is None or self._quality is not None:
            return
        if self._relayed is None:
            self.take_back(trio.current_time())
            self._relayed = Relay(self._codec)
        self._relayed.put(packet, theirs)

    def _collision(self, receiver: Receiver, now: float) -> None:
        """RFC 3550 section 8.2: take another SSRC, once; after that it is our own packets looped back."""
        self._collided = True
        self.take_back(now)
        self._sender.renumber()
        receiver.expect(now)

    def _tell_batch(self, receiver: Receiver, now: float) -> None:
        batch = receiver.batch(now)
        self._reports.one_way.heard(batch.audio, now)
        self._deliver(batch)

    def _tell_digits(self, digits: list[str], now: float) -> None:
        for digit in digits:
            self._deliver(DigitArrived(at=now, digit=digit))

    def read_rtcp(self, now: float) -> None:
        """One RTCP datagram."""
        data = self._door.fetch_report()
        if data is None:
            return
        try:
            self._reports.receive(data, self._sender, now)
        except MalformedPacket:
            self.counts.malformed += 1

    # -- packets out ---------------------------------------------------------------------------------------------

    def speak(self, now: float, scheduled: float, frame: int) -> None:
        """Its packets are made: for some slots, which take their place among the departures, or for this one, which
        `transmit` sends; then `look` what is overdue.

        Each for all streams of a slot before the next: small steps that take turns throw each other out of the cache.
        """
        self.take_back(now)
        if not self._sends or self._codec is None or self._quality is not None:
            return
        if frame != self._frame + 1:
            self._sender.gap()
            self._spoken.tell(self._codec.format, now)
        self._frame = frame
        self._say(self._codec.format, now, scheduled, frame * FRAME)

    def look(self, now: float) -> None:
        """After a packet has left that `speak` has made."""
        if self._codec is None or self._quality is not None:
            return
        if self._playout.notices:
            self._notice(self._codec.format, now)
        receiver = self._receiver
        if receiver is not None and receiver.overdue(now):
            self._read_all(now)
            if digits := receiver.settle(now):
                self._tell_digits(digits, now)
            if receiver.ready:
                self._tell_batch(receiver, now)
        if now >= self._sweep_at:
            self._sweep(now)

    def _notice(self, format: AudioFormat, now: float) -> None:
        notices, self._playout.notices = self._playout.notices, []
        self._spoken.notice(notices, format, now)

    def _say(self, format: AudioFormat, now: float, scheduled: float, at: int) -> None:
        relayed = self._relayed.take() if self._relayed is not None else None
        if self._keying.slots:
            self._outgoing += self._digit_slot(self._keying.take(), at)
            self._spoken.tell(format, now)
            return
        position = max(0, round((scheduled - self.opened) * POSITIONS))
        if not self._missed and self._relayed is None and self._ahead.make(at, position):
            self._place.fly(self._door.way_out, self._ahead.datagrams)
            self._frame += len(self._ahead.datagrams) - 1
            self._spoken.tell(format, now)
            return
        audio = self._playout.take()
        audio = relayed if audio is None else audio
        frame = self.fill.take() if audio is None else audio
        if self._sender.whole:
            if data := self._sender.one(frame, at):
                self._outgoing.append(data)
        else:
            self._outgoing += self._sender.audio(frame, at)
        if audio is None:
            self._spoken.tell(format, now)
        else:
            self._spoken.add(audio, position, format, now)

    def miss(self, now: float) -> None:
        """No audio has come for longer than a batch takes."""
        if self._receives:
            self._missed = True
            self.take_back(now)

    def take_back(self, now: float) -> None:
        """Packets made for slots to come, if there are any, do not leave; what has left is told."""
        if self._codec is None or not self._ahead.datagrams:
            return
        unsent = self._place.take_back()
        self._frame -= unsent
        left = self._ahead.take_back(unsent)
        self._spoken.tell_run(left, self._ahead.position, self._codec.format, now)

    def _digit_slot(self, slot: EventPacket | bytes | None, at: int) -> list[bytes]:
        if isinstance(slot, EventPacket):
            return self._sender.event(slot, at)
        return self._sender.audio(slot if slot is not None else self.fill.take(), at)

    def transmit(self) -> None:
        """Send what `speak` has made."""
        datagrams, self._outgoing = self._outgoing, []
        for data in datagrams:
            self._door.send(data)

    # -- now and then --------------------------------------------------------------------------------------------

    def _sweep(self, now: float) -> None:
        self._sweep_at = max(now, self._sweep_at + SWEEP)
        self._settle(now)
        if self._door.srtp is not None:
            self._door.srtp.expire(now)
        told = self._silence.look(
            now,
            receives=self._receives,
            reported_at=self._reports.heard_at,
            malformed=self.counts.malformed,
            strangers=self.counts.strangers,
        )
        if told is not None:
            self._deliver(told)
        if self._reports.due(now):
            self._send_report(now)
        for news in self._reports.one_way.news():
            self._deliver(news)

    def _send_report(self, now: float, *, leaving: bool = False) -> None:
        agreement, latch = self._agreement, self._door.latch
        if agreement is None or latch is None or self._receiver is None or not reachable(latch.target):
            return
        self.take_back(now)  # it is no packet sent before it has left
        sender = self._sender
        timestamp = sender.timestamp(round((now - self.opened) * POSITIONS))
        data = self._reports.write(sender, timestamp, self._receiver.source, now, leaving=leaving)
        self._door.send_report(data, (agreement.remote_rtcp.host, agreement.remote_rtcp.port))

    def _change_codec(self, receiver: Receiver, codec: Codec, now: float) -> None:
        """What was heard and said until now is told in the format it has; what is still queued is said in the new."""
        old = self._codec
        if old is None or old is codec:
            return
        if receiver.pending:
            self._tell_batch(receiver, now)
        self._spoken.tell(old.format, now)
        self._relayed = None
        self._playout.recode(Converter(old.format, codec.format).feed, codec.format)

    def _quality_in(self) -> Quality:
        if self._receiver is None:
            return quality("in", 0, 0, 0, 0.0, self._reports.delay_ms)
        counts, source = self._receiver.totals(), self._receiver.source
        jitter = source.jitter_ms if source is not None else 0.0
        return quality("in", counts.packets, counts.lost, counts.late, jitter, self._reports.delay_ms)


def _to_nobody(event: MediaEvent) -> None:
    """It is closed."""
