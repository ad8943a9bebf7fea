"""One RTP line of a test phone: speaks at real pace, and keeps every packet it sent and heard with its time.

- It shares packet layout, telephone events, SRTP and codecs with the product, and nothing else: no latch, no playout,
  no receiver, so that what it measures does not come from what is measured.
- 50 packets a second once agreed on, silence between words; none on hold. It sends to the agreed address only.
"""

from __future__ import annotations

from collections import deque
from random import Random

import attrs
import numpy as np
import trio

from callactors.audio.codec import POSITIONS
from callactors.audio.codecs import make_codec
from callactors.audio.convert import Converter, convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.linear import to_samples
from callactors.errors import MalformedPacket
from callactors.net.udp import UdpSocket
from callactors.rtp.packet import RtpPacket, parse
from callactors.rtp.srtp import Srtp
from callactors.rtp.telephone_event import EventPacket, EventReceiver, event_packets
from callactors.sdp.offer import Agreement
from callactors.sip.address import Address, Hop
from callactors.testing import ears

FRAME = 160  # samples, 20 ms
FRAME_TIME = 0.020


@attrs.frozen
class HeardPacket:
    """One packet as it came, and when (trio.current_time at receipt)."""

    at: float
    source: Address
    packet: RtpPacket
    loud: bool


@attrs.define(eq=False)
class Saying:
    """Something being said. `last_sample_at` is when the packet with its last loud sample left."""

    frames: deque[bytes]
    last_loud: int  # the frame that holds the last loud sample
    began_at: float | None = None
    last_sample_at: float | None = None
    spoken: trio.Event = attrs.field(factory=trio.Event)  # the last loud sample has left, or never will
    _sent: int = 0

    def take(self, now: float) -> bytes:
        """The next frame, sent now."""
        self.began_at = now if self.began_at is None else self.began_at
        if self._sent == self.last_loud:
            self.last_sample_at = now
            self.spoken.set()
        self._sent += 1
        return self.frames.popleft()


