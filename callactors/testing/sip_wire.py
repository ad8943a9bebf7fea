"""A network in memory between sans-IO SIP endpoints: it loses, doubles, delays and reorders, by a seed. No sockets."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from random import Random

from callactors.sip.address import Address, Hop
from callactors.sip.endpoint import Endpoint
from callactors.sip.events import Event

OnEvent = Callable[[float, Event], None]


class Wire:
    """Endpoints by address, and what is on its way between them. Times are seconds; `now` starts at 0."""

    def __init__(self, random: Random, *, loss: float = 0.0, double: float = 0.0, delay: float = 0.0) -> None:
        self.now = 0.0
        self.heard: dict[Address, list[Event]] = {}
        self.sent: list[bytes] = []
        self._random, self._loss, self._double, self._delay = random, loss, double, delay
        self._ends: dict[Address, tuple[Endpoint, OnEvent]] = {}
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def join(self, address: Address, endpoint: Endpoint, on_event: OnEvent = lambda now, event: None) -> None:
        """Put an endpoint on the wire; `on_event` is its user."""
        self._ends[address], self.heard[address] = (endpoint, on_event), []

    def mend(self) -> None:
        """From now on everything arrives, once and at once."""
        self._loss = self._double = self._delay = 0.0

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._due, (when, next(self._order), action))

    def run(self, until: float) -> None:
        """Let time pass, with all that happens in it."""
        self._settle()
        while (when := self._next()) is not None and when <= until:
            self.now = max(self.now, when)
            while self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()
            for endpoint, _ in self._ends.values():
                endpoint.expire(self.now)
            self._settle()
        self.now = until

    def _next(self) -> float | None:
        timers = [when for endpoint, _ in self._ends.values() if (when := endpoint.next_timer()) is not None]
        if self._due:
            timers.append(self._due[0][0])
        return min(timers, default=None)

    def _settle(self) -> None:
        """Users hear their events; what they and the endpoints say goes on its way."""
        for address, (endpoint, on_event) in self._ends.items():
            while events := endpoint.events():
                for event in events:
                    self.heard[address].append(event)
                    on_event(self.now, event)
            for datagram in endpoint.datagrams():
                self.sent.append(datagram.data)
                self._carry(datagram.data, Hop(*address), datagram.destination.address)

    def _carry(self, data: bytes, source: Hop, destination: Address) -> None:
        copies = 2 if self._random.random() < self._double else 1
        for _ in range(copies):
            if destination in self._ends and self._random.random() >= self._loss:
                when = self.now + self._random.uniform(0.0, self._delay)
                self.at(when, lambda: self._ends[destination][0].receive(data, source, self.now))
