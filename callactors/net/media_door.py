"""The sockets of one stream, and who is heard and spoken to by them. Rules of this file:

- Who that is is rtp/latch's word; when it has settled the RTP socket is connected, and disconnected for a learn window.
  A connected send that is refused (ICMP) is a count, not an error.
- Where SRTP was agreed on, what is not authentic is malformed: it latches nothing and is heard by nobody.
- Datagrams are fetched, then read: a tick takes those of all streams before it reads the first. Those of a source that
  is settled are left in the kernel until `together` of them should be there: to take three costs little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from callactors.errors import MalformedPacket
from callactors.net import media_socket
from callactors.net.media_counts import StreamCounts
from callactors.net.media_socket import Pair
from callactors.rtp import packet as rtp
from callactors.rtp.latch import Latch, Source, Verdict
from callactors.rtp.srtp import Security, Srtp
from callactors.sdp.offer import Agreement

KEPT = 16  # packets of a source not believed yet
DRAIN = 1_024  # datagrams that may have queued up before connect(); with more, connecting is tried again later
BUFFER = 2_048
WAITING = 16  # datagrams of one run that may wait in the kernel


class Door:
    """One stream's. `run` are datagrams of the latched source that were fetched; the first came by `seen_at` (0.0: who
    knows). `fetched` is one of whoever `source` is, where the socket is not connected; None once it was read.
    """

    __slots__ = (
        "_kept", "_recv", "_transmit", "connected", "counts", "fetched", "latch", "pair", "run", "seen_at", "source",
        "srtp", "together", "wait",
    )  # fmt: skip

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.counts = StreamCounts()
        self.latch: Latch | None = None
        self.srtp: Srtp | None = None
        self.run: list[bytes] = []
        self.seen_at = 0.0
        self.together, self.wait = 1, 0
        self.fetched = b""
        self.source: Source | None = None
        self._recv, self._transmit = pair.rtp.recv, pair.rtp.send
        self.connected = False
        self._kept: list[rtp.RtpPacket] = []

    # -- what was agreed on --------------------------------------------------------------------------------------

    def expect(self, remote: Source, allowed: Callable[[str], bool], now: float) -> Latch:
        """A (re-)offer named this address; for a while others may be believed, as far as they are `allowed`."""
        if self.latch is None:
            self.latch = Latch(remote, allowed, now)
        else:
            self.latch.renew(remote, allowed, now)
            self._disconnect()
        self._kept.clear()
        return self.latch

    def secure(self, security: Security | None, now: float) -> bool:
        """SRTP with these keys, the same ones going on where they were; whether we now send under other ones."""
        if security is None:
            self.srtp = None
            return False
        if self.srtp is None:
            self.srtp = Srtp(security)
            return False
        return self.srtp.agree(security, now)

    def unopened(self) -> list[bytes]:
        """Datagrams that came under keys we did not have yet."""
        return [] if self.srtp is None else self.srtp.unopened()

    # -- in ------------------------------------------------------------------------------------------------------

    def foresee(self, together: int, length: int) -> None:
        """So many packets, each of this length (positions, 1/8000 s), are fetched in one go from now on."""
        self.together, self.wait = together, (together - 1) * length

    def noticed(self, now: float) -> int:
        """The RTP socket has something. Returns the positions after which the rest of a run should be there too."""
        if not self.connected:
            return 0
        self.seen_at = now
        return self.wait

    def fetch_all(self) -> None:
        """Take what is there of the latched source, whether a run is whole or not."""
        together, self.together = self.together, WAITING
        self.fetch()
        self.together = together

    def fetch(self) -> bool:
        """Take what is wanted from the RTP socket, as far as it is there; whether anything is."""
        if self.connected:
            return self._fetch_run()
        try:
            self.fetched, source = self.pair.rtp.recvfrom(BUFFER)
        except OSError as error:
            self._not_received(error)
            return False
        self.source = source[:2]
        return True

    def _fetch_run(self) -> bool:
        recv, run = self._recv, self.run
        for _ in range(self.together):
            try:
                run.append(recv(BUFFER))
            except BlockingIOError:
                break
            except OSError as error:
                self._not_received(error)
        return bool(run)

    def _not_received(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):  # the ICMP answer to something we sent
            self.counts.refused += 1

    def take_run(self, now: float) -> list[bytes]:
        """What was fetched, opened; what is not authentic is left out, and `seen_at` may have been its time."""
        run, self.run = self.run, []
        if self.srtp is None:
            return run
        opened: list[bytes] = []
        for data in run:
            try:
                opened.append(self.srtp.unprotect(data))
            except MalformedPacket:
                self.counts.malformed += 1
                self.seen_at = now
        return opened

    def admit(self, data: bytes, source: Source, agreement: Agreement, now: float) -> list[rtp.RtpPacket]:
        """The packets that may be heard now that this datagram has come: none, it, or what was kept of its source too.

        Only one of a payload type that was agreed on is believed.
        """
        assert self.latch is not None  # there is an agreement
        try:
            packet = rtp.parse(data if self.srtp is None else self.srtp.unprotect(data))
        except MalformedPacket:
            self.counts.malformed += 1
            return []
        match self.latch.judge(source, now) if agreement.names(packet.payload_type) else Verdict.STRANGER:
            case Verdict.HEAR:
                return [packet]
            case Verdict.LATCHED:
                kept = [early for early in self._kept if early.ssrc == packet.ssrc]
                self._kept.clear()
                return [*kept, packet]
            case Verdict.KEEP:
                self._keep(packet)
            case Verdict.STRANGER:
                self.counts.strangers += 1
        return []

    def _keep(self, packet: rtp.RtpPacket) -> None:
        if self._kept and self._kept[-1].ssrc != packet.ssrc:
            self._kept.clear()
        if len(self._kept) < KEPT:
            self._kept.append(packet)

    def fetch_report(self) -> bytes | None:
        """One RTCP datagram of whom we talk to; None for anything else."""
        try:
            data, source = self.pair.rtcp.recvfrom(BUFFER)
        except BlockingIOError:
            return None
        except OSError:
            self.counts.refused += 1
            return None
        if self.latch is None or source[0] != self.latch.target[0]:
            self.counts.strangers += 1
            return None
        try:
            return data if self.srtp is None else self.srtp.unprotect_rtcp(data)
        except MalformedPacket:
            self.counts.malformed += 1
            return None

    # -- out -----------------------------------------------------------------------------------------------------

    @property
    def way_out(self) -> Callable[[bytes], object]:
        """What sends a packet as long as nobody changes the keys or the connection: the socket itself, if it can."""
        return self._transmit if self.connected and self.srtp is None else self.send

    def send(self, data: bytes) -> None:
        """An RTP packet, to whom the latch says."""
        if self.srtp is not None:
            data = self.srtp.protect(data)
        try:
            if self.connected:
                self._transmit(data)
            elif self.latch is not None:
                self.pair.rtp.sendto(data, self.latch.target)
        except OSError as error:
            self.not_sent(error)

    def not_sent(self, error: OSError) -> None:
        """Count what the system did not take."""
        if isinstance(error, BlockingIOError):
            self.counts.unsent += 1
        else:
            self.counts.refused += 1

    def send_report(self, data: bytes, signalled: Source) -> None:
        """RTCP, to where it was signalled, or beside the source that was latched elsewhere."""
        latch = self.latch
        if latch is None:
            return
        if self.srtp is not None:
            data = self.srtp.protect_rtcp(data)
        moved = latch.target != latch.signalled
        try:
            self.pair.rtcp.sendto(data, (latch.target[0], latch.target[1] + 1) if moved else signalled)
        except OSError:
            self.counts.refused += 1

    # -- now and then --------------------------------------------------------------------------------------------

    def settle(self, now: float) -> Iterator[tuple[bytes, Source]]:
        """Connect to whom the latch has settled on; or hear everybody, while it learns.

        What had queued up before connect() may be of any source: it is given out, to be judged.
        """
        latch = self.latch
        if latch is None or latch.latched is None:
            return
        if latch.learning(now):
            self._disconnect()
        elif not self.connected and media_socket.connect(self.pair.rtp, latch.latched):
            self.connected = True
            yield from self._queued()

    def _queued(self) -> Iterator[tuple[bytes, Source]]:
        for _ in range(DRAIN):
            try:
                data, source = self.pair.rtp.recvfrom(BUFFER)
            except OSError:
                return
            yield data, source[:2]
        self._disconnect()

    def _disconnect(self) -> None:
        if self.connected:
            media_socket.disconnect(self.pair.rtp)
            self.connected = False
