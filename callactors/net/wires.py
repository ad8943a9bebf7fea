"""SIP over UDP, TCP and TLS at once: every listener, every connection, one `Wire`. Rules of this file:

- What goes to a Hop goes on its flow while that is open, else on a connection to that host, port and transport, else on
  a new one. `send` never waits: what a new connection is to carry waits in its queue.
- A connection that cannot be opened, or is lost, is told to `on_lost` at once, before anything else can use its place.
- Strangers' connections have caps of their own: they cannot keep a trunk out. Listed sources have wide ones.
- A flow is a connection's number, or a UDP listener's where one family has several; 0 lets us choose.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import attrs
import trio
from trio.abc import Stream

from callactors.net.streams import Connection, Ended, Patience
from callactors.net.tls import Secure, client_context, public_server, server_name
from callactors.net.udp import OnLost, UdpSocket, ignore_lost
from callactors.sip.address import Address, Hop, Transport, is_numeric
from callactors.sip.tls_names import bears, names_of

BACKLOG = 256
UNACKNOWLEDGED = 10_000  # milliseconds the network may take to acknowledge our bytes (TCP_USER_TIMEOUT)

Key = tuple[str, int, Transport]
Work = Callable[[], Awaitable[None]]
Contained = Callable[[Work], Awaitable[None]]


async def _bare(work: Work) -> None:
    await work()


@attrs.frozen
class Listener:
    """Where to listen; `secure` is the context of a tls one (net/tls.server_context)."""

    transport: Transport
    address: Address
    secure: ssl.SSLContext | None = None


@attrs.frozen
class Caps:
    """How many connections others may open."""

    each_listed: int = 256
    all_listed: int = 2_048
    each_stranger: int = 8
    all_strangers: int = 128


class Wires:
    """Bound at once (OSError when a listener cannot be); `run` serves the connections.

    `listed(host)` says whose connections are a trunk's. `secure(hop)` is how we make a TLS connection there; without it
    the system's CAs decide. `trouble(hop, problem)` hears why a connection of ours could not be made. `address` is the
    first listener's.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        *,
        listed: Callable[[str], bool] = lambda host: True,
        secure: Callable[[Hop], Secure] | None = None,
        trouble: Callable[[Hop, str], None] = lambda hop, problem: None,
        patience: Patience | None = None,
        caps: Caps | None = None,
        contained: Contained = _bare,
    ) -> None:
        """`contained` runs what serves one connection: an error of ours in there is to end that connection alone."""
        self.counters: Counter[str] = Counter()
        self.on_lost: OnLost = ignore_lost
        self._listed, self._secure, self._trouble = listed, secure or _trusting_the_system(), trouble
        self._patience, self._caps, self._contained = patience or Patience(), caps or Caps(), contained
        self._numbers = itertools.count(1)
        self._datagrams: list[UdpSocket] = []
        self._servers: list[tuple[Listener, socket.socket]] = []
        self._flows: dict[int, Connection] = {}
        self._open: dict[Key, Connection] = {}
        self._sources: Counter[tuple[bool, str]] = Counter()  # connections others have opened
        self._waiting: list[Connection] = []  # to be opened once `run` runs
        self._nursery: trio.Nursery | None = None
        self._inbox_in, self._inbox = trio.open_memory_channel[list[tuple[bytes, Hop]]](0)
        try:
            self._where = [(listener.transport, self._bind(listener)) for listener in listeners]
        except OSError:
            self.close()
            raise
        self.address = self._where[0][1]

    # -- a Wire --------------------------------------------------------------------------------------------------

    def local(self, to: Hop) -> Address:
        """The listener this neighbour answers to: its transport and family, else the nearest thing to it."""
        for datagrams in self._datagrams:
            if to[2:4] == ("udp", datagrams.flow) and _family(to.host) == _family(datagrams.address.host):
                return datagrams.address
        fit = [address for transport, address in self._where if transport == to.transport] or [self.address]
        return next((address for address in fit if _family(address.host) == _family(to.host)), fit[0])

    def names(self, flow: int) -> tuple[str, ...]:
        """What the verified certificate at the other end of a connection bears; nothing where there is none."""
        connection = self._flows.get(flow)
        return () if connection is None else connection.names

    def send(self, data: bytes, destination: Hop) -> None:
        """On its way, or counted and told why not. Never raises."""
        if destination.transport == "udp":
            self._send_datagram(data, destination)
        elif (open := self._flows.get(destination.flow) or self._to(destination)) is not None:
            open.send(data)
        elif is_numeric(destination.host):
            self._dial(destination).send(data)
        else:
            self.counters["unroutable"] += 1
            self.on_lost(destination, False)

    async def receive(self) -> list[tuple[bytes, Hop]]:
        """Wait for messages. Raises ClosedResourceError once closed."""
        return await self._inbox.receive()

    def close(self) -> None:
        """Give the ports back; idempotent. Connections end with `run`."""
        for datagrams in self._datagrams:
            datagrams.close()
        for _, server in self._servers:
            server.close()
        self._inbox.close()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read every socket, take and open connections, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for datagrams in self._datagrams:
                datagrams.on_lost = self.on_lost
                nursery.start_soon(self._read_datagrams, datagrams)
            for listener, server in self._servers:
                await nursery.start(self._listen, listener, server, nursery)
            for connection in self._waiting:
                nursery.start_soon(self._contained, partial(self._connect, connection))
            self._waiting.clear()
            task_status.started()

    @property
    def public(self) -> list[UdpSocket]:
        """The UDP listeners' sockets, in the order of the listeners."""
        return list(self._datagrams)

    def public_index(self, source: Hop) -> int:
        """Which of `public` this datagram's flow is."""
        family = _family(source.host)
        return next(
            index
            for index, one in enumerate(self._datagrams)
            if one.flow == source.flow and _family(one.address.host) == family
        )

    @property
    def connected(self) -> list[tuple[Transport, Address]]:
        """The listeners of connections."""
        return [(transport, address) for transport, address in self._where if transport != "udp"]

    def connections(self) -> int:
        """Connections now, those being opened included."""
        return len(self._flows)

    # -- datagrams -----------------------------------------------------------------------------------------------

    def _bind(self, listener: Listener) -> Address:
        if listener.transport == "udp":
            twin = any(_family(one.address.host) == _family(listener.address.host) for one in self._datagrams)
            bound = UdpSocket(*listener.address, flow=next(self._numbers) if twin else 0)
            bound.counters = self.counters
            self._datagrams.append(bound)
            return bound.address
        server = _server(listener.address)
        self._servers.append((listener, server))
        return Address(*server.getsockname()[:2])

    def _send_datagram(self, data: bytes, destination: Hop) -> None:
        fit = [one for one in self._datagrams if _family(one.address.host) == _family(destination.host)]
        chosen = next((one for one in fit if one.flow == destination.flow), fit[0] if fit else None)
        if chosen is None:
            self.counters["unroutable"] += 1
            self.on_lost(destination, False)
        else:
            chosen.send(data, destination)

    async def _read_datagrams(self, datagrams: UdpSocket) -> None:
        while True:
            if taken := await datagrams.receive():
                await self._inbox_in.send(taken)

    # -- connections of theirs -------------------------------------------------------------------------------------

    async def _listen(
        self, listener: Listener, server: socket.socket, nursery: trio.Nursery, task_status: trio.TaskStatus[object]
    ) -> None:
        async def take(stream: trio.SocketStream) -> None:
            await self._contained(partial(self._accept, listener, stream))

        listening = trio.SocketListener(trio.socket.from_stdlib_socket(server))
        await trio.serve_listeners(take, [listening], handler_nursery=nursery, task_status=task_status)

    async def _accept(self, listener: Listener, stream: trio.SocketStream) -> None:
        """Serve a connection somebody has opened, unless there are too many of its kind."""
        try:
            host, port = stream.socket.getpeername()[:2]
            _limit_silence(stream)
        except OSError:  # gone before it came
            await trio.aclose_forcefully(stream)
            return
        listed, source = self._listed(host), _source(host)
        if not self._has_room(listed, source):
            self.counters["refused_connections"] += 1
            await trio.aclose_forcefully(stream)
            return
        peer = Hop(host, port, listener.transport, next(self._numbers))
        connection = Connection(peer, self._patience, ours=False)
        connection.trusted = listed
        self._sources[listed, source] += 1
        try:
            await self._serve(connection, await self._greet(connection, listener, stream))
        finally:
            self._sources[listed, source] -= 1
            self._sources += Counter()  # drops what is zero
            await trio.aclose_forcefully(stream)

    def _has_room(self, listed: bool, source: str) -> bool:
        each = self._caps.each_listed if listed else self._caps.each_stranger
        total = self._caps.all_listed if listed else self._caps.all_strangers
        taken = sum(count for (kind, _), count in self._sources.items() if kind == listed)
        return taken < total and self._sources[listed, source] < each

    async def _greet(self, connection: Connection, listener: Listener, stream: Stream) -> Stream | None:
        """The stream to serve: itself, or TLS over it; None when the handshake fails."""
        if listener.secure is None:
            return stream
        secured = trio.SSLStream(stream, listener.secure, server_side=True, https_compatible=True)
        return secured if await self._shake_hands(connection, secured) else None

    # -- connections of ours -------------------------------------------------------------------------------------

    def _to(self, hop: Hop) -> Connection | None:
        """An open connection to that neighbour, whose certificate fits as well as a new one's would have to."""
        found = self._open.get(hop[:3])
        if found is None or hop.transport != "tls":
            return found
        wanted = self._secure(hop).wanted
        return found if wanted == found.wanted or bears(found.names, wanted) else None

    def _dial(self, hop: Hop) -> Connection:
        """A connection that is being opened; it may be sent to at once."""
        wanted = self._secure(hop).wanted if hop.transport == "tls" else ()
        peer = hop._replace(flow=next(self._numbers))
        connection = Connection(peer, self._patience, ours=True, wanted=wanted)
        self._enter(connection)
        if self._nursery is None:
            self._waiting.append(connection)
        else:
            self._nursery.start_soon(self._contained, partial(self._connect, connection))
        return connection

    async def _connect(self, connection: Connection) -> None:
        """Open it and serve it to its end."""
        stream: Stream | None = None
        try:
            with trio.move_on_after(self._patience.connect) as waiting:
                stream = await self._reach(connection.peer)
            if waiting.cancelled_caught:
                self._trouble(connection.peer, "no answer")
            await self._serve(connection, await self._secured(connection, stream))
        finally:
            if stream is not None:
                await trio.aclose_forcefully(stream)

    async def _reach(self, peer: Hop) -> Stream | None:
        ours = self.local(peer).host
        fits = _family(ours) == _family(peer.host) and not ipaddress.ip_address(ours).is_unspecified
        try:
            stream = await trio.open_tcp_stream(peer.host, peer.port, local_address=ours if fits else None)
            _limit_silence(stream)
        except OSError as error:
            self._trouble(peer, _why(error))
            return None
        return stream

    async def _secured(self, connection: Connection, stream: Stream | None) -> Stream | None:
        """The connection as it is spoken on, once the server has shown a name we want; None when it has not."""
        if stream is None or connection.peer.transport != "tls":
            return stream
        context = self._secure(connection.peer).context
        try:
            name = server_name(connection.peer)
            secured = trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)
        except ValueError:  # a name out of the DNS that is no host name
            self._trouble(connection.peer, "its name is no host name")
            return None
        if not await self._shake_hands(connection, secured):
            self._trouble(connection.peer, "no TLS: its certificate does not lead to our CAs, or it refused ours")
            return None
        if not bears(connection.names, connection.wanted):
            self.counters["wrong_names"] += 1
            self._trouble(connection.peer, f"its certificate bears {connection.names}, not {connection.wanted}")
            return None
        return secured

    # -- both ------------------------------------------------------------------------------------------------------

    async def _shake_hands(self, connection: Connection, secured: trio.SSLStream[Stream]) -> bool:
        done = False
        with trio.move_on_after(self._patience.handshake):
            try:
                await secured.do_handshake()
                done = True
            except trio.BrokenResourceError:
                self.counters["failed_handshakes"] += 1
        if done:
            connection.names = names_of(secured.getpeercert())
        return done

    async def _serve(self, connection: Connection, stream: Stream | None) -> None:
        """Serve an open connection to its end, and say so unless it was ours to end. None could not be opened."""
        ended = Ended.CLOSED
        try:
            if stream is not None:
                self._enter(connection)
                ended = await connection.run(stream, self._inbox_in.send)
                self.counters[f"connections_{ended.name.lower()}"] += 1
            elif connection.ours:
                self.counters["unopened"] += 1
        finally:
            self._leave(connection)
        if ended is not Ended.DONE:
            self.on_lost(connection.peer, ended is Ended.BROKEN)

    def _enter(self, connection: Connection) -> None:
        self._flows[connection.peer.flow] = connection
        self._open[connection.peer[:3]] = connection

    def _leave(self, connection: Connection) -> None:
        self._flows.pop(connection.peer.flow, None)
        if self._open.get(connection.peer[:3]) is connection:
            del self._open[connection.peer[:3]]


def _server(address: Address) -> socket.socket:
    """A listening TCP socket. Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _trusting_the_system() -> Callable[[Hop], Secure]:
    context = client_context()
    return lambda hop: public_server(hop, context)


def _limit_silence(stream: trio.SocketStream) -> None:
    """Have a dead peer noticed in seconds, where the system can."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)


def _why(error: OSError) -> str:
    """Trio tries every address of a host, and says why not in a group; ours has one."""
    causes = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else (error,)
    return ", ".join(str(cause) for cause in causes)


def _family(host: str) -> int:
    return 6 if ":" in host else 4


def _source(host: str) -> str:
    """What one caller of many addresses has in common: an IPv6 /64, or the address."""
    if ":" not in host:
        return host
    return str(ipaddress.ip_network(f"{host.partition('%')[0]}/64", strict=False))
