"""One synchronization source: sequence numbers, loss and jitter (RFC 3550 sections 6.4.1, A.1, A.3, A.8)."""

from __future__ import annotations

MAX_DROPOUT = 3_000  # packets; a larger step forward is a restart
MAX_MISORDER = 100
FEW = 8  # packets before the first one that may come behind it
_SEQ, _TS = 1 << 16, 1 << 32


class Source:
    """Counts the packets of one SSRC. Times are seconds; jitter is kept in ticks, `rate` a second."""

    __slots__ = (
        "_base", "_missing", "_told", "_transit", "first", "highest", "jitter", "rate", "received", "ssrc", "timestamp",
    )  # fmt: skip

    def __init__(self, ssrc: int, sequence: int, timestamp: int, rate: int = 8_000) -> None:
        self.ssrc, self.rate = ssrc, rate
        self.first = self.highest = sequence
        self.timestamp = self._base = timestamp
        self.received = 0
        self.jitter = 0.0
        self._transit: float | None = None
        self._missing = set(range(sequence - FEW, sequence))  # not come yet, of the last MAX_MISORDER
        self._told = (0, 0)  # expected, received at the last report

    def sequence(self, number: int) -> int | None:
        """The number extended past 16 bits; None when it is neither a little ahead nor a little behind."""
        ahead = (number - self.highest) & 0xFFFF
        if ahead < MAX_DROPOUT:
            if ahead > 1:
                self._pass_over(self.highest + ahead)
            self.highest += ahead
            return self.highest
        if _SEQ - ahead <= MAX_MISORDER:
            return self.highest - (_SEQ - ahead)
        return None

    def _pass_over(self, number: int) -> None:
        """What lies before this packet has not come; what is too long ago never will."""
        oldest = number - MAX_MISORDER
        self._missing = {one for one in self._missing if one >= oldest}
        self._missing.update(range(max(self.highest + 1, oldest), number))

    def again(self, number: int, timestamp: int) -> bool:
        """Whether this packet has come before: some networks copy, and whoever replays does. Ask once a packet.

        A number used again for something newer is a source that begins anew, and no copy.
        """
        behind = (self.highest - number) & 0xFFFF
        if behind > MAX_MISORDER or not self.received or self.extended(timestamp) > self.timestamp:
            return False
        if self.highest - behind not in self._missing:
            return True
        self._missing.discard(self.highest - behind)
        return False

    def extended(self, timestamp: int) -> int:
        """The timestamp extended past 32 bits, nearest to the last one."""
        ahead = (timestamp - self.timestamp) & 0xFFFFFFFF
        return self.timestamp + (ahead if ahead < _TS // 2 else ahead - _TS)

    def tick(self, rate: int) -> None:
        """Another codec: timestamps count by another clock from here on (RFC 7160)."""
        if rate != self.rate:
            self.jitter *= rate / self.rate
            self.rate, self._transit = rate, None

    @property
    def jitter_ms(self) -> float:
        return self.jitter * 1000 / self.rate

    def arrived(self, timestamp: int, now: float) -> None:
        """Count a packet and update the jitter (appendix A.8); `timestamp` is extended."""
        self.received += 1
        transit = now * self.rate - timestamp
        if self._transit is not None:
            self.jitter += (abs(transit - self._transit) - self.jitter) / 16
        self._transit = transit

    def followed(self, count: int, step: int, now: float) -> None:
        """The same for packets that follow the last one, each a `step` of ticks later, of which the first came now.

        The jitter is sampled so: it is a mean of differences, and the others would be like these.
        """
        self.arrived(self.timestamp + step, now)
        self.timestamp += count * step
        self.highest += count
        self.received += count - 1

    def came(self) -> None:
        """Count a packet of which nobody knows when it came: it says nothing about the jitter."""
        self.received += 1
        self._transit = None

    @property
    def expected(self) -> int:
        return self.highest - self.first + 1

    @property
    def lost(self) -> int:
        """Packets expected and not received; duplicates can hide some (appendix A.3)."""
        return max(0, self.expected - self.received)

    def fraction_lost(self) -> int:
        """Lost since the last call, in 1/256 (appendix A.3)."""
        expected, received = self.expected - self._told[0], self.received - self._told[1]
        self._told = (self.expected, self.received)
        lost = expected - received
        return 0 if expected <= 0 or lost <= 0 else min(255, (lost << 8) // expected)
