"""What parent and workers know from before the first fork: configuration, sockets, counts, keys.

- A worker's UDP sockets are bound here and outlive it: whoever takes its place answers to the same ports.
- The ports follow the public one, past those of other listeners: 5060 gives 5061, 5062, ...; port 0 any free ones.
"""

from __future__ import annotations

import errno
import itertools
import os
import time
from pathlib import Path

import attrs
import msgspec

from callactors.calls.dialer import caps
from callactors.calls.seats import Slate
from callactors.commands.listening import open_wires
from callactors.config import Config
from callactors.config.config import replace
from callactors.errors import Unusable
from callactors.net.udp import UdpSocket
from callactors.net.wires import Wires
from callactors.sip.address import Address

FEWEST_PORTS = 20  # of RTP, for each worker: ten calls
PATIENCE, LOOK = 5.0, 0.2  # seconds until a port that is taken is somebody else's; between two tries


@attrs.frozen
class House:
    """`own[n]` are worker n's UDP sockets, one beside each public one."""

    config: Config
    agents: Path | None
    count: int
    wires: Wires
    own: list[list[UdpSocket]]
    slate: Slate
    key: bytes = attrs.field(factory=lambda: os.urandom(32), repr=False)

    @classmethod
    def open(cls, config: Config, agents: Path | None, count: int) -> House:
        """Bind everything. Raises Unusable."""
        if len(config.listen.rtp) // count < FEWEST_PORTS:
            raise Unusable(f"listen.rtp has {len(config.listen.rtp)} ports, too few for {count} workers; widen it")
        wires = open_wires(config)
        limited = [name for name, cap in caps(config).items() if cap.channels is not None or cap.cps is not None]
        return cls(config, agents, count, wires, _own(config, wires, count), Slate(count, limited))

    @classmethod
    def open_patiently(cls, config: Config, agents: Path | None, count: int) -> House:
        """As `open`; the workers of a killed parent keep their ports while they say goodbye, so it waits for these.

        Blocking, PATIENCE seconds at most.
        """
        last = time.monotonic() + PATIENCE
        while True:
            try:
                return cls.open(config, agents, count)
            except Unusable as problem:
                cause = problem.__cause__
                if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE or time.monotonic() > last:
                    raise
            time.sleep(LOOK)  # noqa: TID251  # no loop runs yet

    def close(self) -> None:
        """Give everything back, for this process; inside a loop."""
        self.wires.close()
        for one in itertools.chain.from_iterable(self.own):
            one.close()
        self.slate.close()

    def config_of(self, worker: int) -> Config:
        """The configuration of one worker: its name, its part of the RTP ports."""
        listen = msgspec.structs.replace(self.config.listen, rtp=part(self.config.listen.rtp, worker, self.count))
        listen = msgspec.structs.replace(listen, web=None)
        return replace(self.config, node=f"{self.config.node}.{worker}", listen=listen)

    def addresses(self, worker: int) -> str:
        """Where a worker is reached directly."""
        return ",".join(str(one.address) for one in self.own[worker])


def part(ports: range, worker: int, count: int) -> range:
    """One worker's share, whole pairs of an even and an odd port."""
    first = ports.start + ports.start % 2
    pairs = (ports.stop - first) // 2 // count
    return range(first + 2 * pairs * worker, first + 2 * pairs * (worker + 1))


def _own(config: Config, wires: Wires, count: int) -> list[list[UdpSocket]]:
    anywhere = [listener.udp.port == 0 for listener in config.listen.sip if listener.udp is not None]
    taken = {one.address.port for one in wires.public}
    found: list[list[UdpSocket]] = []
    try:
        for _ in range(count):
            found.append([])
            for index, public in enumerate(wires.public):
                port = 0 if anywhere[index] else _above(public.address, taken)
                found[-1].append(_bind(public.address.host, port, index + 1 if len(wires.public) > 1 else 0))
                taken.add(port)
    except Unusable:
        wires.close()
        for one in itertools.chain.from_iterable(found):
            one.close()
        raise
    return found


def _above(public: Address, taken: set[int]) -> int:
    """The next port past a public one that is nobody's of ours."""
    port = next((port for port in range(public.port + 1, 65_536) if port not in taken), None)
    if port is None:
        raise Unusable(f"no UDP port is left above {public} for every worker; choose a lower public port")
    return port


def _bind(host: str, port: int, flow: int) -> UdpSocket:
    try:
        return UdpSocket(host, port, flow=flow)
    except OSError as error:
        remedy = "workers take the UDP ports above the public one; stop what uses it, or choose another public port"
        where = Address(host, port)
        raise Unusable(f"a worker's SIP cannot listen on {where}: {error.strerror}; {remedy}") from error