class RtpLine:
    """A UDP socket for media at `host`. `run` it, then `agree`."""

    def __init__(self, host: str, random: Random) -> None:
        self._host, self._random = host, random
        self._socket = UdpSocket(host, 0)
        self._former: UdpSocket | None = None
        self.agreement: Agreement | None = None
        self._codec, self._parameters = make_codec("pcmu"), ""
        self.refused = 0  # packets that were not authentic SRTP, or no RTP
        self._srtp: Srtp | None = None
        self.heard: list[HeardPacket] = []
        self.digits: list[str] = []
        self.sent = 0
        self._saying: deque[Saying] = deque()
        self._keys: deque[EventPacket | None] = deque()
        self._events = EventReceiver()
        self._sequence, self._timestamp = random.getrandbits(15), random.getrandbits(31)
        self._ssrc = random.getrandbits(32)
        self._moved = trio.Event()
        self._loud = trio.Event()
        self.closed = False
        self.mute = False  # sends nothing while it is
        self.drift = 0.0  # how much slower its clock runs than everybody's: 100e-6 is 100 ppm

    @property
    def address(self) -> Address:
        """Where it wants its media."""
        return self._socket.address

    @property
    def format(self) -> AudioFormat:
        """The format of what it speaks."""
        return self._codec.format

    @property
    def codec(self) -> str:
        return self._codec.name

    @property
    def _ticks(self) -> int:
        """Of the RTP clock, in a sample of 8 kHz."""
        return self._codec.clock_rate // POSITIONS

    def agree(self, agreement: Agreement) -> None:
        """Speak and listen as agreed from now on; new SRTP keys forget the old ones, as in most phones."""
        if self.agreement is None or agreement.security != self.agreement.security:
            self._srtp = None if agreement.security is None else Srtp(agreement.security)
        if (agreement.codec, agreement.parameters) != (self._codec.name, self._parameters):
            self._codec, self._parameters = make_codec(agreement.codec, agreement.parameters), agreement.parameters
        self.agreement = agreement

    def move(self) -> None:
        """Go on from another port, as carriers do in the middle of a call, without a word of signalling."""
        self._former, self._socket = self._socket, UdpSocket(self._host, 0)
        self._moved.set()

    # -- speaking ------------------------------------------------------------------------------------------------

    def say(self, samples: Samples) -> Saying:
        """Queue linear speech (int16, 8 kHz)."""
        audio = convert(samples.astype("<i2").tobytes(), AudioFormat.PCM16_8K, self.format)
        size = FRAME * self._codec.width
        audio += self.format.silence * (-len(audio) % size)
        frames = deque(audio[at : at + size] for at in range(0, len(audio), size))
        saying = Saying(frames, max(0, (ears.last_loud(samples) - 1) // FRAME))
        if self.closed or not frames:
            saying.spoken.set()
        else:
            self._saying.append(saying)
        return saying

    def press(self, digits: str) -> None:
        """Queue digits as telephone events (RFC 4733). Raises ValueError for what is no key."""
        for digit in digits:
            self._keys.extend(event_packets(digit))

    # -- listening -----------------------------------------------------------------------------------------------

    def first_loud(self, since: float) -> float | None:
        """When the first packet with speech came at or after `since`."""
        return next((heard.at for heard in self.heard if heard.loud and heard.at >= since), None)

    async def wait_loud(self, since: float) -> float | None:
        """When the first packet with speech came at or after `since`; None once the line is closed."""
        while (at := self.first_loud(since)) is None and not self.closed:
            self._loud = trio.Event()
            await self._loud.wait()
        return at

    def last_loud(self) -> float | None:
        """When the latest packet with speech came."""
        return next((heard.at for heard in reversed(self.heard) if heard.loud), None)

    def samples(self, since: float = 0.0) -> Samples:
        """What was heard since then at 8 kHz, decoded in the order it came, laid out by RTP timestamps."""
        packets = [heard.packet for heard in self.heard if heard.at >= since and self.is_audio(heard.packet)]
        if not packets:
            return np.zeros(0, np.int16)
        origin, ssrc = packets[0].timestamp, packets[0].ssrc
        places = [((packet.timestamp - origin) & 0xFFFFFFFF) // self._ticks for packet in packets]
        size = max((at for at in places if at < (1 << 31) // self._ticks), default=0) + FRAME * 6
        sound = np.zeros(size, np.int16)
        codec, converter = make_codec(self._codec.name), Converter(self.format, AudioFormat.PCM16_8K)
        for at, packet in zip(places, packets, strict=True):
            pcm = np.frombuffer(converter.feed(codec.decode(packet.payload)), np.int16)
            if packet.ssrc == ssrc and at + len(pcm) <= size:
                sound[at : at + len(pcm)] = pcm
        return sound

    def _decoded(self, payload: bytes) -> Samples:
        audio = self._codec.decode(payload)
        return to_samples(audio, self.format)

    def is_audio(self, packet: RtpPacket) -> bool:
        """Of the payload type agreed on."""
        return self.agreement is not None and packet.payload_type == self.agreement.payload_type

    # -- the tasks -----------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Speak and listen until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                nursery.start_soon(self._speak)
                task_status.started()
        finally:
            self._close()

    def _close(self) -> None:
        """Nobody waits for a line that is gone."""
        self.closed = True
        self._loud.set()
        for saying in self._saying:
            saying.spoken.set()
        for socket in (self._socket, self._former):
            if socket is not None:
                socket.close()

    async def _listen(self) -> None:
        while True:
            self._moved = trio.Event()
            async with trio.open_nursery() as listening:
                for socket in (self._socket, self._former):
                    if socket is not None:
                        listening.start_soon(self._listen_at, socket)
                await self._moved.wait()
                listening.cancel_scope.cancel()

    async def _listen_at(self, socket: UdpSocket) -> None:
        while True:
            for data, source in await socket.receive():
                self._hear(data, source.address, trio.current_time())

    def _hear(self, data: bytes, source: Address, now: float) -> None:
        try:
            packet = parse(data if self._srtp is None else self._srtp.unprotect(data))
        except MalformedPacket:
            self.refused += 1
            return
        if self.agreement is not None and packet.payload_type == self.agreement.telephone_event:
            self.digits += self._events.receive(packet.payload, packet.timestamp, packet.marker, now)
            return
        speech = self.is_audio(packet) and ears.loud(self._decoded(packet.payload))
        self.heard.append(HeardPacket(now, source, packet, speech))
        if speech:
            self._loud.set()

    async def _speak(self) -> None:
        due = trio.current_time()
        while True:
            due += FRAME_TIME * (1 + self.drift)
            await trio.sleep_until(due)
            self._timestamp = (self._timestamp + FRAME * self._ticks) & 0xFFFFFFFF
            if self.agreement is not None and self.agreement.sends and not self.mute:
                self._send_frame(self.agreement, trio.current_time())

    def _send_frame(self, agreement: Agreement, now: float) -> None:
        key = self._keys.popleft() if self._keys else None
        event = agreement.remote_telephone_event
        if key is not None and event is not None:
            timestamp = (self._timestamp - key.offset * self._ticks) & 0xFFFFFFFF
            payload = key.scaled(agreement.event_clock // POSITIONS)
            self._send(agreement, RtpPacket(event, self._sequence, timestamp, self._ssrc, payload, key.marker))
            return
        payload = self._codec.encode(self._next_frame(now))
        if payload:  # nothing need be sent in a pause to who asked for that
            packet = RtpPacket(agreement.remote_payload_type, self._sequence, self._timestamp, self._ssrc, payload)
            self._send(agreement, packet)

    def _next_frame(self, now: float) -> bytes:
        if not self._saying:
            return self.format.silence * (FRAME * self._codec.width)
        saying = self._saying[0]
        frame = saying.take(now)
        if not saying.frames:
            self._saying.popleft()
        return frame

    def _send(self, agreement: Agreement, packet: RtpPacket) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.sent += 1
        data = packet.to_bytes()
        self._socket.send(data if self._srtp is None else self._srtp.protect(data), Hop(*agreement.remote))
