"""The model, a process of its own: many Realtime sessions on one port, ws or wss, one thread, one epoll.

Script on argv, `PORT=n` on stdout once it listens. A line on stdin asks for a report (facts.py), which starts it anew.
"""

from __future__ import annotations

import heapq
import select
import socket
import ssl
import sys
import time

import attrs
import msgspec

from callactors.commands.bench.facts import PeerReport, Script, spread
from callactors.commands.bench.peer_session import PeerSession

HOST = "127.0.0.1"
WATCHED = 40  # sessions whose appends are looked into
_READ = select.EPOLLIN
_WRITE = select.EPOLLIN | select.EPOLLOUT
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@attrs.define(eq=False)
class _Client:
    socket: socket.socket
    session: PeerSession
    greeted: bool
    waiting: bool = False  # for room to write


@attrs.define(eq=False)
class Peer:
    """Serves until its standard input ends."""

    script: Script
    _clients: dict[int, _Client] = attrs.field(factory=dict)
    _due: list[tuple[float, int, int]] = attrs.field(factory=list)  # when, descriptor, session number
    _epoll: select.epoll = attrs.field(factory=select.epoll)
    _accepted: int = 0
    _late: list[float] = attrs.field(factory=list)
    _cpu: float = 0.0
    _ended: list[PeerSession] = attrs.field(factory=list)

    def run(self) -> None:
        listener = socket.create_server((HOST, 0), backlog=1024)
        listener.setblocking(False)
        context = None
        if self.script.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.script.certificate, self.script.key)
        self._epoll.register(listener.fileno(), _READ)
        self._epoll.register(sys.stdin.fileno(), _READ)
        sys.stdout.write(f"PORT={listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            self._wait()
            for descriptor, _ in self._epoll.poll(0, 512):
                if descriptor == listener.fileno():
                    self._accept(listener, context)
                elif descriptor == sys.stdin.fileno():
                    if not sys.stdin.readline():
                        return
                    self._report()
                else:
                    self._serve(descriptor)
            self._speak()

    def _wait(self) -> None:
        """Until something came or is due, to the microsecond."""
        timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        select.select([self._epoll.fileno()], [], [], timeout)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except BlockingIOError:
                return
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) if context else plain
            self._accepted += 1
            session = PeerSession(self._accepted, self.script, self._accepted % 8 == 1 or self._accepted <= WATCHED)
            self._clients[made.fileno()] = _Client(made, session, greeted=context is None)
            self._epoll.register(made.fileno(), _READ)

    def _serve(self, descriptor: int) -> None:
        client = self._clients[descriptor]
        session, before = client.session, client.session.next_at
        try:
            self._greet(client)
            while True:
                data = client.socket.recv(65_536)
                if not data:
                    session.over = True
                    break
                session.receive(data, time.monotonic())
                if len(data) < 65_536 and not isinstance(client.socket, ssl.SSLSocket):
                    break
        except _BLOCKED:
            pass  # all there is was read
        except OSError:
            session.over = True
        self._flush(descriptor, client)
        if session.next_at != before:
            heapq.heappush(self._due, (session.next_at, descriptor, session.number))

    def _greet(self, client: _Client) -> None:
        if not client.greeted and isinstance(client.socket, ssl.SSLSocket):
            client.socket.do_handshake()
            client.greeted = True

    def _flush(self, descriptor: int, client: _Client) -> None:
        out = client.session.out
        try:
            while out and client.greeted:
                del out[: client.socket.send(out)]
        except _BLOCKED:
            pass  # epoll will say when there is room
        except OSError:
            client.session.over = True
        if client.session.over:
            self._drop(descriptor, client)
        elif bool(out) != client.waiting:
            client.waiting = bool(out)
            self._epoll.modify(descriptor, _WRITE if out else _READ)

    def _drop(self, descriptor: int, client: _Client) -> None:
        self._epoll.unregister(descriptor)
        client.socket.close()
        del self._clients[descriptor]
        self._ended.append(client.session)

    def _speak(self) -> None:
        while self._due and self._due[0][0] <= (now := time.monotonic()):
            at, descriptor, number = heapq.heappop(self._due)
            client = self._clients.get(descriptor)
            if client is None or client.session.number != number:
                continue
            self._late.append(now - at)
            client.session.speak(now)
            self._flush(descriptor, client)
            heapq.heappush(self._due, (client.session.next_at, descriptor, number))

    def _report(self) -> None:
        """Everything since the last one."""
        sessions = [*(client.session for client in self._clients.values()), *self._ended]
        cpu = time.process_time()
        report = PeerReport(
            sessions=len(sessions),
            appends=sum(session.appends for session in sessions),
            late_ms=spread(self._late),
            cpu_s=cpu - self._cpu,
            said=tuple(said for session in sessions for said in session.said),
            appended=tuple(one for session in sessions for one in session.appended),
        )
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        sys.stdout.flush()
        self._late, self._cpu, self._ended = [], cpu, []
        for session in sessions:
            session.said, session.appended, session.appends = [], [], 0


def main() -> None:
    """Entry of the process."""
    Peer(msgspec.json.decode(sys.argv[1], type=Script)).run()


if __name__ == "__main__":
    main()
