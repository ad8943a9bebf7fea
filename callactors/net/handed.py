"""The wire of a worker, and the parent's half of it. Rules of this file:

- The parent reads the public sockets and hands each message to the worker it is for. A worker answers a datagram by the
  public socket it came to, which it has inherited; what is connected (TCP, TLS) is the parent's, both ways.
- A worker's own UDP sockets, one beside each public one, stand in its Via and Contact: dialogs come to them directly.
- Flows of a HandedWire: below 0 a public UDP socket, 0 or above 0 over UDP one of its own, over TCP and TLS the
  parent's.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

import trio

from callactors.net.udp import OnLost, UdpSocket, ignore_lost
from callactors.net.wires import Wires
from callactors.sip.address import Address, Hop, Transport

MOST_WAITING = 4_096  # messages handed over and not read yet
MOST_NAMED = 4_096  # connections whose certificates are remembered

PassOn = Callable[[bytes, Hop], None]
Claims = Callable[[bytes, Hop], bool]


class HandedWire:
    """A Wire. `own[i]` stands beside `public[i]`; `connected` are the parent's other listeners.

    `pass_on` takes what goes over a connection to the parent.
    """

    def __init__(
        self,
        own: Sequence[UdpSocket],
        public: Sequence[UdpSocket],
        connected: Sequence[tuple[Transport, Address]],
        pass_on: PassOn,
    ) -> None:
        self.address = own[0].address if own else connected[0][1]
        self.counters: Counter[str] = Counter()
        self.on_lost: OnLost = ignore_lost
        self._own, self._public, self._connected, self._pass_on = own, public, connected, pass_on
        self._names: OrderedDict[int, tuple[str, ...]] = OrderedDict()
        self._waiting: list[tuple[bytes, Hop]] = []
        self._come = trio.Event()
        self._closed = False
        for one in own:
            one.counters = self.counters

    # -- a Wire --------------------------------------------------------------------------------------------------

    def local(self, to: Hop) -> Address:
        """Where this neighbour reaches this worker: its own port over UDP, the parent's listener otherwise."""
        if to.transport == "udp":
            chosen = self._beside(to)
            return self.address if chosen is None else chosen.address
        fit = [address for transport, address in self._connected if transport == to.transport] or [self.address]
        return next((address for address in fit if _family(address.host) == _family(to.host)), fit[0])

    def names(self, flow: int) -> tuple[str, ...]:
        """What the verified certificate of a connection bears."""
        return self._names.get(flow, ())

    def send(self, data: bytes, destination: Hop) -> None:
        if destination.transport != "udp":
            self._pass_on(data, destination)
            return
        chosen = self._public[-destination.flow - 1] if destination.flow < 0 else self._beside(destination)
        if chosen is None:
            self.counters["unroutable"] += 1
            self.on_lost(destination, False)
        else:
            chosen.send(data, destination)

    async def receive(self) -> list[tuple[bytes, Hop]]:
        """Wait for messages. Raises ClosedResourceError once closed."""
        while not self._waiting:
            if self._closed:
                raise trio.ClosedResourceError
            self._come = trio.Event()
            await self._come.wait()
        taken, self._waiting = self._waiting, []
        return taken

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read our own sockets until cancelled."""
        async with trio.open_nursery() as nursery:
            for one in self._own:
                one.on_lost = self.on_lost
                nursery.start_soon(self._read, one)
            task_status.started()

    def close(self) -> None:
        self._closed = True
        self._come.set()
        for one in self._own:
            one.close()

    # -- what the parent says ------------------------------------------------------------------------------------

    def hand(self, data: bytes, source: Hop, names: tuple[str, ...] = ()) -> None:
        """A message that came to the parent; counted and dropped when too many wait."""
        if names:
            self._names[source.flow] = names
            self._names.move_to_end(source.flow)
            while len(self._names) > MOST_NAMED:
                self._names.popitem(last=False)
        if len(self._waiting) >= MOST_WAITING:
            self.counters["dropped"] += 1
            return
        self._waiting.append((data, source))
        self._come.set()

    def lose(self, hop: Hop, broken: bool) -> None:
        """The parent cannot reach this neighbour."""
        self.on_lost(hop, broken)
        self._names.pop(hop.flow, None)

    async def _read(self, own: UdpSocket) -> None:
        while True:
            for data, source in await own.receive():
                self.hand(data, source)

    def _beside(self, to: Hop) -> UdpSocket | None:
        """Our socket for this neighbour: beside the public one it knows, else the first of its family."""
        if to.flow < 0:
            return self._own[-to.flow - 1]
        fit = [one for one in self._own if _family(one.address.host) == _family(to.host)]
        return next((one for one in fit if one.flow == to.flow), fit[0] if fit else None)


class FrontWire:
    """The parent's Wire: `claims` is shown every message first, and keeps what it has handed on."""

    def __init__(self, wires: Wires, claims: Claims, lost: OnLost) -> None:
        """`lost` hears of every neighbour that cannot be reached, beside our own endpoint."""
        self.address, self.counters = wires.address, wires.counters
        self.on_lost: OnLost = ignore_lost
        self._wires, self._claims, self._lost = wires, claims, lost
        wires.on_lost = self._lose

    def local(self, to: Hop) -> Address:
        return self._wires.local(to)

    def send(self, data: bytes, destination: Hop) -> None:
        self._wires.send(data, destination)

    async def receive(self) -> list[tuple[bytes, Hop]]:
        """What is ours alone."""
        while True:
            taken = await self._wires.receive()
            if ours := [(data, source) for data, source in taken if not self._claims(data, source)]:
                return ours

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self._wires.run(task_status)

    def close(self) -> None:
        self._wires.close()

    def handed(self, source: Hop) -> Hop:
        """The same neighbour as a worker is told it: over UDP by the number of the public socket, below 0."""
        if source.transport != "udp":
            return source
        return source._replace(flow=-1 - self._wires.public_index(source))

    def _lose(self, hop: Hop, broken: bool) -> None:
        self.on_lost(hop, broken)
        self._lost(self.handed(hop), broken)


def _family(host: str) -> int:
    return 6 if ":" in host else 4
