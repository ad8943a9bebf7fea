"""The one clock of all media: every 5 ms, read what came; at every second tick, send for half of the streams. Rules:

- No task, await, timer or channel per packet: a tick is one synchronous pass. Sockets of which the rest of a run should
  be there give it; a stream's slots come every 20 ms.
- Like goes with like: all are fetched, then read, then told, then converted, because a step that follows its own kind
  finds its code and its data where it needs them. What can wait a tick or two (a run of packets, `departures`) is done
  for several at a time.
- What models have said is read before anything is sent (`lanes`): it may leave at once.
- A clock that is more than LATE behind skips whole frames for everybody; RTP timestamps follow the frame number, so
  they move on by themselves. A smaller delay is caught up tick by tick.
- It sleeps while no stream is open. All times are trio.current_time().
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import attrs
import trio

from callactors.audio.convert import Together
from callactors.net.departures import SLOT, Departures
from callactors.net.kernel_timer import SleepUntil
from callactors.net.lane_clock import LaneClock
from callactors.net.media_counts import PlaneStatistics, StreamCounts
from callactors.net.media_socket import Ports
from callactors.net.media_stream import MediaStream
from callactors.net.ready_sockets import ReadySockets
from callactors.rtp.events import MediaEvent
from callactors.sip.address import Address

__all__ = ["MediaPlane", "MediaStream", "PlaneStatistics"]

TICK = 0.005  # seconds
TICK_LENGTH = 40  # positions
FRAME_TIME = TICK * SLOT
PHASES = range(0, SLOT, 2)  # every second tick: who sends then finds more who do the same
MISSED = 20  # ticks
LATE = 0.040  # seconds
BEHIND = 31  # times one stream is read at once when more came than was waited for
COUNTS = tuple(attrs.fields_dict(StreamCounts))


class MediaPlane:
    """All RTP of a process. `first_rtp` and `rtp_silence`: seconds without RTP after which a stream WentSilent.

    `other` is an address of the family (IPv4, IPv6) that `host` is not of, where there is one.
    """

    def __init__(
        self,
        host: str,
        ports: range,
        random: Random,
        *,
        first_rtp: float = 5.0,
        rtp_silence: float = 30.0,
        other: str | None = None,
    ) -> None:
        self.first_rtp, self.rtp_silence = first_rtp, rtp_silence
        self.together = Together()  # what becomes of the batches of one tick
        self.lanes = LaneClock()  # what models say, read in the tick in which it may leave
        self._random = random
        self._ports = [Ports(name, ports, random) for name in (host, other) if name is not None]
        self._ready = ReadySockets()
        self._departures: Departures[MediaStream] = Departures()
        self._awaited: dict[int, list[MediaStream]] = {}  # by the tick in which their runs should have come
        self._heard_at: dict[MediaStream, int] = {}  # ticks, the oldest first: of whose audio some may be missed
        self._before: set[MediaStream] = set()  # those that were read in the tick before
        self._full: list[MediaStream] = []  # those with a batch to tell, once everything of a tick was read
        self._streams: dict[int, MediaStream] = {}  # by the descriptor of their RTP socket
        self._reports: dict[int, MediaStream] = {}  # of their RTCP socket
        self._phases = dict.fromkeys(PHASES, 0)  # how many streams each has
        self._open = self._ticks = self._late_ticks = self._skipped = 0
        self._lag = self._worst_lag = 0.0
        self._counted: Counter[str] = Counter()  # of streams that are closed
        self._epoch, self._index = 0.0, 0
        self._wake = trio.Event()

    async def run(
        self,
        sleep_until: SleepUntil = trio.sleep_until,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keep time until cancelled; every stream is closed then."""
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                self.lanes.start()
                self._epoch, self._index = trio.current_time(), (self._index // SLOT + 1) * SLOT
                self._epoch -= self._index * TICK
                self._departures.skip_to(self._index)
                while self._open:
                    await sleep_until(self._epoch + self._index * TICK)
                    self._tick(trio.current_time())
                self._awaited.clear()
                self._before.clear()
                self.lanes.stop()
                self._wake = trio.Event()
        finally:
            self.lanes.stop()
            for stream in list(self._streams.values()):
                stream.close()
            self._ready.close()

    def open(self, deliver: Callable[[MediaEvent], None], *, ipv6: bool | None = None) -> MediaStream:
        """A stream with a port pair of its own; its facts go to `deliver`, called synchronously from the clock.

        `ipv6` asks for a family; where we have no address of it, it is `host`'s. Raises PortsExhausted.
        """
        ports = next((ports for ports in self._ports if (":" in ports.host) == ipv6), self._ports[0])
        pair = ports.take()
        phase = min(PHASES, key=self._phases.__getitem__)
        stream = MediaStream(
            pair,
            deliver,
            random=self._random,
            now=trio.current_time(),
            patience=(self.first_rtp, self.rtp_silence),
            departures=self._departures,
            phase=phase,
            on_full=lambda stream: self._full.append(stream),
            on_hurry=lambda stream: self._await(stream, 1),
            on_close=self._closed,
        )
        self._phases[phase] += 1
        self._ready.watch(pair.rtp.fileno(), once=True)
        self._ready.watch(pair.rtcp.fileno())
        self._streams[pair.rtp.fileno()] = self._reports[pair.rtcp.fileno()] = stream
        self._open += 1
        self._wake.set()
        return stream

    def listens_at(self, address: Address) -> bool:
        """Whether an open stream of ours has this port, for RTP or RTCP, at the address we are bound to."""
        ports = {stream.address.port for stream in self._streams.values()}
        return any(address.host == own.host for own in self._ports) and address.port & ~1 in ports

    def statistics(self) -> PlaneStatistics:
        return PlaneStatistics(
            self._open,
            sum(len(ports) for ports in self._ports),
            self._ticks,
            self._late_ticks,
            self._skipped,
            self._lag,
            self._worst_lag,
        )

    def counts(self) -> dict[str, int]:
        """StreamCounts of all streams since the start, added up."""
        found = Counter(self._counted)
        for stream in self._streams.values():
            found.update({name: getattr(stream.counts, name) for name in COUNTS})
        return {name: found[name] for name in COUNTS}

    def _tick(self, now: float) -> None:
        self._skip_if_late(now)
        self._read(now)
        if self._index % SLOT in PHASES:
            self.lanes.tick()
            self._speak(now)
        self._index += 1
        self._ticks += 1

    def _speak(self, now: float) -> None:
        """What was made for this slot leaves; who has nothing made makes it."""
        index, departures = self._index, self._departures
        scheduled, frame = self._epoch + index * TICK, index // SLOT
        departures.leave(index)
        due = departures.due(index)
        for stream in due:
            stream.speak(now, scheduled, frame)
        departures.depart()
        for stream in due:
            stream.transmit()
        for stream in due:
            stream.look(now)

    def _read(self, now: float) -> None:
        """What has come: all of it is taken, then read, then batches are told.

        A burst, a flood, or a clock that was late leaves more: who is read once a tick for these hears ever later.
        """
        reading, behind = self._noticed(now)
        reading += [stream for stream in self._awaited.pop(self._index, ()) if not stream.closed]
        for stream in reading:
            stream.fetch()
        for stream in reading:
            self._ready.again(stream.handle)
        for stream in reading:
            if stream.read(now):
                self._heard_at.pop(stream, None)
                self._heard_at[stream] = self._index
        for stream in behind:
            self._catch_up(stream, now)
        self._before = set(reading)
        self._miss(now)
        full, self._full = self._full, []
        self.together.gather()
        self.lanes.gather()
        for stream in full:
            stream.tell_full(now)
        self.together.finish()
        self.lanes.finish()

    def _noticed(self, now: float) -> tuple[list[MediaStream], list[MediaStream]]:
        """Whose sockets have something and are read now; and who of them are behind. For others a run is awaited."""
        reading: list[MediaStream] = []
        behind: list[MediaStream] = []
        for handle in self._ready():
            stream = self._streams.get(handle)
            if stream is None:
                if handle in self._reports:
                    self._reports[handle].read_rtcp(now)
                continue
            wait = stream.noticed(now)
            if stream in self._before:
                behind.append(stream)
                reading.append(stream)
            elif wait:
                self._await(stream, -(-wait // TICK_LENGTH))
            else:
                reading.append(stream)
        return reading, behind

    def _await(self, stream: MediaStream, ticks: int) -> None:
        self._awaited.setdefault(self._index + ticks, []).append(stream)

    def _miss(self, now: float) -> None:
        """Of whom nothing has been heard for a while."""
        while self._heard_at:
            stream, tick = next(iter(self._heard_at.items()))
            if self._index - tick < MISSED:
                return
            del self._heard_at[stream]
            stream.miss(now)

    def _catch_up(self, stream: MediaStream, now: float) -> None:
        for _ in range(BEHIND):
            if not stream.fetch():
                return
            stream.read(now)

    def _skip_if_late(self, now: float) -> None:
        lag = now - (self._epoch + self._index * TICK)
        self._lag = lag
        self._worst_lag = max(self._worst_lag, lag)
        if lag > TICK:
            self._late_ticks += 1
        if lag > LATE:
            self._skip(int(lag / FRAME_TIME), now)

    def _skip(self, frames: int, now: float) -> None:
        for stream in list(self._streams.values()):
            stream.take_back(now)
        self._index += frames * SLOT
        self._skipped += frames
        self._departures.skip_to(self._index)
        self._awaited = {self._index: [stream for streams in self._awaited.values() for stream in streams]}

    def _closed(self, stream: MediaStream) -> None:
        """Called by the stream, once."""
        self._counted.update({name: getattr(stream.counts, name) for name in COUNTS})
        self._phases[stream.phase] -= 1
        rtp, rtcp = stream.pair.rtp.fileno(), stream.pair.rtcp.fileno()
        self._ready.forget(rtp)
        self._ready.forget(rtcp)
        del self._streams[rtp], self._reports[rtcp]
        self._heard_at.pop(stream, None)
        next(ports for ports in self._ports if ports.host == stream.pair.address.host).give_back(stream.pair)
        self._open -= 1
